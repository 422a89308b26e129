"""Worker processes for checks that are slow or risky: a crash or a hang there costs one verdict, never the run.

They are processes of our own, no pool of multiprocessing: that would run the user's script again in each, could not
tell which value killed its process, and would leave the processes behind when this one is killed.

Values that wait for a free process and have an equal check go to it together, up to `check.batch`; nothing waits for a
batch to fill. When a batch ends its process, each of its values is tried again alone.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import islice

from sdspec.contracts import Check, Verdict
from sdspec.engine.worker import LENGTH_BYTES, Answer, frame
from sdspec.errors import PrerequisiteError, SdspecError

LONGEST_S = 60.0
"""An answer that takes longer kills its worker; checks have shorter limits of their own."""
CRASHED = "check_crashed"
"""Reason of a verdict that never came; it is not journaled."""
HOPELESS = 12
"""So many values, one behind the other, that end their process: the check cannot work here, whatever the rows hold."""
ENDING_S = 2.0
"""Processes that are busy when a run ends may take so long to take away what they made."""
DEATHS = (asyncio.IncompleteReadError, OSError, TimeoutError)
"""How it shows that a process cannot be started, has died, or takes too long."""


@dataclass(eq=False, slots=True)
class _Waiting:
    """A value without a verdict yet."""

    check: Check
    value: object
    verdict: asyncio.Future[Verdict] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    alone: bool = False
    """It was in a batch that ended its process."""


class Workers:
    """Up to `count` processes, each started when it is first needed."""

    def __init__(self, count: int) -> None:
        self._free: list[Process | None] = [None] * count
        self._all: set[Process] = set()
        self._waiting: deque[_Waiting] = deque()
        self._busy: dict[asyncio.Task[list[Verdict]], list[_Waiting]] = {}
        self._crashed: Counter[type[Check]] = Counter()
        """Values in a row of which there was no verdict."""
        self._closed = False

    async def examine(self, check: Check, value: object) -> Verdict:
        """The check's verdict; `check_crashed` where the process died of this very value, or took too long.

        Raises what the check raised on purpose, an SdspecError, and PrerequisiteError where it never gets to a verdict.
        """
        assert not self._closed
        waiting = _Waiting(check, value)
        self._waiting.append(waiting)
        self._serve()
        return await waiting.verdict

    async def close(self) -> None:
        """The processes are gone; who still waits for a verdict is cancelled."""
        self._closed = True
        left = [*self._waiting, *(one for batch in self._busy.values() for one in batch)]
        tasks = list(self._busy)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for one in left:
            one.verdict.cancel()
        for process in filter(None, self._free):
            process.kill()
        ending = [asyncio.create_task(process.wait()) for process in self._all]
        if ending:
            await asyncio.wait(ending, timeout=ENDING_S)
        for process in self._all:
            if process.returncode is None:
                process.kill()
            await process.wait()
        self._all.clear()

    def _serve(self) -> None:
        """Free processes have work, while there is some."""
        while not self._closed and self._free and (batch := self._next_batch()):
            process = self._free.pop()  # the one used last: another one is started only when all are busy
            task = asyncio.create_task(self._verdicts(process, batch[0].check, [one.value for one in batch]))
            self._busy[task] = batch
            task.add_done_callback(self._answered)

    def _next_batch(self) -> list[_Waiting]:
        """The value that has waited longest, with those that can go along; none where nobody waits any more."""
        waiting = [one for one in self._waiting if not one.verdict.done()]  # cancelled ones need no verdict
        if not waiting:
            self._waiting.clear()
            return []
        first = waiting[0]
        batch = [first]
        if not first.alone and first.check.batch > 1:
            alike = (one for one in waiting[1:] if not one.alone and _equal(one.check, first.check))
            batch += islice(alike, first.check.batch - 1)
        taken = set(map(id, batch))
        self._waiting = deque(one for one in waiting if id(one) not in taken)
        return batch

    async def _verdicts(self, process: Process | None, check: Check, values: list[object]) -> list[Verdict]:
        """What a process says of the values; afterwards it is free, or another one may take its place."""
        usable: Process | None = None  # one that died, or still owes an answer, is not used again
        try:
            process = process or await self._start()
            async with asyncio.timeout(LONGEST_S):
                answer = await _ask(process, frame(pickle.dumps((check, values))))
            usable = process
        finally:
            if usable is not None:
                self._free.append(usable)
            else:
                self._free.insert(0, None)
                if process is not None and process.returncode is None:
                    process.terminate() if self._closed else process.kill()
        if isinstance(answer, SdspecError):
            raise answer
        if len(answer) != len(values):
            raise TypeError(f"{type(check).__name__}.examine_many: {len(answer)} verdicts on {len(values)} values")
        return answer

    def _answered(self, task: asyncio.Task[list[Verdict]]) -> None:
        """Whoever waited for the task has a verdict, an error, or waits again, alone."""
        batch = self._busy.pop(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            self._crashed[type(batch[0].check)] = 0
            _settle(zip(batch, task.result(), strict=True))
        elif not isinstance(error, DEATHS):
            _fail(batch, error)
        elif len(batch) > 1:
            for one in reversed(batch):
                one.alone = True
                self._waiting.appendleft(one)
        else:
            self._crash(batch[0])
        self._serve()

    def _crash(self, one: _Waiting) -> None:
        kind = type(one.check)
        self._crashed[kind] += 1
        if self._crashed[kind] < HOPELESS:
            _settle([(one, Verdict(False, CRASHED, f"the check's process died or took over {LONGEST_S:g} s"))])
            return
        name = kind.__module__.rpartition(".")[2] if kind.__module__.startswith("sdspec.") else kind.__name__.lower()
        said = f"check {name}: its process died on {HOPELESS} values in a row, or took over {LONGEST_S:g} s for each."
        _fail([one], PrerequisiteError(f"{said} What it said stands above; the answers are kept."))

    async def _start(self) -> Process:
        search = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "sdspec.engine.worker"),
            stdin=PIPE,
            stdout=PIPE,
            env={**os.environ, **search},
            start_new_session=True,  # Ctrl-C goes to the terminal's group; the run decides what stops
        )
        self._all.add(process)
        return process


def _equal(check: Check, other: Check) -> bool:
    return check is other or check == other


def _settle(verdicts: Iterable[tuple[_Waiting, Verdict]]) -> None:
    for one, verdict in verdicts:
        if not one.verdict.done():
            one.verdict.set_result(verdict)


def _fail(batch: Iterable[_Waiting], error: BaseException) -> None:
    for one in batch:
        if not one.verdict.done():
            one.verdict.set_exception(error)


async def _ask(process: Process, request: bytes) -> Answer:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request)
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
    answer: Answer = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301  # from our own worker
    return answer
