"""The time of this process, as it goes on from its start: a wall clock that is set meanwhile changes nothing.

By it a resume tells the answers that a killed run had counted from those that it had not.
"""

from __future__ import annotations

import time


def _ticks() -> float:
    """Seconds that only go on, those in which the machine sleeps included where the system counts them."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


_START_S = time.time() - _ticks()


def now() -> float:
    """Unix seconds."""
    return _START_S + _ticks()
