"""The JSON Schema of a spec file: what it takes, what it refuses, and that it describes every key."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from sdspec import api
from sdspec.registry import kinds
from sdspec.spec.find import packaged_conf
from sdspec.spec.load import load_spec
from sdspec.spec.options import options
from tests.recipes import COLOURS, cli, cli_here, run_spec, write_spec
from tests.schema.test_agreement import problems, refused

ROOT = Path(__file__).parents[2]
OPTIONS = sorted(path.relative_to(packaged_conf()) for path in packaged_conf().glob("*/*.yaml"))
TO_COME = [path for path in OPTIONS if path.parts[0] == "provider" and path.stem not in kinds("providers")]
"""Options that name a provider which is not there yet: the schema refuses them, as `check` does."""


def with_keys(**keys: Any) -> dict[str, Any]:
    """A right spec with other top-level keys; mappings are merged one level deep."""
    made: dict[str, Any] = {**COLOURS}
    for name, value in keys.items():
        old = made.get(name)
        made[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return made


RIGHT: dict[str, dict[str, Any]] = {
    "as it is": {},
    "parse by name": {"template": {"parse": "json"}},
    "packer by name": {"export": {"train": {"format": "jsonl", "packer": "messages"}}},
    "null": {"workflow": {"size": 5, "dedup": None}, "model": {"temperature": None}, "evaluation": None},
    "interpolated text": {"name": "${oc.env:SDSPEC_TEST_NAME,colours}"},
    "interpolated number": {"seed": "${oc.decode:${oc.env:SDSPEC_TEST_SEED,3}}", "workflow": {"size": "${seed}"}},
    "interpolated list": {
        "template": {"variables": {"mood": "calm", "all": ["a", "b"]}, "seeds": "${template.variables.all}"}
    },
    "hydra": {"hydra": {"searchpath": []}},
    "part without kind": {"provider": {"latency_s": 0.5}},
    "drawn": {"template": {"variables": {"mood": {"choice": ["a", "b"]}, "n2": {"range": [1, 2]}}}},
    "another named provider": {"providers": {"other": {"kind": "local", "slots": 2}}},
    "JSON Schema": {
        "template": {
            "output": {
                "type": "object",
                "properties": {"question": {"type": "string", "minLength": 3}, "answer": {"type": "string"}},
                "required": ["question", "answer"],
            }
        }
    },
    "one of two": {"workflow": {"size": None, "size_per_seed": 2}},
    "list of exports": {"defaults": ["/sdspec", {"override export": ["jsonl", "csv"]}, {"override template": "custom"},
                                     {"override /provider": "fake"}, "_self_"]},
    "further model": {"defaults": ["/sdspec", {"/model@models.judge": "smollm2"}, {"override /template": "custom"},
                                   {"override /provider": "fake"}, "_self_"]},
}  # fmt: skip


@pytest.mark.parametrize("name", RIGHT)
def test_what_the_loader_takes_is_no_red_line(name: str, tmp_path: Path) -> None:
    """Short forms, null, interpolations, layers without a kind, JSON Schema outputs: right for both."""
    spec = with_keys(**RIGHT[name])
    assert [] == problems(tmp_path, spec)
    assert [] == refused(spec)


WRONG: dict[str, dict[str, Any]] = {
    "typo in a section": {"workflw": {"size": 3}},
    "typo in a key": {"workflow": {"sise": 3}},
    "text for a number": {"workflow": {"size": "many"}},
    "number for a text": {"name": 5},
    "text for a mapping": {"model": "gpt"},
    "mapping for a list": {"template": {"seeds": {"a": 1}}},
    "number in a list of texts": {"template": {"seeds": ["a", 2024]}},
    "above the bound": {"model": {"temperature": 3}},
    "below the bound": {"workflow": {"size": 0}},
    "at an open bound": {"model": {"top_p": 0}},
    "bad name": {"name": "two words"},
    "null for a number": {"engine": {"concurrency": None}},
    "unknown word": {"template": {"style": "xml"}},
    "unknown provider": {"provider": {"kind": "fakee"}},
    "unknown key of a provider": {"provider": {"kind": "fake", "latency": 1}},
    "unknown key without a kind": {"provider": {"latency": 1}},
    "bound of a part": {"provider": {"kind": "fake", "p429": 2}},
    "unknown key inside of a part": {"provider": {"kind": "fake", "limits": {"rps": 3}}},
    "unknown parser": {"template": {"parse": "jsn"}},
    "unknown check": {"template": {"checks": [{"kind": "sqll", "column": "answer"}]}},
    "check without kind": {"template": {"checks": [{"column": "answer"}]}},
    "check without column": {"template": {"checks": [{"kind": "length", "min": 1}]}},
    "unknown dedup": {"workflow": {"dedup": {"kind": "exactly"}}},
    "unknown workflow": {"workflow": {"kind": "sftt"}},
    "unknown packer": {"export": {"train": {"packer": "mesages"}}},
    "unknown format": {"export": {"train": {"format": "jsonlines"}}},
    "judge": {"evaluation": {"quality": {"kind": "llm"}}},
    "unknown type": {"template": {"output": {"question": "strr", "answer": "str"}}},
    "no column": {"template": {"output": {}}},
    "reserved column": {"template": {"output": {"seed": "str"}}},
    "reserved variable": {"template": {"variables": {"examples": 3}}},
    "nothing to choose": {"template": {"variables": {"mood": {"choice": []}}}},
    "negative weight": {"template": {"variables": {"mood": {"choice": {"calm": -1}}}}},
    "no weight": {"template": {"variables": {"mood": {"choice": {"calm": 0}}}}},
    "half a range": {"template": {"variables": {"mood": {"range": [1]}}}},
    "both of two": {"workflow": {"size": 3, "size_per_seed": 3}},
    "unknown option": {"defaults": ["/sdspec", {"override /template": "custm"}, "_self_"]},
    "unknown group": {"defaults": ["/sdspec", {"override /templates": "custom"}, "_self_"]},
    "two in one entry": {"defaults": [{"override /template": "custom", "override /provider": "fake"}]},
    "defaults as a text": {"defaults": "/sdspec"},
    "_replace_ as a text": {"_replace_": "never"},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_mistake_is_a_red_line_and_a_problem(name: str, tmp_path: Path) -> None:
    """Typos, types, bounds, kinds, keys of parts, options: wrong for both."""
    spec = with_keys(**WRONG[name])
    assert problems(tmp_path, spec)
    assert refused(spec)


@pytest.mark.parametrize("option", [path for path in OPTIONS if path not in TO_COME], ids=str)
def test_options_compose_into_what_the_schema_takes(option: Path, tmp_path: Path) -> None:
    """The resolved config of every packaged option is right; `???` stands where a value is still to be given."""
    spec = load_spec(None, [option.with_suffix("").as_posix().replace("/", "=")], cwd=tmp_path)
    assert [] == refused(dict(spec.raw))
    written = yaml.safe_load((packaged_conf() / option).read_text())
    if written is not None and option.parts[0] in ("provider", "model", "template", "workflow", "engine"):
        assert [] == refused({option.parts[0]: {key: value for key, value in written.items() if key != "defaults"}})


@pytest.mark.parametrize("path", sorted((ROOT / "specs").glob("*.yaml")), ids=lambda path: path.name)
def test_the_example_specs_are_right(path: Path) -> None:
    """No red line in what the repository shows."""
    assert [] == refused(yaml.safe_load(path.read_text()))


def test_the_spec_of_a_run_is_right(tmp_path: Path) -> None:
    """A run's own spec.yaml opens in an editor without a red line."""
    run = run_spec(write_spec(tmp_path, {"workflow": {"size": 2}}))
    assert [] == refused(yaml.safe_load((run.path / "spec.yaml").read_text()))


