"""Stops our own code after some processor time: a regular expression that backtracks for years, say."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class OutOfTime(Exception):
    """The processor time given is used up."""


@contextmanager
def at_most(cpu_s: float) -> Iterator[None]:
    """What runs inside raises OutOfTime after this much of its own processor time, which does not count waiting.

    Only the main thread can be stopped so, and not on Windows: elsewhere this does nothing, and a check in a worker
    process is killed by its parent instead.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGVTALRM, _stop)
    try:
        signal.setitimer(signal.ITIMER_VIRTUAL, cpu_s)
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _stop(signum: int, frame: FrameType | None) -> None:
    raise OutOfTime
