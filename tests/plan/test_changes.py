"""`sdspec plan` against the last run of the same spec: keys, steps, seeds, size, and which calls are new."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

import sdspec
from sdspec import api
from sdspec.plan.changes import Changes
from sdspec.plan.plan import Plan
from tests.cli.test_screens import settled
from tests.goldens import assert_golden
from tests.recipes import cli_here, run_spec, write_spec
from tests.terminal import on_terminal

PLAIN: dict[str, Any] = {"template": {"checks": [], "examples_per_row": 1}}


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    return write_spec(tmp_path, PLAIN)


def plan_of(spec: Path, *overrides: str) -> Plan:
    outputs = f"engine.outputs={spec.parent.parent / 'outputs'}"
    return sdspec.compile(sdspec.load(spec, [*overrides, outputs], cwd=spec.parent.parent))


def changes(spec: Path, *overrides: str) -> Changes:
    found = api.changes(plan_of(spec, *overrides))
    assert found is not None
    return found


def steps(found: Changes) -> list[tuple[str, str, str]]:
    return [(step.step, step.state, step.because) for step in found.steps]


def test_without_an_earlier_run_there_is_nothing_to_compare(spec: Path) -> None:
    """Runs of other specs do not count."""
    run_spec(spec, "name=others")
    assert api.changes(plan_of(spec)) is None


def test_nothing_changed(spec: Path) -> None:
    """The same spec: no key, no step, no seed; nothing would be bought."""
    run = run_spec(spec)
    found = changes(spec)
    assert (run.path.name, "done", True) == (found.run, found.status, found.same)
    assert ((), (), (), (20, 20)) == (found.keys, found.seeds_added, found.seeds_removed, found.size)
    assert {"same"} == {state for _, state, _ in steps(found)}


def test_a_changed_step_is_told_from_those_behind_it(spec: Path) -> None:
    """Another temperature changes the step that asks; what stands behind it changes because of it."""
    run_spec(spec)
    found = changes(spec, "model.temperature=0.2")
    (key,) = found.keys
    assert ("model.temperature", 0.7, 0.2, "override 'model.temperature=0.2'") == (key.key, key.old, key.new, key.where)
    expected = [("vary", "same", ""), ("generate", "changed", ""), ("dedup", "behind", "generate")]
    assert expected == steps(found)
    assert not found.same


def test_new_and_gone_steps(spec: Path) -> None:
    """A check that is added is new, and what follows stands behind it; a step that is no longer there is gone."""
    run_spec(spec)
    length = "template.checks=[{kind: length, column: answer, max: 90}]"
    expected = [("vary", "same", ""), ("generate", "same", ""), ("length", "new", ""), ("dedup", "behind", "length")]
    assert expected == steps(changes(spec, length))
    assert ("dedup", "gone", "") == steps(changes(spec, "workflow.dedup=null"))[-1]
    run_spec(spec, length)
    expected = [("vary", "same", ""), ("generate", "same", ""), ("length", "gone", ""), ("dedup", "behind", "length")]
    assert expected == steps(changes(spec))


def test_another_random_seed_changes_every_step(spec: Path) -> None:
    """The seed is the reason, no step is."""
    run_spec(spec)
    assert {("behind", "seed")} == {(state, because) for _, state, because in steps(changes(spec, "seed=1"))}


def test_what_decides_no_row_is_listed_and_changes_no_step(spec: Path) -> None:
    """Another concurrency is a key that differs; the rows are the same."""
    run_spec(spec)
    found = changes(spec, "engine.concurrency=3")
    assert found.same
    assert ["engine.concurrency"] == [key.key for key in found.keys]


def test_a_key_set_to_null_is_as_one_that_is_not_set(spec: Path) -> None:
    """`model.top_k: null` where there was none is no change."""
    run_spec(spec)
    assert () == changes(spec, "+model.top_k=null").keys


def test_one_call_is_one_call(spec: Path) -> None:
    """Numbers and their nouns agree."""
    run_spec(spec)
    shown = cli_here(spec.parent.parent, "plan", "colours", "workflow.size=21").stdout
    assert "1 new call of 21" in shown


def test_seeds_and_size(spec: Path) -> None:
    """Seeds that were added and removed, and how many rows are wanted, then and now."""
    run_spec(spec)
    found = changes(spec, "template.seeds=[white,red,pink]", "workflow.size=30")
    assert (("pink",), ("green", "blue", "black")) == (found.seeds_added, found.seeds_removed)
    assert (20, 30) == found.size
    assert ["workflow.size"] == [key.key for key in found.keys]


def test_files_are_compared_by_what_they_hold(tmp_path: Path) -> None:
    """A run has its own copy of a file: the same content under another name is no change of seeds, another one is."""
    example = {"question": "Which colour is grass?", "answer": "Green."}
    (tmp_path / "seeds.txt").write_text("red\ngreen\n")
    (tmp_path / "examples.jsonl").write_text(json.dumps(example) + "\n")
    files = {"seeds": None, "seeds_file": "../seeds.txt", "examples": None, "examples_file": "../examples.jsonl"}
    spec = write_spec(tmp_path, {"template": {**PLAIN["template"], **files}})
    run_spec(spec)
    assert ((), True) == (changes(spec).keys, changes(spec).same)
    (tmp_path / "seeds.txt").write_text("red\nblue\n")
    (tmp_path / "examples.jsonl").write_text(json.dumps({**example, "answer": "Red."}) + "\n")
    found = changes(spec)
    assert (("blue",), ("green",)) == (found.seeds_added, found.seeds_removed)
    (key,) = found.keys
    assert "template.examples_file" == key.key
    assert key.old.startswith("examples.jsonl (")
    assert key.new.startswith("examples.jsonl (")
    assert key.old != key.new


def test_the_last_run_counts_whatever_became_of_it(spec: Path) -> None:
    """A failed run and a member of a sweep are runs too; a folder that has no plan yet is none."""
    outputs = spec.parent.parent / "outputs" / "colours"
    first = run_spec(spec)
    sweep = outputs / "2030-01-01_00-00-00-sweep"
    sweep.mkdir()
    later = sweep / f"2030-01-01_00-00-01{first.path.name[19:]}"
    first.path.rename(later)
    record = json.loads((later / "run.json").read_text())
    (later / "run.json").write_text(json.dumps({**record, "status": "failed"}))
    empty = outputs / "2031-01-01_00-00-00-00000000"
    empty.mkdir()
    (empty / "run.json").write_text(json.dumps({**record, "status": "failed"}))
    run_spec(spec, "model.temperature=0.2")
    found = changes(spec)
    assert (later.name, "failed", True) == (found.run, found.status, found.same)


@pytest.mark.parametrize("name", ["run.json", "plan.json"])
def test_a_damaged_run_stops_no_plan(name: str, spec: Path) -> None:
    """The run before it is compared with; without one there is nothing to compare."""
    run = run_spec(spec)
    later = run.path.with_name(f"2030-01-01_00-00-01{run.path.name[19:]}")
    shutil.copytree(run.path, later)
    (later / name).write_text("{")
    assert run.path.name == changes(spec).run
    (run.path / name).write_text("{")
    assert api.changes(plan_of(spec)) is None


def test_secrets_of_the_environment_are_compared_as_written(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another value of a variable is no change, and is not shown."""
    monkeypatch.setenv("HOUSE_ID", "one")
    run_spec(spec, "model.id=${oc.env:HOUSE_ID}")
    monkeypatch.setenv("HOUSE_ID", "two")
    assert () == changes(spec, "model.id=${oc.env:HOUSE_ID}").keys