def test_it_is_draft_07() -> None:
    """The schema is a valid one of the draft that it names."""
    schema = api.schema(ROOT)
    assert "draft-07" in schema["$schema"]
    Draft7Validator.check_schema(schema)


def keys(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every key that an editor offers, with its schema; what `if` and `then` say of keys again is left out."""
    if isinstance(node, dict):
        for name, schema in node.get("properties", {}).items():
            yield f"{path}.{name}", schema
        for name, inner in node.items():
            if name not in ("if", "then"):
                yield from keys(inner, f"{path}.{name}")
    elif isinstance(node, list):
        for at, inner in enumerate(node):
            yield from keys(inner, f"{path}[{at}]")


def test_every_key_is_described() -> None:
    """A key has a description: of the spec, of its sections, and of every part on every shelf."""
    schema = api.schema(ROOT)
    silent = []
    for path, found in keys(schema):
        target = schema["definitions"][found["$ref"].rpartition("/")[2]] if "$ref" in found else found
        if not target.get("description", "").strip():
            silent.append(path)
    assert [] == silent
    assert 100 < len(list(keys(schema)))


def test_own_options_can_be_chosen(tmp_path: Path) -> None:
    """Options in ./conf are offered beside the packaged ones."""
    (tmp_path / "conf" / "template").mkdir(parents=True)
    (tmp_path / "conf" / "template" / "mine.yaml").write_text("# mine\nprompt: hello\n")
    spec = {"defaults": ["/sdspec", {"override /template": "mine"}, "_self_"]}
    assert [] == list(Draft7Validator(api.schema(tmp_path)).iter_errors(spec))
    assert refused(spec)


def test_options_are_those_that_the_loader_knows(tmp_path: Path) -> None:
    """A look at the folders finds the groups and options that Hydra finds."""
    from sdspec.spec.loader import make_loader

    (tmp_path / "conf" / "template" / "deep").mkdir(parents=True)
    (tmp_path / "conf" / "template" / "mine.yaml").write_text("prompt: hello\n")
    (tmp_path / "conf" / "template" / ".hidden.yaml").write_text("prompt: hello\n")
    repository = make_loader(None, tmp_path).repository
    found = options(tmp_path)
    assert sorted(found) == repository.groups()
    for group, names in found.items():
        assert set(names) <= set(repository.options(group))
        assert set(repository.options(group)) - set(names) <= {".hidden"}


OUTSIDE = '''
from typing import ClassVar
from pydantic import Field
from sdspec.contracts import Check, Verdict


class Polite(Check):
    """Says please."""

    least: int = Field(default=1, ge=1, description="How often.")

    def examine(self, value):
        return Verdict(ok=True)
'''


def test_parts_from_outside_are_in_it(tmp_path: Path) -> None:
    """A check that an installed package brings has its keys in the schema; one that cannot be imported has any."""
    (tmp_path / "outside.py").write_text(OUTSIDE)
    info = tmp_path / "outside-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[sdspec.checks]\npolite = outside:Polite\nbroken = missing:Check\n")
    done = cli(tmp_path, "schema", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["definitions"]
    assert ["kind", "column", "least"] == list(found["checks.polite"]["properties"])
    assert {"type": "object"} == found["checks.broken"]


def test_it_is_the_same_each_time_and_written_whole(tmp_path: Path) -> None:
    """Whatever the hash seed, the same bytes, with a last line end; `-o` makes the folder and says the file."""
    texts = set()
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-m", "sdspec", "schema"],
            cwd=tmp_path,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        texts.add(done.stdout)
    (text,) = texts
    assert text.endswith("}\n")
    written = cli_here(tmp_path, "schema", "-o", "specs/.schema.json")
    assert "specs/.schema.json\n" == written.stdout
    assert text == (tmp_path / "specs" / ".schema.json").read_text()
