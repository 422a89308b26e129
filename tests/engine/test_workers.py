"""Check workers: values that wait go together, and what one value does to its worker harms no other."""

import asyncio
import os
import time
from collections.abc import Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sdspec.contracts import Check, Verdict
from sdspec.engine import workers as module
from sdspec.engine.workers import CRASHED, Workers
from sdspec.errors import PrerequisiteError


class Together(Check):
    """Says with how many values each one came, and does what they say."""

    in_process = False
    batch = 4
    gate: str = ""
    """A file that the value `wait` waits for."""

    def examine(self, value: Any) -> Verdict:
        return self.examine_many([value])[0]

    def examine_many(self, values: Sequence[Any]) -> list[Verdict]:
        for value in values:
            if value == "die":
                os._exit(9)
            if value == "hang":
                time.sleep(3600)
            if value == "broken":
                raise PrerequisiteError("install it first")
            while value == "wait" and not Path(self.gate).exists():
                time.sleep(0.01)
        return [
            Verdict(True, detail=str(value), evidence={"with": len(values), "pid": os.getpid()}) for value in values
        ]


class Short(Check):
    """Loses a verdict."""

    in_process = False

    def examine(self, value: Any) -> Verdict:
        raise NotImplementedError

    def examine_many(self, values: Sequence[Any]) -> list[Verdict]:
        return []


@asynccontextmanager
async def working(count: int):
    workers = Workers(count)
    try:
        yield workers
    finally:
        await workers.close()


async def examined(workers: Workers, check: Check, values: Iterable[str]) -> list[Verdict]:
    """The verdicts on values that all wait at once."""
    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        tasks = [group.create_task(workers.examine(check, value)) for value in values]
    return [task.result() for task in tasks]


class WhoseSession(Check):
    """Says which session it runs in."""

    in_process = False

    def examine(self, value: Any) -> Verdict:
        return Verdict(True, "", str(os.getsid(0)))


async def test_ctrl_c_does_not_reach_a_worker() -> None:
    """A worker has a session of its own, from its first moment: what Ctrl-C stops is the run's to decide."""
    workers = Workers(1)
    verdict = await workers.examine(WhoseSession(column="a"), 1)
    await workers.close()
    assert verdict.detail != str(os.getsid(0))


async def test_values_that_wait_go_together() -> None:
    """The first value goes at once; those that wait meanwhile go together, at most `batch` of them, in order."""
    async with working(1) as workers:
        found = await examined(workers, Together(column="x"), "abcdefg")
    assert [verdict.detail for verdict in found] == list("abcdefg")
    assert [verdict.evidence["with"] for verdict in found] == [1, 4, 4, 4, 4, 2, 2]


async def test_only_equal_checks_share_a_batch() -> None:
    """Values of a check with other settings go on their own, and are not starved by it."""
    one, same, other = Together(column="x"), Together(column="x"), Together(column="y")
    async with working(1) as workers, asyncio.TaskGroup() as group:
        tasks = [group.create_task(workers.examine(check, "v")) for check in (one, one, other, same, other, one, other)]
    assert [task.result().evidence["with"] for task in tasks] == [1, 3, 3, 3, 3, 3, 3]


@pytest.mark.parametrize("count", [1, 2])
async def test_a_value_that_kills_its_worker_harms_only_itself(count: int) -> None:
    """The values of its batch are tried again one by one; theirs are the verdicts they have alone."""
    values = ["a", "b", "c", "die", "d", "e"]
    async with working(count) as workers:
        found = await examined(workers, Together(column="x"), values)
    assert [verdict.reason or verdict.detail for verdict in found] == [
        CRASHED if value == "die" else value for value in values
    ]


@pytest.mark.slow
async def test_a_value_that_hangs_harms_only_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that takes too long is ended; its values are tried again one by one, each with the whole time."""
    async with working(1) as workers:
        await workers.examine(Together(column="x"), "warm")
        monkeypatch.setattr(module, "LONGEST_S", 5.0)
        found = await examined(workers, Together(column="x"), ["a", "b", "hang", "c"])
    assert [verdict.reason or verdict.detail for verdict in found] == ["a", "b", CRASHED, "c"]


async def test_an_error_of_the_check_itself_reaches_who_asked() -> None:
    """What a check raises on purpose ends no worker: it is raised for the values of that batch, and for no other."""
    async with working(1) as workers:
        before = await workers.examine(Together(column="x"), "a")
        with pytest.raises(PrerequisiteError, match="install it first"):
            await workers.examine(Together(column="x"), "broken")
        after = await workers.examine(Together(column="x"), "a")
    assert before == after


async def test_a_lost_verdict_is_an_error() -> None:
    """A check that gives fewer verdicts than it got values does not leave anybody waiting."""
    async with working(1) as workers:
        with pytest.raises(TypeError, match="0 verdicts on 1 values"):
            await asyncio.wait_for(workers.examine(Short(column="x"), "a"), 60)


async def test_who_no_longer_waits_costs_no_worker(tmp_path: Path) -> None:
    """Cancelled while it waits or while it is examined: the workers go on as before, with the same process."""
    check = Together(column="x", gate=str(tmp_path / "gate"))
    async with working(1) as workers:
        before = await workers.examine(check, "a")
        examining = asyncio.create_task(workers.examine(check, "wait"))
        waiting = [asyncio.create_task(workers.examine(check, value)) for value in "bcd"]
        await asyncio.sleep(0)
        for task in (examining, waiting[0], waiting[2]):
            task.cancel()
        (tmp_path / "gate").touch()
        left = await asyncio.wait_for(waiting[1], 60)
        assert left == Verdict(True, detail="c", evidence={"with": 1, "pid": before.evidence["pid"]})
        assert await workers.examine(check, "a") == before
    assert examining.cancelled() and waiting[0].cancelled() and waiting[2].cancelled()


async def test_closing_leaves_nobody_waiting(tmp_path: Path) -> None:
    """Values without a verdict when the workers are closed are cancelled, and their process is gone."""
    check = Together(column="x", gate=str(tmp_path / "never"))
    workers = Workers(1)
    pid = (await workers.examine(check, "a")).evidence["pid"]
    tasks = [asyncio.create_task(workers.examine(check, value)) for value in ("wait", "b")]
    await asyncio.sleep(0)
    await workers.close()
    await asyncio.wait(tasks, timeout=60)
    assert [task.cancelled() for task in tasks] == [True, True]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
