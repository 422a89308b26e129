"""The packaged conf folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdspec.registry import find, kinds
from sdspec.spec.find import packaged_conf
from sdspec.spec.load import load_spec

OPTIONS = sorted(path.relative_to(packaged_conf()) for path in packaged_conf().glob("*/*.yaml"))
ADDRESS = "provider.base_url=http://127.0.0.1:1/v1"
MODEL = "model.id=m"
NEEDS = {
    "model/default": [MODEL],
    "model/cloudera": [MODEL],
    "provider/cloudera": [ADDRESS, MODEL],
    "provider/litellm": [MODEL],
    "provider/ollama": [MODEL],
    "provider/openai_compatible": [ADDRESS, MODEL],
    "provider/vllm": [MODEL],
}
EXPORTS = [option.stem for option in OPTIONS if option.parent.name == "export" and option.stem != "none"]


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_composes(option: Path, tmp_path: Path):
    """Every option of every group composes without a problem."""
    name = option.with_suffix("").as_posix()
    choice = name.replace("/", "=")
    spec = load_spec(None, [choice, *NEEDS.get(name, [])], cwd=tmp_path)
    assert [] == [str(problem) for problem in spec.problems]
    assert option.stem == spec.choices[option.parts[0]]


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_says_what_it_is_for(option: Path):
    """Every option begins with its purpose and the command that uses it."""
    lines = (packaged_conf() / option).read_text(encoding="utf-8").splitlines()
    header = [line for line in lines[:6] if line.startswith("#")]
    assert any("sdspec run" in line for line in header)


@pytest.mark.parametrize("kind", [k for k in kinds("providers") if (packaged_conf() / f"provider/{k}.yaml").is_file()])
def test_provider_keys(kind: str, tmp_path: Path):
    """The provider that an option names takes all of its keys."""
    spec = load_spec(None, [f"provider={kind}", *NEEDS.get(f"provider/{kind}", [])], cwd=tmp_path)
    part = find("providers", kind).model_validate(spec.config.provider.options)
    assert kind == spec.config.provider.kind
    assert set(spec.config.provider.options) <= set(type(part).model_fields)


@pytest.mark.parametrize("name", EXPORTS)
def test_export_parts(name: str, tmp_path: Path):
    """The export options name formats and packers that exist."""
    spec = load_spec(None, [f"export={name}"], cwd=tmp_path)
    (export,) = spec.config.export.values()
    assert export.format in kinds("exporters")
    assert export.packer.kind in kinds("packers")


def test_defaults(tmp_path: Path):
    """Without anything: the embedded model, text2sql, prompt and completion as JSON lines."""
    spec = load_spec(None, cwd=tmp_path)
    assert ("local", "smollm2-135m-instruct", "sft", None) == (
        spec.config.provider.kind,
        spec.config.model.id,
        spec.config.workflow.kind,
        spec.config.evaluation,
    )
    assert "text2sql" == spec.choices["template"]
    assert "prompt_completion" == spec.config.export["train"].packer.kind


def test_two_exports(tmp_path: Path):
    """Two export options add one dataset each."""
    spec = load_spec(None, ["template=custom", "export=[jsonl,parquet]"], cwd=tmp_path)
    assert {"train": "jsonl", "table": "parquet"} == {name: e.format for name, e in spec.config.export.items()}
    assert "jsonl,parquet" == spec.choices["export"]


def test_every_export_at_once(tmp_path: Path):
    """Each export option has a name of its own, so that all of them go together."""
    spec = load_spec(None, ["template=custom", f"export=[{','.join(EXPORTS)}]"], cwd=tmp_path)
    assert len(EXPORTS) == len(spec.config.export)
