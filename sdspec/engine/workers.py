"""Worker processes for checks that are slow or risky: a crash or a hang there costs one verdict, never the run.

They are processes of our own, no pool of multiprocessing: that would run the user's script again in each, could not
tell which value killed its process, and would leave the processes behind when this one is killed.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from asyncio.subprocess import PIPE, Process

from sdspec.contracts import Check, Verdict
from sdspec.engine.worker import LENGTH_BYTES, frame

LONGEST_S = 60.0
"""A verdict that takes longer kills its worker; checks have shorter limits of their own."""
CRASHED = "check_crashed"
"""Reason of a verdict that never came; it is not journaled."""


class Workers:
    """Up to `count` processes, each started when it is first needed; one value at a time in each."""

    def __init__(self, count: int) -> None:
        self._free: asyncio.Queue[Process | None] = asyncio.Queue()
        self._all: set[Process] = set()
        for _ in range(count):
            self._free.put_nowait(None)

    async def examine(self, check: Check, value: object) -> Verdict:
        """The check's verdict; `check_crashed` where the process died of this very value, or took too long."""
        process = await self._free.get()
        usable: Process | None = None  # one that died, or still owes an answer, is not used again
        try:
            process = process or await self._start()
            async with asyncio.timeout(LONGEST_S):
                verdict = await _ask(process, frame(pickle.dumps((check, value))))
            usable = process
        except (asyncio.IncompleteReadError, OSError, TimeoutError):
            return Verdict(False, CRASHED, f"the check's process died or took over {LONGEST_S:g} s")
        finally:
            if usable is None and process is not None and process.returncode is None:
                process.kill()
            self._free.put_nowait(usable)
        return verdict

    async def close(self) -> None:
        """The processes are gone."""
        for process in self._all:
            if process.returncode is None:
                process.kill()
        for process in self._all:
            await process.wait()
        self._all.clear()

    async def _start(self) -> Process:
        search = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sdspec.engine.worker", stdin=PIPE, stdout=PIPE, env={**os.environ, **search}
        )
        self._all.add(process)
        return process


async def _ask(process: Process, request: bytes) -> Verdict:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(request)
    await process.stdin.drain()
    length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "big")
    verdict: Verdict = pickle.loads(await process.stdout.readexactly(length))  # noqa: S301  # from our own worker
    return verdict
