"""Compile-time problems: what is wrong is named with its key, its value and what is known."""

from pathlib import Path

import pytest

import sdspec
from sdspec import api
from sdspec.errors import SpecError
from sdspec.spec.load import load_spec
from tests.goldens import FOLDER, assert_golden
from tests.recipes import COLOURS, cli, cli_here, write_spec

WRONG = [
    ("provider.kind=fak", "no provider of kind 'fak'. Did you mean 'fake'?"),
    ("+provider.latncy_s=1", "unknown key for kind 'fake'. Did you mean 'latency_s'?"),
    ("+provider.limits.itmp=2", "unknown key for kind 'fake'. Did you mean 'itpm'?"),
    ("+provider.p429=2", "2 is not valid: input should be less than or equal to 1."),
    ("model.provider=judge", "no provider named 'judge'."),
    ("model.path=x.gguf", "x.gguf: cannot be read"),
    ("template.output.answer=strng", "'strng' is no column type. Did you mean 'str'?"),
    ("+template.output.seed=str", "this name is taken by sdspec."),
    ("template.output={}", "an output needs at least one column."),
    (
        "template.output={type: object, properties: {question: {type: string}, answer: {$ref: 'http://x/y'}}}",
        "'http://x/y' lies outside of this schema.",
    ),
    (
        "template.output={type: object, properties: {question: {type: string}, answer: {$ref: '#/$defs/x'}}}",
        "'#/$defs/x' is nowhere in this schema.",
    ),
    ("template.output={type: object, properties: {question: {type: strng}, answer: {}}}", "not a valid JSON Schema"),
    ("template.parse=raw", "template.parse: "),
    ("template.seeds=[a,b,a]", "seed 3 repeats seed 1: 'a'."),
    ("template.seeds=[a,' ']", "seed 2 is empty."),
    ("template.examples=[{question: q}]", "example 1: answer is missing."),
    ("template.examples=[{question: q, answer: 3}]", "template.examples[0]: example 1: answer"),
    ("template.examples=[{question: q, anser: a}]", "no column 'anser'. Did you mean 'answer'?"),
    ("+template.variables.question=x", "this name is taken by a column."),
    ("+template.variables.level={range: [3, 1]}", "[3, 1] is not [low, high] of two whole numbers."),
    ("+template.variables.level={choice: {a: -1}}", "cannot be drawn from."),
    ("template.prompt='{{ examples }} {{ sed }} {{ seed }}'", "{{ sed }} is provided by nothing. Did you mean 'seed'?"),
    ("template.prompt='{{ examples }} {{ seed'", "is not valid Jinja"),
    ("template.prompt='{{ seed }}'", "template.examples: the prompt never shows them."),
    ("template.prompt='{{ examples }}'", "template.seeds: the prompt never shows them."),
    ("template.fake.answr=x", "the output has no column 'answr'. Did you mean 'answer'?"),
    ("template.fake={question: x}", "column 'answer' has no answer."),
    ("workflow.kind=sftt", "no workflow of kind 'sftt'. Did you mean 'sft'?"),
    ("workflow.size=null", "not set, and seeds never run out."),
    ("workflow.dedup={kind: exact, columns: [questoin]}", "no step writes column 'questoin'."),
    ("+template.checks=[{kind: sqll, column: answer}]", "no check of kind 'sqll'. Did you mean 'sql'?"),
    ("export.train.format=jsnl", "no exporter for 'jsnl'. Did you mean 'jsonl'?"),
    ("export.train.packer=prompt", "no packer of kind 'prompt'."),
    ("export.train.packer={kind: prompt_completion, prompt: '{{ qestion }}'}", "Did you mean 'question'?"),
    ("evaluation={quality: {kind: judge}}", "no judge of kind 'judge'. Known: (none)."),
]


@pytest.mark.parametrize(("override", "said"), WRONG, ids=[override for override, _ in WRONG])
def test_a_mistake_is_one_problem_that_says_so(tmp_path: Path, override: str, said: str) -> None:
    """Each mistake gives its problem, located at the override that made it, and does not drag others along."""
    problems = [str(problem) for problem in api.check(load_spec(str(write_spec(tmp_path)), [override], cwd=tmp_path))]
    assert len(problems) == 1, problems
    assert said in problems[0]


def test_ten_mistakes_are_ten_problems(tmp_path: Path) -> None:
    """Law 1: all mistakes of a spec are reported at once, each with its line; exit 2, no folder."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "ten_mistakes.yaml").write_text((FOLDER / "ten_mistakes.yaml").read_text())
    done = cli(tmp_path, "run", "ten_mistakes")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 10
    assert_golden("ten_mistakes.txt", done.stderr)
    assert not (tmp_path / "outputs").exists()


def test_compile_is_pure(tmp_path: Path) -> None:
    """Law 2: once loaded, a spec compiles without any of its files, twice to the same plan."""
    (tmp_path / "seeds.txt").write_text("one\ntwo\n")
    changes = {"template": {**COLOURS["template"], "seeds": None, "seeds_file": "../seeds.txt"}}
    spec = sdspec.load(write_spec(tmp_path, changes), cwd=tmp_path)
    (tmp_path / "seeds.txt").unlink()
    first, second = sdspec.compile(spec), sdspec.compile(spec)
    assert first.id == second.id
    assert [item.values["seed"] for item in first.items] == ["one", "two"]


def test_a_spec_for_bedrock_can_be_checked_on_fake(tmp_path: Path) -> None:
    """A spec whose body sets keys of its own provider passes on another one, and says which keys it dropped."""
    changes = {
        "defaults": ["/sdspec", {"override /template": "custom"}, {"override /provider": "bedrock"}, "_self_"],
        "provider": {"region": "eu-west-1"},
    }
    write_spec(tmp_path, changes)
    checked = cli_here(tmp_path, "check", "colours", "provider=fake")
    assert checked.returncode == 0, checked.stderr
    assert "provider.region" in checked.stderr


def test_what_a_provider_would_ignore_is_a_problem(tmp_path: Path) -> None:
    """Law 1: a sampling setting that the chosen provider does not pass on is refused."""
    here = ["provider=openai_compatible", "provider.base_url=http://127.0.0.1:1/v1", "model.top_k=5"]
    with pytest.raises(SpecError, match=r"model.top_k: provider 'openai_compatible' would ignore this setting"):
        sdspec.compile(sdspec.load(write_spec(tmp_path), here, cwd=tmp_path))
