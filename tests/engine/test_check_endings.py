"""Checks that cannot work at all end a run in one sentence, and workers that are ended leave nothing behind."""

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from sdspec.checks.python import Python
from sdspec.contracts import Check, Verdict
from sdspec.engine import workers as module
from sdspec.engine.workers import CRASHED, Workers
from sdspec.errors import PrerequisiteError
from tests.recipes import cli, counts, run_spec, write_spec

LINTED = {
    "template": {
        "prompt": "Write code about {{ seed }}.",
        "examples": [],
        "output": {"task": "str", "code": "str"},
        "fake": {"task": "{{ seed }}", "code": "print({{ n }})"},
        "variables": {},
        "checks": [{"kind": "python", "column": "code"}],
    },
    "workflow": {"size": 5, "dedup": None},
}


class Fragile(Check):
    """Ends its process, or does not."""

    in_process = False

    def examine(self, value: Any) -> Verdict:
        if value == "die":
            os._exit(9)
        return Verdict(True)


async def test_a_check_whose_every_value_ends_its_process_cannot_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is wrong is not the rows' fault: who asks is told so. Values count that come one behind the other."""
    monkeypatch.setattr(module, "HOPELESS", 3)
    workers = Workers(1)
    check = Fragile(column="x")
    found = [(await workers.examine(check, value)).reason for value in ("die", "die", "live", "die", "die")]
    with pytest.raises(PrerequisiteError, match="check fragile: its process died on 3 values in a row"):
        await workers.examine(check, "die")
    await workers.close()
    assert found == [CRASHED, CRASHED, "", CRASHED, CRASHED]


def test_a_missing_ruff_ends_the_run_in_one_sentence(tmp_path: Path) -> None:
    """Exit 1 with what to do; what was bought is in the journal, and the next run has it from there."""
    spec = write_spec(tmp_path, LINTED)
    (tmp_path / "hidden" / "ruff").mkdir(parents=True)
    (tmp_path / "hidden" / "ruff" / "__init__.py").touch()
    (tmp_path / "hidden" / "ruff" / "__main__.py").write_text(
        "def find_ruff_bin():\n    raise FileNotFoundError('/nowhere/ruff')\n"
    )
    done = cli(tmp_path, "run", str(spec), PYTHONPATH=str(tmp_path / "hidden"))
    assert done.returncode == 1
    assert "check python: ruff is not installed as it should be" in done.stderr
    assert "Traceback" not in done.stderr
    again = counts(run_spec(spec))
    assert again["kept"] == 5
    assert again["calls"]["from_journal"] > 0


@pytest.mark.skipif(sys.platform == "win32", reason="code is not run there")
async def test_workers_that_are_closed_amid_their_work_leave_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that has all its rows ends while code of a needless one still runs: its folder goes with it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    workers = Workers(1)
    check = Python(column="code", run=True, lint=None, timeout_s=6.0)
    assert (await workers.examine(check, "print(1)")).ok
    needless = asyncio.create_task(workers.examine(check, "while True: pass"))
    async with asyncio.timeout(60):
        while not list(tmp_path.iterdir()):
            await asyncio.sleep(0.01)
        await workers.close()
    assert list(tmp_path.iterdir()) == []
    await asyncio.wait([needless])
    assert needless.cancelled()