def test_screens(spec: Path) -> None:
    """What a person sees: nothing to buy; then what has changed, and how many calls are new."""
    folder = spec.parent.parent
    cli_here(folder, "run", "colours", "--quiet")
    words = [
        [],
        ["model.temperature=0.2", "template.seeds=[red,pink]", "workflow.size=10"],
        ["workflow.size=25", "template.prompt='{{ examples }}\nAsk about {{ seed }}, {{ mood }}'"],
        ["engine.concurrency=3"],
        ["workflow.dedup=null"],
    ]
    shown = []
    for overrides in words:
        done = cli_here(folder, "plan", "colours", *overrides)
        assert 0 == done.returncode, done.stderr
        shown.append(f"$ sdspec plan colours {' '.join(overrides)}\n{done.stdout}")
        assert [] == [line for line in done.stdout.splitlines() if len(line) > 80]
    digests = re.compile(r"\b[0-9a-f]{8}\b")  # those of tests/golden/plan.txt are enough to see them change
    assert_golden("plan_changes.txt", digests.sub("<digest>", settled("\n".join(shown))))


def test_json_says_the_same(spec: Path) -> None:
    """`--json`: changes (null without an earlier run), and how many of the first calls are new."""
    folder = spec.parent.parent
    before = json.loads(cli_here(folder, "plan", "colours", "--json").stdout)
    assert (None, {"new": 20, "looked_at": 20, "planned": 20}) == (before["changes"], before["new_calls"])
    cli_here(folder, "run", "colours", "--quiet")
    after = json.loads(cli_here(folder, "plan", "colours", "workflow.size=25", "--json").stdout)
    assert {"new": 5, "looked_at": 25, "planned": 25} == after["new_calls"]
    assert ["workflow.size"] == [key["key"] for key in after["changes"]["keys"]]
    assert [20, 25] == after["changes"]["size"]


@pytest.mark.parametrize("width", [36, 40, 60, 80])
def test_a_plan_keeps_to_its_width(tmp_path: Path, width: int) -> None:
    """No line is longer than the width, however many columns there are."""
    names = [f"a_rather_long_column_{number}" for number in range(6)]
    output = {"output": dict.fromkeys(names, "list[str]"), "fake": {name: ["x"] for name in names}}
    changed = {
        **PLAIN["template"],
        **output,
        "prompt": "On {{ seed }}, {{ mood }}.",
        "examples": [],
        "examples_per_row": 0,
    }
    text = plan_of(write_spec(tmp_path, {"template": changed, "export": {}})).text(width)
    assert [] == [line for line in text.splitlines() if len(line) > width]
    assert "a_rather_long_column_5" in text


def test_it_fits_a_narrow_terminal(spec: Path) -> None:
    """On 40 columns the plan, its estimate and its changes break at words."""
    folder = spec.parent.parent
    cli_here(folder, "run", "colours", "--quiet")
    lines = on_terminal(folder, 40, "plan", "colours", "model.temperature=0.3")
    shown = [line for line in lines if not line.startswith("note: ")]
    assert [] == [line for line in shown if len(line) > 40]
    assert any(line.startswith("since the last run") for line in shown)
