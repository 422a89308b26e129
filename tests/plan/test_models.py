"""Models and providers of a plan: what is asked of them that they do not do, and what nothing asks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import sdspec
from sdspec.errors import SpecError
from sdspec.plan.plan import Plan
from tests.recipes import write_spec

ARN = "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl"
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"


@pytest.fixture(autouse=True)
def region(monkeypatch: pytest.MonkeyPatch) -> None:
    """The ARN's region, whatever that of who runs the tests."""
    monkeypatch.setenv("AWS_REGION", "us-east-1")


def plan_of(folder: Path, *words: str, **keys: Any) -> Plan:
    """The plan of the colours with these keys."""
    return sdspec.compile(sdspec.load(write_spec(folder, keys), words, cwd=folder))


def problem_of(folder: Path, *words: str) -> str:
    """The one problem of the colours with these overrides."""
    with pytest.raises(SpecError) as caught:
        plan_of(folder, *words)
    (problem,) = caught.value.problems
    return str(problem)


def test_what_nothing_asks_is_noted(tmp_path: Path) -> None:
    """A judge without a step, and a provider without a model, are no mistakes, and are not passed over in silence."""
    judge = {"id": "m", "provider": "there"}
    plan = plan_of(tmp_path, models={"judge": judge}, providers={"there": {"kind": "fake"}, "spare": {"kind": "fake"}})
    unused, spare = plan.notes
    assert unused.startswith("models.judge (specs/colours.yaml:") and unused.endswith("): no step asks it.")
    assert spare.endswith("no model names it. A model does by `provider: spare`.")
    assert () == plan_of(tmp_path).notes


def test_a_model_has_its_own_provider(tmp_path: Path) -> None:
    """`model.provider` names one of `providers:`; nothing is noted then."""
    plan = plan_of(tmp_path, "model.provider=there", providers={"there": {"kind": "fake", "seed": 7}})
    assert ("there", ()) == (plan.models["model"].provider_name, plan.notes)


def test_the_window_of_a_model_can_be_said(tmp_path: Path) -> None:
    """An endpoint of one's own has a window that no map knows: prompts that do not fit are found before a call."""
    server = ("provider=vllm", "model.id=m", f"template.system='{'word ' * 500}'")
    assert () == plan_of(tmp_path, *server).notes
    said = problem_of(tmp_path, *server, "model.context=400")
    assert "m on vllm has room for 400, its answer included. Shorten it, or raise model.context" in said
    assert "provider 'local' has a window of its own. Set provider.context." in problem_of(
        tmp_path, "provider=local", "model.context=400"
    )


def test_a_base_model_says_what_an_arn_hides(tmp_path: Path) -> None:
    """top_k, tools, window and price are those of the model behind; the ARN is what is called, and what is keyed."""
    on = ("provider=bedrock", f"model.id={ARN}")
    assert "does not take this setting" in problem_of(tmp_path, *on, "model.top_k=5")
    behind = (*on, f"model.base_model={HAIKU}")
    model = plan_of(tmp_path, *behind, "model.top_k=5").models["model"]
    assert (ARN, ARN, HAIKU) == (model.call.id, model.call.identity, model.call.known_as)
    assert "native" == model.to_json()["schema"]
    assert "answers with 64,000 tokens at most" in problem_of(tmp_path, *behind, "model.max_tokens=70000")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model.base_model=claude"], "'claude' is no model of Bedrock. Write it as VENDOR.MODEL"),
        (["model.base_model=geo.anthropic.claude"], "is no model of Bedrock"),
        ([f"model.id={HAIKU}", f"model.base_model={HAIKU}"], "says which model it is. Remove base_model"),
        (
            ["provider=vllm", "model.id=m", "model.base_model=x"],
            "provider 'vllm' knows each model by its id. Remove it.",
        ),
    ],
)
def test_a_base_model_that_says_nothing_is_a_problem(words: list[str], says: str, tmp_path: Path) -> None:
    """Where the id says it already, where it is no model, and where the provider would not look at it."""
    assert says in problem_of(tmp_path, "provider=bedrock", f"model.id={ARN}", *words)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["provider=openai", "model.stop=[a,b,c,d,e]"], "model.stop: 5 texts, and OpenAI takes 4 at most."),
        (["provider=bedrock", "model.stop=[' ']"], "nothing but white space, and Claude takes none"),
        (["provider=bedrock", "model=nova_lite", "model.stop=['']"], "an empty text, and Bedrock takes none"),
        (["provider=openai", "model.max_tokens=99999"], "answers with 32,768 tokens at most"),
        (["provider=gemini", "model.max_tokens=99999"], "answers with 65,536 tokens at most"),
        (["provider=bedrock", "model.max_tokens=99999"], "answers with 64,000 tokens at most"),
    ],
)
def test_limits_of_a_model_are_problems(words: list[str], says: str, tmp_path: Path) -> None:
    """What the provider would refuse with a 400 for every row is said before the first call."""
    assert says in problem_of(tmp_path, *words)


def test_files_of_a_provider_are_relative_to_the_spec(tmp_path: Path) -> None:
    """`ca_bundle: ca.pem` in specs/x.yaml is specs/ca.pem, wherever one stands; one that is typed is there."""
    address = {"base_url": "https://h/v1", "ca_bundle": "ca.pem"}
    on = {"defaults": ["/sdspec", {"override /template": "custom"}, {"override /provider": "vllm"}, "_self_"]}
    path = write_spec(tmp_path, {**on, "provider": address, "model": {"id": "m"}})
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def bundle(*words: str) -> object:
        spec = sdspec.load(path, words, cwd=elsewhere)
        assert spec.config.provider.options["ca_bundle"] == spec.raw["provider"]["ca_bundle"]
        return spec.raw["provider"]["ca_bundle"]

    assert str(tmp_path / "specs" / "ca.pem") == bundle()
    assert str(elsewhere / "ours.pem") == bundle("provider.ca_bundle=ours.pem")
