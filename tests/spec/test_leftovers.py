"""A spec with its own prompt or columns on a template option: what the option brought for its own is left out."""

from __future__ import annotations

import json

from sdspec.api import check
from sdspec.spec.load import trace_spec
from tests.recipes import cli_here
from tests.spec.conftest import Project

OPTION = """
prompt: |
  {{ examples }}
  Ask a {{ level }} question in {{ words }} words about {{ seed }}, {{ tone }}.
seeds: [a, b]
examples: [{q: x, a: y}, {q: z, a: w}]
examples_per_row: 1
variables: {level: {choice: [easy, hard]}, words: {range: [5, 9]}, tone: friendly}
output: {q: str, a: str}
checks: [{kind: length, column: a, min: 2}]
fake: {q: "q {{ n }} {{ words }}", a: "answer"}
"""


def option(project: Project, text: str = OPTION) -> str:
    """The defaults that choose conf/template/mine.yaml."""
    project.write("conf/template/mine.yaml", text)
    return "  - override /template: mine\n  - override /provider: fake"


def spec(project: Project, body: str) -> str:
    lines = ["defaults:", "  - /sdspec", *option(project).splitlines(), "  - _self_", body]
    project.write("specs/x.yaml", "\n".join(lines))
    return "x"


def test_an_own_prompt(project: Project):
    """Its option's examples and drawn variables go where it shows none; what a text still speaks of stays."""
    loaded = project.right(spec(project, "template: {prompt: 'On {{ seed }}.'}"))
    template = loaded.config.template
    assert ((), {"words", "tone"}) == (template.examples, set(template.variables))
    assert () == check(loaded)
    (note,) = loaded.notes
    assert "template.prompt (specs/x.yaml:6:12) takes another's place; left out with that: examples." == note


def test_an_own_prompt_that_shows_them(project: Project):
    """Nothing goes that the prompt shows."""
    body = "template: {prompt: '{{ examples }} On {{ seed }}, {{ level }}.'}"
    template = project.right(spec(project, body)).config.template
    assert (2, {"level", "words", "tone"}) == (len(template.examples), set(template.variables))


def test_own_columns(project: Project):
    """Examples and fake answers of other columns go; a check of a column that is gone is a problem."""
    loaded = project.right(spec(project, "template: {output: {title: str, text: str}, checks: []}"))
    template = loaded.config.template
    assert ((), None) == (template.examples, template.fake)
    assert () == check(loaded)
    assert "left out with that: examples, fake." in loaded.notes[0]
    (found,) = check(project.right(spec(project, "template: {output: {title: str, text: str}}")))
    assert str(found).startswith("conf/template/mine.yaml:") and "no step writes column 'a'." in str(found)


def test_the_same_columns_with_other_types(project: Project):
    """They are the same columns: what does not fit them is a problem, as everywhere."""
    loaded = project.right(spec(project, "template: {output: {q: str, a: int}}"))
    assert 2 == len(loaded.config.template.examples)
    assert "example 1: a is 'y'. 'a' must be of type integer." in str(check(loaded)[0])


def test_what_the_spec_itself_writes_stays(project: Project):
    """Examples of the spec or of an override that no prompt shows are a mistake, and are reported."""
    own = spec(project, "template: {prompt: 'On {{ seed }}.', examples: [{q: s, a: t}]}")
    assert ["template.examples: the prompt never shows them."] == [
        str(problem).split(": ", 1)[1].partition(" Write")[0] for problem in check(project.right(own))
    ]
    prompt = "template.prompt='On {{ seed }}.'"
    assert 1 == len(check(project.right(own, prompt, "template.examples=[{q: s, a: t}]")))
    assert () == check(project.right(spec(project, "name: x"), prompt))


def test_an_options_own_mistake_stays(project: Project):
    """Within one file nothing is a leftover."""
    name = spec(project, "name: x")
    project.write("conf/template/mine.yaml", OPTION.replace("{{ examples }}", ""))
    (found,) = check(project.right(name))
    assert "template.examples: the prompt never shows them." in str(found)


def test_explain_and_repeat_know(project: Project):
    """What was left out is in the history with its reason, and a run's spec.yaml compiles to the same plan."""
    name = spec(project, "name: x\nworkflow: {size: 3}\ntemplate: {prompt: 'On {{ seed }}.'}")
    _, history = trace_spec(name, cwd=project.path)
    assert {("template", "examples"), ("template", "variables", "level")} == {one.key for one in history.dropped}
    done = cli_here(project.path, "run", name, "--quiet")
    assert 0 == done.returncode, done.stderr
    folder = project.path / done.stdout.splitlines()[-1]
    again = cli_here(project.path, "plan", str(folder / "spec.yaml"), "--json")
    assert json.loads((folder / "plan.json").read_text())["id"] == json.loads(again.stdout)["id"]
