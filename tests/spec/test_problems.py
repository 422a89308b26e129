"""All problems of a spec at once, each where it stands."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec.errors import SpecError
from sdspec.spec.load import load_spec
from tests.spec.conftest import Project

GOLDEN = Path(__file__).parent.parent / "golden"


def test_load_mistakes(project: Project):
    """A spec with ten different mistakes gives ten located problems, in reading order."""
    project.write("specs/load_mistakes.yaml", (GOLDEN / "load_mistakes.yaml").read_text(encoding="utf-8"))
    project.write("specs/examples.json", '[\n  {"question": "a", "answer" "b"}\n]\n')
    found = project.problems("load_mistakes", "workflow.reask=1", "provider=fak")
    assert (GOLDEN / "load_mistakes.txt").read_text(encoding="utf-8").splitlines() == found


BODY = """\
defaults: [/sdspec, override /template: custom, _self_]
name: a
provider: {kind: local}
model:
  temperature: 0.2
template:
  seeds: [x]
  parse:
    kind: json
workflow:
  size: 3
export:
  train:
    format: jsonl
  other: {format: parquet}
models:
  judge:
    id: m
engine:
  concurrency: 4
"""
CLOSED = {"model": 2, "template": 2, "workflow": 2, "train": 4, "judge": 4, "engine": 2}
"""Block mappings that know their keys, with the indent of their children."""


@settings(max_examples=40, deadline=None)
@given(
    key=st.from_regex(r"[a-z][a-z_]{2,11}", fullmatch=True).map(lambda name: f"{name}_x"),
    parent=st.sampled_from([None, *CLOSED]),
    value=st.sampled_from(["1", "text", "[a, b]", "{a: 1}", "null", "'${name}'"]),
)
def test_unknown_keys_anywhere(key: str, parent: str | None, value: str):
    """An unknown key, at any depth and with any value, is reported at its own line and column, and alone."""
    lines = BODY.splitlines()
    at = next((i for i, line in enumerate(lines) if line.strip() == f"{parent}:"), len(lines) - 1) + 1
    indent = CLOSED.get(parent or "", 0)
    lines.insert(at, f"{' ' * indent}{key}: {value}")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "s.yaml").write_text("\n".join(lines), encoding="utf-8")
        (problem,) = load_spec("s.yaml", cwd=Path(folder)).problems
    assert f"s.yaml:{at + 1}:{indent + 1}" == problem.where
    assert problem.what.endswith(f"{key}: unknown key.")
    assert "Known: " in problem.hint


def test_unknown_key_in_an_own_option(project: Project):
    """A typo in a team's own option file is found as well, and in each file that has it."""
    project.write("conf/model/house.yaml", "id: house\ntemprature: 1\n")
    name = project.spec("model: {temprature: 2}\n", "  - override /model: house")
    found = project.problems(name)
    assert ["conf/model/house.yaml:2:1", "specs/x.yaml:6:9"] == [text.split(": ")[0] for text in found]
    assert all("Did you mean 'temperature'?" in text for text in found)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("workflow.sise=3", "workflow.sise: unknown key. Did you mean 'size'? Known: dedup,"),
        ("provider=fak", "provider: no option 'fak'. Did you mean 'fake'? Known: bedrock,"),
        ("export=[jsonl,parket]", "export: no option 'parket'. Did you mean 'parquet'?"),
        ("provder=fake", "provder: unknown key. Did you mean 'provider'?"),
        ("model/x=y", "no group 'model/x'. Did you mean 'model'? Known: engine,"),
        ("model.temperature=warm", "model.temperature: a number is needed, got 'warm'."),
        ("model.temperature=3", "model.temperature: must be at most 2, got 3."),
        ("workflow.size=true", "workflow.size: a number is needed, got true."),
        ("workflow.size=0.5", "workflow.size: a whole number is needed, got 0.5."),
        ("workflow.size.a=1", "workflow.size.a: workflow.size is 100, not a mapping."),
        ("template.seeds.40=x", "template.seeds[40]: template.seeds has no item 40; it has 28."),
        ("model=5", "model: no option '5'."),
        ("name=[a]", "name: a text is needed, got a list."),
        ("name=true", "name: a text is needed, got true. Quote it: yes, no, on and off are truth values in YAML."),
        ("~model.top_k", "model.top_k: is not set. Did you mean"),
        ("+name=b", "name: is already set. Write name=b."),
        ("+provider=fake", "provider: is already chosen. Write provider=fake."),
        ("model@models.judge=smollm2", "model@models.judge: nothing is chosen there yet. Write +model@"),
        ("model.temperature=0.1,0.2", "several values make a sweep. Add -m to run them all"),
        ("hello", "cannot be read: there is no '='."),
        ("template.prompt=a: b{", "cannot be read: quote the value"),
        ("model.id=???", "model.id: must be set. The id that the provider knows the model by."),
        ("template.seeds=[1]", "template.seeds[0]: a text is needed, got 1. Quote it."),
        ("hydra.nothing=1", "hydra: "),
    ],
)  # fmt: skip
def test_wrong_overrides(project: Project, override: str, expected: str):
    """A wrong override is one problem, which names it; the rest of the spec stands."""
    name = project.spec("name: a\n")
    spec = project.load(name, override)
    (problem,) = [str(problem) for problem in spec.problems]
    assert problem.startswith(f"override '{override}': {expected}")
    assert "custom" == spec.choices["template"]


