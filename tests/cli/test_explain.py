"""`sdspec explain`: a key's value, what is known of it, and everything that was written for it on the way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sdspec import api
from sdspec.errors import SpecError
from tests.goldens import assert_golden
from tests.recipes import cli_here
from tests.terminal import on_terminal

SPEC = """\
defaults:
  - /sdspec
  - override /template: custom
  - override /provider: bedrock
  - _self_
name: bridges
seed: 4
provider: {region: eu-west-1}
model: {temperature: 0.2, max_tokens: "${seed}0"}
template:
  prompt: |
    Ask about {{ seed }}.
    Then answer.
  seeds: [arches, cables]
  examples: []
  output: {question: str}
  variables:
    place: |
      Over the river,
      not the road.
  parse: {kind: regex, pattern: "(?P<question>.*)"}
  checks: [{kind: length, column: question, max: 90}]
  fake: {question: "{{ seed }} {{ n }}?"}
workflow: {size: 7}
models: {judge: {id: house-7b, stop: ["###", END]}}
"""
FAKE = "provider=fake"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "bridges.yaml").write_text(SPEC)
    (tmp_path / "conf" / "model").mkdir(parents=True)
    (tmp_path / "conf" / "model" / "house.yaml").write_text("# The model of the house.\nid: house-7b\n")
    return tmp_path


def states(project: Path, key: str, *overrides: str) -> list[tuple[str, object, str]]:
    """(where, value, state) of each step of the key's chain."""
    found = api.explain(key, "bridges", [FAKE, *overrides], cwd=project)
    return [(step.where, step.value, step.state) for step in found.chain]


def test_screens(project: Path) -> None:
    """What a person sees: a number, a text, an interpolation, an item, a group, a dropped key, a key that is not."""
    asked = [
        ["model.temperature", "--spec", "bridges", FAKE, "model.temperature=0.5"],
        ["template.variables.place", "--spec", "bridges", FAKE],
        ["model.max_tokens", "--spec", "bridges", FAKE],
        ["models.judge.stop[1]", "--spec", "bridges", FAKE],
        ["model", "--spec", "bridges", FAKE],
        ["provider.region", "--spec", "bridges", FAKE],
        ["model.temprature", "--spec", "bridges", FAKE],
        ["temperature", "--spec", "bridges", FAKE],
    ]
    shown = []
    for words in asked:
        done = cli_here(project, "explain", *words)
        shown.append(f"$ sdspec explain {' '.join(words)}\n{done.stdout}{done.stderr}({done.returncode})\n")
    assert_golden("explain.txt", "\n".join(shown))


def test_the_chain_has_every_layer_with_its_value(project: Path) -> None:
    """Lowest layer first; the last one that can be used is the winner."""
    assert [
        ("conf/model/smollm2.yaml:4:1", 0.7, "set"),
        ("specs/bridges.yaml:9:9", 0.2, "set"),
        ("override 'model.temperature=0.5'", 0.5, "won"),
    ] == states(project, "model.temperature", "model.temperature=0.5")


def test_a_wrong_value_is_shown_with_its_problem(project: Path) -> None:
    """A spec with problems can be explained: the wrong value is marked, the one below is in use, why is told."""
    override = "model.temperature=hot"
    assert ("override 'model.temperature=hot'", "hot", "wrong") == states(project, "model.temperature", override)[-1]
    found = api.explain("model.temperature", "bridges", [FAKE, override], cwd=project)
    assert 0.2 == found.value
    assert ["model.temperature: a number is needed, got 'hot'."] == [problem.what for problem in found.problems]
    assert 0 == cli_here(project, "explain", "model.temperature", "bridges", FAKE, override).returncode


@pytest.mark.parametrize(
    ("key", "overrides", "why"),
    [
        ("provider.region", [], "'fake' is chosen"),
        ("workflow.size", ["workflow.size_per_seed=3"], "workflow.size_per_seed takes its place"),
        ("template.output.answer", [], "template.output is replaced as a whole"),
        ("template.checks[0].max", ["~template.checks.0.max"], "removed by override '~template.checks.0.max'"),
        ("template.parse.pattern", ["template.parse.kind=json"], "kind 'json' replaces 'regex'"),
    ],
)
def test_what_was_dropped_is_shown_as_dropped(project: Path, key: str, overrides: list[str], why: str) -> None:
    """A group or kind that was switched, a key that took another's place, a deletion: each says why."""
    found = api.explain(key, "bridges", [FAKE, *overrides], cwd=project)
    dropped = [step for step in found.chain if step.state == "dropped"]
    assert dropped
    assert why in dropped[-1].why
    assert "won" not in {step.state for step in found.chain}


