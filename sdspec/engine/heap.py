"""Keeps the garbage collector from looking through all that is loaded, again and again, while a run goes on.

litellm alone brings half a million objects that stay for good. Every full collection visits each of them: a quarter of
a second without an answer read or a request sent, once a second where there are a thousand calls a second, which cost a
third of the throughput at 256 calls in flight.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

THRESHOLDS = 20_000, 20, 50
"""Objects made until the youngest are looked through, and how many rounds pass until the older ones are. A call makes
about a hundred that reference counts do not free at once, so that Python's own 700 means a round for each few calls."""

_going_on: list[tuple[int, int, int]] = []
"""For each run that goes on in this process: the thresholds before it."""


@contextmanager
def calm_heap() -> Iterator[None]:
    """While this is entered what lies in memory by now stays out of collections, which come less often.

    The collector is the process's own: at the end of the last run that goes on it is as it was.
    """
    if gc.get_freeze_count() and not _going_on:  # frozen by who runs us: it cannot be told from ours
        yield
        return
    _going_on.append(gc.get_threshold())
    first = _going_on[0]
    if first[0]:  # 0: it is switched off, and stays so
        gc.set_threshold(*THRESHOLDS)
    settle()
    try:
        yield
    finally:
        _going_on.pop()
        if not _going_on:
            gc.set_threshold(*first)
            gc.unfreeze()


def settle() -> None:
    """What has been loaded since a run began is left out of collections too."""
    if _going_on:
        gc.freeze()
