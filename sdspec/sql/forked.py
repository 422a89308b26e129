"""Work in a forked copy of this process, which the kernel holds to its limits: processor time, memory, files, sockets.

Needed for DuckDB: its memory limit does not cover the texts and lists that functions make, and a function at work on
one value sees no interrupt. Measured with DuckDB 2.0 at `memory_limit=256MB`: `range(1000000000)` took 20 GB and 60 s.
A fork of a worker costs about 8 ms. What the copy changes dies with it.
"""

from __future__ import annotations

import os
import resource
import select
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

OUT_OF_MEMORY = 3
"""Exit status of a copy in which Python itself found no memory."""
PATIENCE = 5
"""Waiting (for a processor, in a sleep) may take this many times the processor time allowed."""


@dataclass(frozen=True, slots=True)
class Died:
    """The copy ended without an answer."""

    timeout: bool
    """Of the time limit; else of a lack of memory, or of a crash that came of it."""
    detail: str


def run_forked(work: Callable[[], bytes], cpu_s: float, memory_mb: int) -> bytes | Died:
    """What the work returned in the copy; `memory_mb` is what it may use beyond what this process has."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = OUT_OF_MEMORY
        try:
            _limit(cpu_s, memory_mb)
            _write(writing, work())
            status = 0
        finally:
            os._exit(status)  # whatever happened, the copy must not go on with this process' business
    os.close(writing)
    try:
        answer = _read(reading, time.monotonic() + PATIENCE * cpu_s)
    finally:
        os.close(reading)
        if answer_missing := select.select([], [], [], 0) is None:
            del answer_missing
    return answer or Died(False, "")