def test_a_group_tells_its_choice_and_its_options(project: Path) -> None:
    """By what the option was chosen, and which there are, packaged and in ./conf, each with its first comment."""
    found = api.explain("model", "bridges", [FAKE, "model=house"], cwd=project)
    assert found.choice is not None
    assert ("house", "override 'model=house'") == (found.choice.option, found.choice.where)
    options = {one.name: one for one in found.choice.options}
    assert ("conf/model/house.yaml", False, "The model of the house.") == (
        options["house"].file,
        options["house"].packaged,
        options["house"].about,
    )
    assert options["smollm2"].packaged
    assert "specs/bridges.yaml:3:5" == api.explain("template", "bridges", [FAKE], cwd=project).choice.where
    assert "conf/sdspec.yaml:5:5" == api.explain("model", None, [], cwd=project).choice.where


def test_children_have_values_and_origins(project: Path) -> None:
    """Keys below a mapping: those that are set with where, the others with their defaults."""
    found = api.explain("model", "bridges", [FAKE], cwd=project)
    children = {child.name: (child.value, child.where) for child in found.children}
    assert (0.2, "specs/bridges.yaml:9:9") == children["temperature"]
    assert (None, "default") == children["top_k"]
    items = api.explain("template.seeds", "bridges", [FAKE], cwd=project).children
    assert [("0", "arches"), ("1", "cables")] == [(item.name, item.value) for item in items]


def test_types_bounds_and_defaults_come_from_models_and_parts(project: Path) -> None:
    """Of a model's key and of the chosen part's key: description, type, bounds, default, the values there are."""
    known = api.explain("provider.p429", "bridges", [FAKE], cwd=project).known
    assert known is not None
    assert ("number", "at least 0, at most 1", 0.0) == (known.type, known.bounds, known.default)
    assert "429" in known.description
    kinds = api.explain("template.checks.0.kind", "bridges", [FAKE], cwd=project).known
    assert kinds is not None
    assert "length" in kinds.allowed
    required = api.explain("template.checks.0.column", "bridges", [FAKE], cwd=project).known
    assert required is not None and required.required


def test_secrets_are_never_shown(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What reads the environment stays as written; a literal secret is not repeated."""
    monkeypatch.setenv("BRIDGES_ID", "from-the-environment")
    for words in (["model.id=${oc.env:BRIDGES_ID}"], ["+provider.api_key=sk-1234567890abcdef"]):
        for key in ("model", "model.id", "provider", "--json"):
            keys = ["model.id", key] if key == "--json" else [key]
            done = cli_here(project, "explain", *keys, "--spec", "bridges", FAKE, *words)
            assert "from-the-environment" not in done.stdout + done.stderr
            assert "sk-1234567890" not in done.stdout + done.stderr
    found = api.explain("model.id", "bridges", [FAKE, "model.id=${oc.env:BRIDGES_ID}"], cwd=project)
    assert "${oc.env:BRIDGES_ID}" == found.value == found.chain[-1].value


def test_json_has_every_value_whole(project: Path) -> None:
    """`--json`: value, chain, children, choice, problems."""
    done = cli_here(project, "explain", "template", "bridges", FAKE, "--json")
    body = json.loads(done.stdout)
    assert "template" == body["key"]
    assert "Ask about {{ seed }}.\nThen answer.\n" == body["value"]["prompt"]
    assert "custom" == body["choice"]["option"]
    assert [] == body["problems"]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("model.temprature", "Did you mean 'temperature'?"),
        ("temperature", "Did you mean 'model.temperature'?"),
        ("template.checks[3]", "It has 1 item."),
        ("template.variables.nope", "no such key below template.variables."),
        ("models.critic.temperature", "no such key below models."),
        ("name.first", "no such key below name."),
        ("", "no such key."),
    ],
)
def test_an_unknown_key_has_its_nearest(project: Path, key: str, hint: str) -> None:
    """A key that cannot be is a problem that names what may have been meant."""
    with pytest.raises(SpecError) as wrong:
        api.explain(key, "bridges", [FAKE], cwd=project)
    assert hint in str(wrong.value)


@pytest.mark.parametrize("key", ["model", "provider", "model.temperature", "template.seeds"])
@pytest.mark.parametrize("columns", [40, 80])
def test_it_fits_the_terminal(project: Path, key: str, columns: int) -> None:
    """No line is longer than the terminal is wide, and places are never cut."""
    lines = on_terminal(project, columns, "explain", key, "--spec", "bridges", FAKE, "model.temperature=0.5")
    assert [] == [line for line in lines if len(line) > columns]
    assert [] == [line for line in lines if line.strip().startswith("specs/") and line.endswith("…")]
