"""Worker processes for checks that are slow or risky: a crash or a hang there costs one verdict, never the run."""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool

from sdspec.contracts import Check, Verdict

LONGEST_S = 60
"""A verdict that takes longer kills its worker; checks have shorter limits of their own."""


class Workers:
    """A pool that is started by the first verdict."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._pool: ProcessPoolExecutor | None = None
        self._alone = asyncio.Lock()

    async def examine(self, check: Check, value: object) -> Verdict:
        """The check's verdict; `check_crashed` where the worker died of this very value."""
        try:
            return await self._submit(check, value)
        except BrokenProcessPool:
            self._pool = None
        async with self._alone:  # whose fault was it? Those that were in the pool are examined again, one by one
            try:
                return await self._submit(check, value)
            except BrokenProcessPool:
                self._pool = None
                return Verdict(False, "check_crashed", f"the check's process died or took over {LONGEST_S} s")

    def close(self) -> None:
        """The processes are gone."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None

    async def _submit(self, check: Check, value: object) -> Verdict:
        if self._pool is None:
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload([])
            self._pool = ProcessPoolExecutor(self._count, mp_context=context, initializer=_begin)
        return await asyncio.get_running_loop().run_in_executor(self._pool, _examine, check, value)


def _begin() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what stops


def _examine(check: Check, value: object) -> Verdict:
    signal.setitimer(signal.ITIMER_REAL, LONGEST_S)
    try:
        return check.examine(value)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
