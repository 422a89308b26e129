"""A provider option brings its own default model, unless someone has chosen one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sdspec.plan.compile import compile_all
from sdspec.plan.explain import explain
from sdspec.spec.load import load_spec, trace_spec

HAIKU = "geo.anthropic.claude-haiku-4-5-20251001-v1:0"
NOVA = "geo.amazon.nova-lite-v1:0"


def spec_file(folder: Path, *defaults: object, **keys: object) -> str:
    """A spec on the packaged root; the path to load it by."""
    body = {"defaults": ["/sdspec", *defaults, "_self_"], **keys}
    path = folder / "specs" / "s.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(body, sort_keys=False))
    return str(path)


@pytest.mark.parametrize(
    ("provider", "option", "model_id"),
    [
        ("bedrock", "claude_haiku", HAIKU),
        ("openai", "gpt_mini", "gpt-4.1-mini"),
        ("gemini", "gemini_flash", "gemini-2.5-flash"),
        ("fake", "smollm2", "smollm2-135m-instruct"),
        ("local", "smollm2", "smollm2-135m-instruct"),
    ],
)
def test_a_provider_brings_its_model(provider: str, option: str, model_id: str, tmp_path: Path) -> None:
    """The provider alone is enough to run with; it is a choice, and no key of it is news."""
    spec = load_spec(None, [f"provider={provider}"], cwd=tmp_path)
    assert (option, model_id) == (spec.choices["model"], spec.config.model.id)
    assert ((), ()) == (spec.problems, spec.notes)


@pytest.mark.parametrize("provider", ["openai_compatible", "vllm", "ollama"])
def test_where_there_is_none_the_id_is_asked_for(provider: str, tmp_path: Path) -> None:
    """A server of one's own is not asked for the embedded model: the problem says how to name one."""
    spec = load_spec(None, [f"provider={provider}", "provider.base_url=http://h/v1"], cwd=tmp_path)
    (problem,) = map(str, spec.problems)
    assert problem.startswith("conf/model/default.yaml:3:1: model.id: must be set.")
    assert problem.endswith("Give it in the spec, or as model.id=...")


@pytest.mark.parametrize("words", [["provider=bedrock", "model=nova_lite"], ["model=nova_lite", "provider=bedrock"]])
def test_the_command_line_chooses_another(words: list[str], tmp_path: Path) -> None:
    """A model that is typed is the model, in any order of words."""
    assert NOVA == load_spec(None, words, cwd=tmp_path).config.model.id


def test_the_spec_chooses_another(tmp_path: Path) -> None:
    """A model in the spec's defaults list stays, whoever chooses the provider."""
    chosen = spec_file(tmp_path, {"override /provider": "bedrock"}, {"override /model": "nova_lite"})
    assert NOVA == load_spec(chosen, cwd=tmp_path).config.model.id
    chosen = spec_file(tmp_path, {"override /model": "nova_lite"})
    assert NOVA == load_spec(chosen, ["provider=bedrock"], cwd=tmp_path).config.model.id


@pytest.mark.parametrize("words", [(), ("provider=bedrock",)])
def test_keys_of_the_spec_lie_on_what_is_brought(words: tuple[str, ...], tmp_path: Path) -> None:
    """`model.id` in the spec names the model; what it does not say comes from the option, not from the embedded one."""
    chosen = () if words else ({"override /provider": "bedrock"},)
    path = spec_file(tmp_path, *chosen, model={"id": "us.amazon.nova-pro-v1:0", "temperature": 0.1})
    spec = load_spec(path, words, cwd=tmp_path)
    model = spec.config.model
    assert ("us.amazon.nova-pro-v1:0", 0.1, 1024, None) == (model.id, model.temperature, model.max_tokens, model.top_p)
    assert () == spec.notes
    assert "x.y" == load_spec(path, [*words, "model.id=x.y"], cwd=tmp_path).config.model.id


def test_another_provider_takes_its_model_away(tmp_path: Path) -> None:
    """`provider=fake` on a spec for Bedrock runs with what `fake` runs with, as on any spec."""
    path = spec_file(tmp_path, {"override /provider": "bedrock"})
    assert "smollm2" == load_spec(path, ["provider=fake"], cwd=tmp_path).choices["model"]
    path = spec_file(tmp_path, {"override /provider": "bedrock"}, model={"temperature": 0.1})
    assert 0.1 == load_spec(path, ["provider=fake"], cwd=tmp_path).config.model.temperature


def test_a_further_provider_leaves_the_specs_own_model_alone(tmp_path: Path) -> None:
    """A judge on Bedrock does not make the rows' model a Claude."""
    path = spec_file(tmp_path, {"/provider@providers.judge": "bedrock"})
    spec = load_spec(path, cwd=tmp_path)
    assert ("smollm2", "bedrock") == (spec.choices["model"], spec.config.providers["judge"].kind)


def test_options_of_ones_own_bring_theirs(tmp_path: Path) -> None:
    """conf/provider/ours.yaml builds on Bedrock and brings another model; the nearer one wins."""
    ours = tmp_path / "conf" / "provider" / "ours.yaml"
    ours.parent.mkdir(parents=True)
    ours.write_text("defaults: [bedrock, {override /model: nova_lite}, _self_]\nprofile: team\n")
    spec = load_spec(None, ["provider=ours"], cwd=tmp_path)
    assert (NOVA, "team") == (spec.config.model.id, spec.config.provider.options["profile"])
    ours.write_text("defaults: [bedrock, _self_]\nprofile: team\n")
    assert HAIKU == load_spec(None, ["provider=ours"], cwd=tmp_path).config.model.id
    ours.write_text("defaults: [bedrock, {override /model: nova_light}, _self_]\n")
    (problem,) = load_spec(None, ["provider=ours"], cwd=tmp_path).problems
    assert "no option 'nova_light'. Did you mean 'nova_lite'?" in str(problem)


