"""What another engine will stand on: a plan travels to other processes, and rows know nothing of each other."""

import pickle
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import sdspec
from tests.chains import judged_plan
from tests.recipes import write_spec

RUN_IT = """
import pickle, sys, sdspec
run = sdspec.run(pickle.load(sys.stdin.buffer))
print(run.record()["rows_sha256"])
"""
CHECKED = {"provider": {"pnonsense": 0.3}, "template": {"checks": [{"kind": "length", "column": "answer", "min": 7}]}}
PACKAGED = ("text2sql", "code_generation", "custom")


def test_a_plan_runs_in_another_process(tmp_path: Path) -> None:
    """A pickled plan makes the same rows elsewhere, out of a journal of its own."""
    here = judged_plan(write_spec(tmp_path, CHECKED), outputs=tmp_path / "here")
    there = judged_plan(write_spec(tmp_path, CHECKED), outputs=tmp_path / "there")
    ran = subprocess.run([sys.executable, "-c", RUN_IT], input=pickle.dumps(there), capture_output=True, check=True)
    assert ran.stdout.decode().strip() == sdspec.run(here).record()["rows_sha256"]


@pytest.mark.parametrize("template", PACKAGED)
def test_every_packaged_template_compiles_to_a_plan_that_travels(template: str, tmp_path: Path) -> None:
    """What pickling gives back is the plan, to its last step."""
    plan = sdspec.compile(sdspec.load(None, [f"template={template}", "provider=bedrock"], cwd=tmp_path))
    again = pickle.loads(pickle.dumps(plan))
    assert (again.to_json(), again.engine, again.budget) == (plan.to_json(), plan.engine, plan.budget)
    assert again.steps == plan.steps


def test_rows_of_some_seeds_are_made_without_the_others(tmp_path: Path) -> None:
    """Row for row, two halves of a plan are the whole: what rows share is decided at commit alone."""
    spec = write_spec(tmp_path, CHECKED)

    def rows(name: str, items: slice) -> dict[str, object]:
        plan = judged_plan(spec, "workflow.dedup=null", outputs=tmp_path / name)
        made = sdspec.run(replace(plan, items=plan.items[items])).rows().drop_columns(["_index"])
        return {row["_row_id"]: row for row in made.to_pylist()}

    first, second, whole = rows("a", slice(2)), rows("b", slice(2, None)), rows("c", slice(None))
    assert first.keys().isdisjoint(second)
    assert first | second == whole
