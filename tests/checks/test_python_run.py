"""The check `python` with `run: true`, in worker processes as in a run. What code may do is in tests/sandbox."""

import asyncio
import json
import os
import signal
from pathlib import Path

import pytest

import sdspec
from sdspec.checks.python import Python
from sdspec.engine.workers import CRASHED, Workers
from sdspec.errors import SpecError
from sdspec.sandbox.execute import strongest
from tests.recipes import counts, run_spec, write_spec

CHECK = Python(column="solution", run=True, timeout_s=6)
GOOD = "print(sum([1, 2]))"


async def verdicts(check, *texts, count=1):
    """What workers say of texts that wait at once."""
    workers = Workers(count)
    try:
        async with asyncio.timeout(120), asyncio.TaskGroup() as group:
            tasks = [group.create_task(workers.examine(check, text)) for text in texts]
    finally:
        await workers.close()
    return [task.result() for task in tasks]


async def test_code_runs():
    """Evidence is what it printed, and how far it was kept apart; the text of a Markdown answer is not run."""
    first, second = await verdicts(CHECK, GOOD, f"Look:\n```python\n{GOOD}\n```\nrm -rf")
    assert first.ok and second.ok
    assert first.evidence["output"] == "3\n"
    assert first.evidence["isolation"] == strongest().words()


async def test_failing_code_is_a_reject():
    """An exception by its line, time, memory, exit status: each its own reason, whatever runs before and after."""
    texts = [
        GOOD,
        "x = []\n\nx[1]",
        GOOD,
        "import sys\nsys.exit(2)",
        "x = bytearray(10**10)",
        "Text\n```python\n1 / 0\n```",
        GOOD,
    ]
    found = await verdicts(CHECK, *texts, count=2)
    assert [verdict.reason for verdict in found] == [
        *("", "python_error", "", "python_exit", "python_memory", "python_error", "")
    ]
    assert found[1].detail == "IndexError: list index out of range (line 3)"
    assert found[5].detail == "ZeroDivisionError: division by zero (line 3)"


async def test_endless_code_is_a_reject():
    """It takes its own time, not its neighbours'."""
    found = await verdicts(CHECK.model_copy(update={"timeout_s": 1.0}), GOOD, "while True: pass", "x = 1")
    assert [verdict.reason for verdict in found][1] == "python_timeout"
    assert found[1].detail == "took more than 1 s"
    assert CRASHED not in [verdict.reason for verdict in found]


async def test_code_with_a_finding_does_not_run(tmp_path):
    """What does not compile or has a finding is not executed; nor is anything where `run` is false."""
    finding, no_run = await verdicts(CHECK, "print(1)\nprint(name)", "x ="), await verdicts(Python(column="x"), GOOD)
    assert "isolation" not in finding[0].evidence
    assert "output" not in no_run[0].evidence


async def test_code_does_not_outlive_its_worker():
    """A worker that is killed takes the code with it that it runs, and what kept it."""
    workers = Workers(1)
    try:
        await workers.examine(CHECK, GOOD)
        (worker,) = children(os.getpid(), "sdspec.engine.worker")
        running = asyncio.create_task(workers.examine(CHECK, "import time\ntime.sleep(1000)"))
        async with asyncio.timeout(30):
            while not (family := below(worker)) or not any("answer.py" in command(pid) for pid in family):
                await asyncio.sleep(0.005)
            os.kill(worker, signal.SIGKILL)
            assert (await running).reason == CRASHED
            while any(Path(f"/proc/{pid}").exists() and state(pid) not in "ZX" for pid in family):
                await asyncio.sleep(0.005)
    finally:
        await workers.close()


def children(pid, word):
    """Child processes that have the word in their command."""
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(one) for task in tasks for one in task.read_text().split() if word in command(one)]


def below(pid):
    """All processes below one."""
    direct = children(pid, "")
    return direct + [one for child in direct for one in below(child)]


def command(pid):
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""


def state(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


SPEC = {
    "template": {
        "output": {"question": "str", "solution": "str"},
        "examples": None,
        "prompt": "Write code about {{ seed }}",
        "fake": {
            "question": "What of {{ seed }} {{ n }}?",
            "solution": "```python\nprint({{ n }} {% if n % 3 == 0 %}/ 0{% elif n % 3 == 1 %}+ x{% endif %})\n```",
        },
        "checks": [{"kind": "python", "column": "solution", "run": True}],
    },
    "workflow": {"size": 6},
}


def test_a_run(tmp_path):
    """Kept rows ran; the others are rejects by reason; a second run takes the verdicts from the journal."""
    path = write_spec(tmp_path, SPEC)
    run = run_spec(path)
    assert counts(run)["kept"] == 6
    assert counts(run)["rejected"].keys() == {"python_error", "python_lint"}
    lineage = json.loads(run.rows().column("_lineage")[0].as_py())
    (evidence,) = lineage["checks"].values()
    assert evidence["isolation"] == strongest().words()
    again = run_spec(path)
    assert again.record()["rows_sha256"] == run.record()["rows_sha256"]


def test_an_unknown_rule_ends_a_run(tmp_path):
    """It fails at its first row with one sentence, and rejects none for it."""
    check = {"kind": "python", "column": "solution", "lint": ["ZZZ9"]}
    run = run_spec(write_spec(tmp_path, {**SPEC, "template": {**SPEC["template"], "checks": [check]}}))
    assert run.record()["status"] == "failed"
    assert "ZZZ9" in run.record()["why"]
    assert counts(run)["rejected"] == {}


def test_a_rule_of_no_form_is_a_problem_of_the_spec(tmp_path):
    """`sdspec check` finds it, where it stands."""
    check = {"kind": "python", "column": "solution", "lint": ["unused"]}
    path = write_spec(tmp_path, {**SPEC, "template": {**SPEC["template"], "checks": [check]}})
    with pytest.raises(SpecError, match=r"colours.yaml:\d+:\d+: .*'unused' is no rule of ruff's"):
        sdspec.compile(sdspec.load(path, cwd=tmp_path))
