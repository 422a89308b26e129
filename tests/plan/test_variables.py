"""Variables and examples that are drawn for each row."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import sdspec
from sdspec.api import check
from sdspec.blocks.vary import Vary
from sdspec.plan.preview import FirstAsk, first_asks
from sdspec.rows import Row
from sdspec.spec.load import load_spec
from tests.recipes import run_spec, write_spec

PROMPT = "{{ examples }} Ask about {{ seed }}: {{ mood }}"
EXAMPLES = [{"question": f"question {number}", "answer": f"answer {number}"} for number in range(6)]


def spec_with(folder: Path, mood: Any, **template: Any) -> Path:
    """COLOURS with another `mood`."""
    changes = {
        "prompt": PROMPT,
        "variables": {"mood": mood},
        "fake": {"question": "q {{ n }}", "answer": "a"},
        **template,
    }
    return write_spec(folder, {"template": changes})


def asks(folder: Path, count: int, mood: Any = "calm", **template: Any) -> list[FirstAsk]:
    """The first rows that a run would attempt."""
    plan = sdspec.compile(sdspec.load(spec_with(folder, mood, **template), cwd=folder))
    return first_asks(plan, count)


def prompt(one: FirstAsk) -> str:
    return one.ask.messages[-1]["content"]


@pytest.mark.parametrize(
    ("mood", "drawn", "column"),
    [
        ({"choice": ["calm", "wild"]}, {"calm", "wild"}, "str"),
        ({"choice": {"calm": 1, "wild": 0}}, {"calm"}, "str"),
        ({"choice": {"calm": 0.5, "wild": 1e-12}}, {"calm"}, "str"),
        ({"choice": [0.5, 1]}, {0.5, 1}, "float"),
        ({"choice": [True, False]}, {True, False}, "bool"),
        ({"choice": {1: 3, 2: 1}}, {1, 2}, "int"),
        ({"range": [-1, 1]}, {-1, 0, 1}, "int"),
        ({"range": [7, 7]}, {7}, "int"),
    ],
)
def test_what_is_drawn(tmp_path: Path, mood: Any, drawn: set[Any], column: str) -> None:
    """Every value with a weight is drawn, none without; the column has the values' type; the prompt shows the value."""
    found = asks(tmp_path, 60, mood)
    assert drawn == {one.row.values["mood"] for one in found}
    assert all(f": {one.row.values['mood']}" in prompt(one) for one in found)
    plan = sdspec.compile(sdspec.load(spec_with(tmp_path, mood), cwd=tmp_path))
    assert column == plan.columns["mood"]


def test_values_may_be_nested(tmp_path: Path) -> None:
    """A choice among mappings and lists: the prompt reads into them, and the rows hold them."""
    mood = {"choice": [{"name": "calm", "words": ["a", "b"]}, {"name": "wild", "words": []}]}
    template = {"prompt": "{{ examples }} Ask about {{ seed }}: {{ mood.name }} {{ mood.words | length }}"}
    shown = {prompt(one).partition("Ask about")[2].partition("\n")[0] for one in asks(tmp_path, 20, mood, **template)}
    assert {" red: calm 2", " red: wild 0"} <= shown
    run = run_spec(spec_with(tmp_path, mood, **template))
    assert {"calm", "wild"} == {json.loads(value)["name"] for value in run.rows()["mood"].to_pylist()}


def test_weights_are_shares() -> None:
    """Over many rows a value comes as often as its weight says."""
    vary = Vary(choices={"mood": (("calm", 3.0), ("wild", 1.0))}, ranges={"n": (1, 4)})
    rows = [Row.start(0, number, {"seed": "red"}, 1) for number in range(4000)]
    for row in rows:
        vary.vary(row, "vary", 0)
    assert 2880 <= Counter(row.values["mood"] for row in rows)["calm"] <= 3120
    assert all(880 <= times <= 1120 for times in Counter(row.values["n"] for row in rows).values())


@pytest.mark.parametrize(
    ("mood", "said"),
    [
        ({"range": [3, 1]}, "template.variables.mood.range: [3, 1] is not [low, high] of two whole numbers."),
        ({"range": [0.5, 1]}, "[0.5, 1] is not [low, high] of two whole numbers."),
        ({"range": [1]}, "[1] is not [low, high] of two whole numbers."),
        ({"range": [0, 2**63]}, "template.variables.mood.range[1]: a whole number of more than 64 bits."),
        ({"range": 5}, "5 is not [low, high] of two whole numbers."),
        ({"choice": {"a": 0, "b": 0}}, "cannot be drawn from. Write {choice: [a, b]}"),
        ({"choice": {"a": "often"}}, "cannot be drawn from."),
        ({"choice": {"a": True}}, "cannot be drawn from."),
        ({"choice": {"a": float("inf"), "b": 1}}, "cannot be drawn from."),
        ({"choice": {"a": float("nan")}}, "cannot be drawn from."),
        ({"choice": []}, "cannot be drawn from."),
        ({"choice": "abc"}, "cannot be drawn from."),
    ],
)
def test_what_cannot_be_drawn_is_a_problem(tmp_path: Path, mood: Any, said: str) -> None:
    """One located problem, with the value and how to write it."""
    (found,) = check(load_spec(str(spec_with(tmp_path, mood)), cwd=tmp_path))
    assert said in str(found)
    assert str(found).startswith("specs/colours.yaml:")


@pytest.mark.parametrize(("shown", "seen"), [(0, 0), (1, 1), (2, 2), (6, 6), (None, 6), (7, 6)])
def test_examples_are_drawn_for_each_row(tmp_path: Path, shown: int | None, seen: int) -> None:
    """So many as wanted, in their order, others for other rows, the same for the same row; null shows all."""
    path = spec_with(tmp_path, "calm", examples=EXAMPLES)
    wanted = [f"template.examples_per_row={'null' if shown is None else shown}", "workflow.size=80"]
    found, again = (first_asks(sdspec.compile(sdspec.load(path, wanted, cwd=tmp_path)), 80) for _ in range(2))
    lists = [[number for number in range(6) if f'"question {number}"' in prompt(one)] for one in found]
    assert {seen} == {len(one) for one in lists}
    if 0 < seen < 6:
        assert set(range(6)) == {number for one in lists for number in one}
    assert [prompt(one) for one in found] == [prompt(one) for one in again]
    assert seen or all("<examples>" not in prompt(one) for one in found)


def test_more_examples_than_there_are_is_noted(tmp_path: Path) -> None:
    """Who asks for more examples than there are sees all, and is told; an option's number is no news."""
    path = spec_with(tmp_path, "calm", examples=EXAMPLES)
    (note,) = sdspec.compile(sdspec.load(path, ["template.examples_per_row=7"], cwd=tmp_path)).notes
    assert "template.examples_per_row (override 'template.examples_per_row=7'): 7, but there are 6 examples" in note
    assert () == sdspec.compile(sdspec.load(spec_with(tmp_path, "calm"), cwd=tmp_path)).notes