def test_it_is_explained(tmp_path: Path) -> None:
    """`explain model` shows the line that brought the option, `explain model.id` the option's own."""
    spec, history = trace_spec(None, ["provider=bedrock"], cwd=tmp_path)
    choice = explain(spec, history, "model", tmp_path).choice
    assert choice is not None
    assert ("claude_haiku", "conf/provider/bedrock.yaml:4:5") == (choice.option, choice.where)
    assert "conf/model/claude_haiku.yaml:3:1" == explain(spec, history, "model.id", tmp_path).chain[-1].where


def test_a_spec_on_a_spec_keeps_what_the_lower_one_says(tmp_path: Path) -> None:
    """The lower spec's keys were written for the model that its provider brings: choosing that very one keeps them."""
    spec_file(tmp_path, {"override /provider": "bedrock"}, model={"temperature": 0.1})
    upper = tmp_path / "specs" / "upper.yaml"
    upper.write_text("defaults: [s, {override /model: claude_haiku}, _self_]\n")
    assert 0.1 == load_spec(str(upper), cwd=tmp_path).config.model.temperature


@pytest.mark.parametrize(
    ("variables", "region"),
    [
        ({}, "us-east-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1"}, "eu-west-1"),
        ({"AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "ap-northeast-1"}, "ap-northeast-1"),
    ],
)
def test_bedrocks_region_is_that_of_the_environment(
    variables: dict[str, str], region: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AWS's two variables in AWS's order, then us-east-1; what is stored is the reference, not the value."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    spec = load_spec(None, ["provider=bedrock"], cwd=tmp_path)
    assert region == spec.config.provider.options["region"]
    assert spec.raw["provider"]["region"].startswith("${oc.env:AWS_REGION,")


def test_clouderas_endpoint_is_that_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two variables say all; each that is missing is a problem that names the variable and the key."""
    for name in ("CDP_ENDPOINT_URL", "CDP_MODEL_ID"):
        monkeypatch.delenv(name, raising=False)
    model, url = map(str, load_spec(None, ["provider=cloudera"], cwd=tmp_path).problems)
    assert "conf/model/cloudera.yaml:3:1: model.id: environment variable CDP_MODEL_ID is not set." in model
    assert "provider.base_url: environment variable CDP_ENDPOINT_URL is not set. Set it (export CDP_ENDPOINT" in url
    monkeypatch.setenv("CDP_ENDPOINT_URL", "https://d/namespaces/serving-default/endpoints/e/v1")
    monkeypatch.setenv("CDP_MODEL_ID", "meta/llama")
    spec = load_spec(None, ["provider=cloudera"], cwd=tmp_path)
    assert ((), "meta/llama") == (spec.problems, spec.config.model.id)


def test_a_variable_that_is_empty_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """`export CDP_MODEL_ID=` is as good as none, and said so; where an empty text may be meant it stays one."""
    monkeypatch.setenv("CDP_MODEL_ID", "")
    monkeypatch.setenv("CDP_ENDPOINT_URL", "")
    spec = load_spec(None, ["provider=cloudera", "template.system=${oc.env:CDP_MODEL_ID}"])
    assert [str(problem).partition(": ")[2] for problem in spec.problems] == [
        "model.id: environment variable CDP_MODEL_ID is empty. "
        "Set it (export CDP_MODEL_ID=...), or give model.id itself.",
        "provider.base_url: environment variable CDP_ENDPOINT_URL is empty. "
        "Set it (export CDP_ENDPOINT_URL=...), or give provider.base_url itself.",
    ]
    assert spec.config.template.system == ""


def test_awss_address_is_read_when_a_spec_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 2: a plan knows the endpoint by its spec; a setting comes before the variable, and `explain` names both."""
    variable = "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"
    monkeypatch.setenv(variable, "http://localhost:4566")
    more = ["+providers.judge={kind: bedrock, region: us-east-1}"]
    spec, history = trace_spec(None, ["provider=bedrock", *more], cwd=tmp_path)
    given = spec.config.provider.options, spec.config.providers["judge"].options
    assert ["http://localhost:4566"] * 2 == [one["endpoint_url"] for one in given]
    assert f"${{oc.env:{variable}}}" == spec.raw["provider"]["endpoint_url"]
    assert f"environment variable {variable}" == spec.origins.where(("provider", "endpoint_url"))
    assert [None, f"${{oc.env:{variable}}}"] == [one.value for one in history.of(("provider", "endpoint_url"))]
    own = load_spec(None, ["provider=bedrock", "provider.endpoint_url=https://two.example"], cwd=tmp_path)
    assert "https://two.example" == own.config.provider.options["endpoint_url"]
    monkeypatch.setenv(variable, "nowhere")
    (problem,) = compile_all(load_spec(None, ["provider=bedrock"], cwd=tmp_path)).problems
    assert str(problem).startswith(f"environment variable {variable}: provider.endpoint_url: ")
    monkeypatch.setenv(variable, " ")
    assert load_spec(None, ["provider=bedrock"], cwd=tmp_path).config.provider.options["endpoint_url"] is None
