"""What every packaged template promises: seeds across difficulty, right examples, and answers for provider fake."""

from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

import sdspec
from sdspec.checks.python import Python
from sdspec.contracts import Check
from sdspec.plan.plan import Plan
from tests.house.tree import ROOT

TEMPLATES = sorted(path.stem for path in (ROOT / "conf" / "template").glob("*.yaml"))
PAIRS = ["code_generation", "custom"]
"""Those whose fake answers are held to be many here; text2sql's are in tests/checks/test_sql_template.py."""

FAKE_ROWS = 520


def read(template: str) -> dict[str, Any]:
    """The template as it is written."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "conf" / "template" / f"{template}.yaml").read_text("utf-8"))
    return found


def plan_of(template: str, folder: Path, *overrides: str) -> Plan:
    """The template's plan on provider fake, its outputs below the folder."""
    words = [f"template={template}", "provider=fake", f"engine.outputs={folder}", *overrides]
    return sdspec.compile(sdspec.load(None, words, cwd=folder))


def failures(plan: Plan, values: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    """What the plan's checks refuse among the values of its output."""
    checks = [step.part for step in plan.steps if isinstance(step.part, Check)]
    found = []
    for check in checks:
        verdicts = check.examine_many([one[check.column] for one in values])
        found += [(verdict.detail, one) for verdict, one in zip(verdicts, values, strict=True) if not verdict.ok]
    return found


@pytest.mark.parametrize("template", TEMPLATES)
def test_seeds_are_many_and_differ(template: str) -> None:
    """Twenty seeds or more, each once, whatever its case; comments part them into groups."""
    seeds = read(template)["seeds"]
    assert len(seeds) >= 20
    assert [] == [seed for seed, times in Counter(seed.lower() for seed in seeds).items() if times > 1]


@pytest.mark.parametrize("template", TEMPLATES)
def test_examples_pass_the_templates_own_checks(template: str, tmp_path: Path) -> None:
    """A model is shown only what would be kept; more examples than a row sees, and no two alike."""
    written = read(template)
    examples = written["examples"]
    assert len(examples) > 2 * written["examples_per_row"]
    assert len(examples) == len({example["question"] for example in examples})
    assert [] == failures(plan_of(template, tmp_path), examples)


def test_solutions_of_examples_run() -> None:
    """The Python that a model is shown runs."""
    solutions = [example["solution"] for example in read("code_generation")["examples"]]
    assert len(solutions) >= 8
    runs = Python(column="solution", run=True)
    assert [] == [verdict for verdict in runs.examine_many(solutions) if not verdict.ok]


def test_solutions_of_examples_do_what_their_questions_say() -> None:
    """Each solution gives what its question asks for."""
    names: dict[str, Any] = {}
    for example in read("code_generation")["examples"]:
        exec(example["solution"], names)
    assert [2.0, 0] == [names["average"]([1, 2, 3]), names["average"]([])]
    assert [True, False, True, False] == [names["is_leap"](year) for year in (2000, 1900, 2024, 2023)]
    assert {"a": 2, "b": 1} == names["count_letters"]("aba")
    assert "AL" == names["initials"]("ada lovelace")
    people = [{"name": "b", "age": 9}, {"name": "a", "age": 7}, {"name": "c", "age": 1}]
    assert ["a", "b"] == names["older_than"](people, 5)
    cart = names["Cart"]()
    cart.add(2)
    cart.add(3)
    assert 5 == cart.total()
    assert [0, 1, 1, 2, 3] == list(names["fibonacci"](5))
    assert 10 == names["deep_sum"]([1, [2, [3]], 4])
    assert [True, False, False] == [names["is_balanced"](text) for text in ("a(b)()", "(", ")(")]
    assert "Thursday" == names["weekday"]("2024-02-29")
    assert [1.5, None] == [names["to_number"]("1.5"), names["to_number"]("x")]


@pytest.mark.parametrize("template", PAIRS)
def test_fake_answers_are_many_and_pass(template: str, tmp_path: Path) -> None:
    """provider=fake gives more than five hundred kept rows, no two alike, and hardly any attempt is lost."""
    run = sdspec.run(plan_of(template, tmp_path, f"workflow.size={FAKE_ROWS}"))
    counts = run.record()["counts"]
    assert FAKE_ROWS == counts["kept"]
    assert counts["attempted"] <= 1.02 * FAKE_ROWS
    rows: pa.Table = run.rows()
    questions = rows["question"].to_pylist()
    assert len(set(questions)) > 0.98 * FAKE_ROWS
    assert all("\n" not in question and "  " not in question and len(question) > 20 for question in questions)


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_template_varies_its_rows(template: str) -> None:
    """Examples come first in the prompt and the topic last; every variable is shown, and some are drawn per row."""
    written = read(template)
    assert written["prompt"].startswith("{{ examples }}\n")
    assert written["prompt"].endswith("<topic>{{ seed }}</topic>\n")
    assert [] == [name for name in written["variables"] if f"{{{{ {name} }}}}" not in written["prompt"]]
    assert any(isinstance(value, dict) for value in written["variables"].values())