def test_wrong_overrides_leave_the_right_ones(project: Project):
    """Wrong overrides are taken out, in the order typed; the others count."""
    name = project.spec("name: a\n")
    spec = project.load(name, "b c", "model.temperature=0.4", "provider=fak", "workflow.sise=1", "export=parquet")
    found = [problem.where for problem in spec.problems]
    assert ["override 'b c'", "override 'provider=fak'", "override 'workflow.sise=1'"] == found
    assert (0.4, "parquet") == (spec.config.model.temperature, spec.choices["export"])


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ("  - override /provider: bedrok", "specs/x.yaml:4:5: defaults: provider: no option 'bedrok'. Did you mean"),
        ("  - override /provder: fake", "specs/x.yaml:4:5: defaults: no group 'provder'. Did you mean 'provider'?"),
        ("  - /sdspek", "specs/x.yaml:4:5: defaults: no config '/sdspek'. Did you mean 'sdspec'?"),
        ("  - {a: b, c: d}", "specs/x.yaml:4:5: defaults: an entry is a config, or one `group: option`."),
        ("  - override /model@models.judge: smollm2", "specs/x.yaml:1:1: defaults: In 'x': Could not override"),
        ("  - _self_", "specs/x.yaml:1:1: defaults: Duplicate _self_ defined in x."),
    ],
)
def test_wrong_defaults_lists(project: Project, entry: str, expected: str):
    """A wrong entry of a defaults list is located, and the rest of the spec is still checked."""
    found = project.problems(project.spec("engine: {concurency: 3}\n", entry))
    assert 2 == len(found)
    assert any(text.startswith(expected) for text in found)
    assert any("engine.concurency: unknown key." in text for text in found)


def test_a_wrong_option_is_wrong_under_a_switch_too(project: Project):
    """The command line does not hide a wrong entry of the spec's defaults list."""
    name = project.spec("name: a\n", "  - override /provider: bedrok")
    assert 1 == len(project.problems(name, "provider=fake"))
    assert "fake" == project.load(name, "provider=fake").config.provider.kind


def test_repeated_keys(project: Project):
    """A key written twice is a problem at its second place, and names the first."""
    name = project.spec("workflow:\n  size: 3\n  size: 4\nname: a\nname: b\n")
    assert [
        "specs/x.yaml:8:3: workflow.size: repeats the key of line 7. Keep one of the two.",
        "specs/x.yaml:10:1: name: repeats the key of line 9. Keep one of the two.",
    ] == project.problems(name)


def test_two_that_exclude_each_other(project: Project):
    """Both sizes in one file, or both on the command line, is a problem at the later one."""
    name = project.spec("workflow:\n  size_per_seed: 3\n  size: 4\n")
    assert [
        "specs/x.yaml:8:3: workflow.size: set together with 'size_per_seed' (specs/x.yaml:7:3). Keep one of the two."
    ] == project.problems(name)
    assert ["override 'workflow.size=4'"] == [
        problem.where for problem in project.load(None, "workflow.size_per_seed=1", "workflow.size=4").problems
    ]


def test_bad_keys_fall_back(project: Project):
    """A wrong key stands at the layer below, or at its default; it and its parents are known to be bad."""
    name = project.spec("model: {temperature: hot, max_tokens: -1}\nworkflow: {reasks: x}\n")
    spec = project.load(name, "model.temperature=9")
    config = spec.config
    assert (0.7, 256, 2) == (config.model.temperature, config.model.max_tokens, config.workflow.reasks)
    assert spec.is_bad("model", "temperature")
    assert spec.is_bad("model")
    assert not spec.is_bad("model", "id")
    assert 3 == len(spec.bad)


