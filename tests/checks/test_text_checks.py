"""The checks of texts in a spec: mistakes are told with their place, and rejects are written with their reasons."""

import pyarrow.parquet as pq
import pytest

from sdspec import api
from sdspec.spec.load import load_spec
from tests.recipes import counts, run_spec, write_spec

HEAD = """defaults: [/sdspec, {override /template: custom}, {override /provider: fake}, _self_]
name: s
template:
  checks:
    - kind: %s
      column: answer
"""


@pytest.mark.parametrize(
    ("kind", "lines", "where", "said"),
    [
        ("regex", "pattern: '(a'", "s.yaml:7:7", "template.checks[0].pattern: '(a' is not valid: not a regular"),
        ("regex", "pattern: a\n      patern: b", "s.yaml:8:7", "unknown key for kind 'regex'. Did you mean 'pattern'?"),
        ("regex", "pattern: a\n      must: matches", "s.yaml:8:7", "input should be 'match' or 'not_match'."),
        ("length", "min: 9\n      max: 3", "s.yaml:5:7", "template.checks[0]: min 9 is greater than max 3"),
        ("length", "unit: words", "s.yaml:5:7", "neither min nor max is set"),
        ("contains", "ignore_case: true", "s.yaml:5:7", "none of all, any and none is set"),
        ("contains", "all: ['']", "s.yaml:7:13", "template.checks[0].all[0]: '' is not valid"),
        ("language", "languages: [de, eng]", "s.yaml:7:23", "no language code. Did you mean 'en'?"),
        ("language", "languages: []", "s.yaml:5:7", "languages is empty, so that nothing would pass."),
        ("json_schema", "schema: {type: strin}", "s.yaml:7:7", "type: not a valid JSON Schema: 'strin'"),
        (
            "json_schema",
            "schema: {}\n      shema: {}",
            "s.yaml:8:7",
            "unknown key for kind 'json_schema'. Did you mean 'schema'?",
        ),
        ("json_schema", "schema: {$ref: 'http://x/y'}", "s.yaml:7:7", "'http://x/y' lies outside of this schema."),
        ("lenght", "min: 3", "s.yaml:5:7", "no check of kind 'lenght'. Did you mean 'length'?"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path, kind, lines, where, said):
    """Each mistake in a check's settings is told at compile time, at its line and column."""
    (tmp_path / "s.yaml").write_text(HEAD % kind + f"      {lines}\n")
    problems = api.check(load_spec("s.yaml", cwd=tmp_path))
    assert [True] == [problem.where == where and said in str(problem) for problem in problems], problems


def test_rejects_of_a_run_have_their_reasons(tmp_path):
    """In a run each check refuses what it should, and the rejects say what and why."""
    answers = ["It means stop.", "Das bedeutet immer: anhalten.", "Stop", "As an AI I stop here."]
    fake = {"question": "What does {{ seed }} mean, no. {{ n }}?", "answer": f"{{{{ {answers}[n % 4] }}}}"}
    checks = [
        {"kind": "length", "column": "answer", "min": 2, "unit": "words"},
        {"kind": "contains", "column": "answer", "none": ["as an ai"], "ignore_case": True},
        {"kind": "language", "column": "answer", "languages": ["en"]},
        {"kind": "regex", "column": "question", "pattern": "[?]$"},
        {"kind": "json_schema", "column": "question", "schema": {"type": "string"}},
    ]
    path = write_spec(tmp_path, {"template": {"fake": fake, "checks": checks}, "workflow": {"max_attempts": 40}})
    run = run_spec(path)
    rejects = pq.read_table(run.folder.path / "rejects.parquet").to_pylist()
    found = {row["reason"]: (row["step"], row["detail"]) for row in rejects}
    assert counts(run)["kept"] == 0
    assert found["too_short"] == ("length", "1 words, at least 2 wanted")
    assert found["forbidden_text"] == ("contains", "has 'as an ai'")
    assert found["language"][0] == "language"
    assert found["language"][1].startswith("de with confidence ")
    assert found["json_syntax"] == ("json_schema", "line 1, column 1: unexpected character, expected a JSON value")
    assert set(found) == {"too_short", "forbidden_text", "language", "json_syntax"}