def test_required_keys(project: Project):
    """Required keys that nobody set are reported where their parent stands, and checking goes on."""
    project.write(
        "specs/x.yaml",
        "defaults: [/engine: default]\nprovider: {base_url: x}\nmodel: {temprature: 1}\ntemplate: {checks: [{}]}\n",
    )
    found = project.problems("x")
    keys = [re.sub(r"^\S+ ", "", text).split(": ")[0] for text in found]
    assert {
        "provider.kind",
        "model.id",
        "template.prompt",
        "template.output",
        "template.checks[0].kind",
        "workflow",
    } < {*keys}
    assert "model.temprature" in keys


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("name: [a\nmodel: 1\n", "specs/x.yaml:2:6: not YAML: "),
        ("name: a: b\n", "specs/x.yaml:1:8: not YAML: "),
        ("- a\n", "specs/x.yaml:1:1: a mapping (key: value) is needed, got a list."),
        ("a: &a [*a]\n", "specs/x.yaml:1:1: not YAML"),
        ("name: !thing x\n", "specs/x.yaml:1:7: not YAML: "),
    ],
)
def test_not_yaml(project: Project, text: str, expected: str):
    """A spec that is no YAML mapping gives no config at all: the line and the reason are in the error."""
    project.write("specs/x.yaml", text)
    with pytest.raises(SpecError) as found:
        project.load("x")
    assert str(found.value).startswith(expected)


def test_an_option_that_is_not_yaml(project: Project):
    """A broken option file is one problem, located in that file."""
    project.write("conf/model/house.yaml", "id: a\n  b: c\n")
    (problem,) = project.problems(project.spec("name: a\n", "  - override /model: house"))
    assert problem.startswith("conf/model/house.yaml:2:4: not YAML: ")


def test_values_no_spec_can_hold(project: Project):
    """Sets and bytes are refused where they stand; dates are texts."""
    name = project.spec("name: a\ntemplate:\n  variables:\n    day: 2024-05-01\n    raw: !!binary aGk=\n")
    spec = project.load(name)
    assert [
        "specs/x.yaml:10:5: template.variables.raw: a bytes cannot stand in a spec. Write it as a quoted text."
    ] == [str(problem) for problem in spec.problems]
    assert "2024-05-01" == spec.config.template.variables["day"]


def test_keys_that_are_no_texts(project: Project):
    """A null key is refused where it stands; numbers may be keys of a user's own mappings."""
    name = project.spec("null: 1\nhydra:\ntemplate: {variables: {level: {choice: {1: 0.5, 2: 0.5}}}}\n")
    spec = project.load(name)
    assert [
        "specs/x.yaml:6:1: the spec: a key must be a text, got nothing (null). Quote it.",
        "specs/x.yaml:7:1: hydra: a mapping (key: value) is needed.",
    ] == [str(problem) for problem in spec.problems]
    assert {"choice": {1: 0.5, 2: 0.5}} == spec.config.template.variables["level"]


def test_no_such_spec(project: Project):
    """An unknown name lists the near ones; an unknown file too; a folder points to the spec in it."""
    project.spec("name: a\n", name="orders_sql")
    project.write("runs/spec.yaml", "name: a\n")
    for target, expected in {
        "order_sql": "order_sql: no such spec in ./specs/. Did you mean 'orders_sql'? Known: orders_sql.",
        "specs/orders.yaml": "specs/orders.yaml: no such file. Did you mean 'specs/orders_sql.yaml'?",
        "nowhere/x.yaml": "nowhere/x.yaml: no such file.",
        "./runs": "./runs: is a folder, not a spec file. Did you mean './runs/spec.yaml'?",
    }.items():
        with pytest.raises(SpecError, match=f"^{re.escape(expected)}$"):
            project.load(target)


def test_the_reserved_name(project: Project):
    """No user's file takes the place of the packaged root."""
    project.write("specs/sdspec.yaml", "name: mine\n")
    with pytest.raises(SpecError, match=r"specs/sdspec\.yaml: a spec cannot be called 'sdspec'"):
        project.load("sdspec")
    project.write("conf/sdspec.yaml", "name: mine\n")
    (problem,) = project.problems(project.spec("workflow: {size: 1}\n"))
    assert problem.startswith("conf/sdspec.yaml:1:1: the name 'sdspec' is that of the packaged root config")


def test_schema_keys_are_described(project: Project):
    """What is missing is said with what it is."""
    (problem,) = project.problems(project.spec("name: a\n"), "model=default")
    assert (
        "conf/model/default.yaml:3:1: model.id: must be set. The id that the provider knows the model by. "
        "Give it in the spec, or as model.id=..." == problem
    )


def test_golden_is_yaml():
    """The golden spec parses: its ten mistakes are a spec's, not YAML's."""
    assert isinstance(yaml.compose((GOLDEN / "load_mistakes.yaml").read_text(encoding="utf-8")), yaml.MappingNode)


def test_values_that_no_file_can_hold(project: Project) -> None:
    """A number beyond 64 bits and a text that is not UTF-8 are located problems, not a crash in a later file."""
    project.write("specs/big.yaml", "defaults: [/sdspec, _self_]\ntemplate:\n  variables: {w: 123456789012345678901}\n")
    assert project.problems("big", "template.system='a\udcff'") == [
        "specs/big.yaml:3:15: template.variables.w: a whole number of more than 64 bits. Put it in quotes: it is then "
        "a text.",
        "override 'template.system='a\ufffd'': is no text in UTF-8. Write its characters in UTF-8.",
    ]
