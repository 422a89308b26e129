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

    reason: str
    """`sql_timeout`, `sql_memory` or `sql_crash`."""
    detail: str


def run_forked(work: Callable[[], bytes], cpu_s: float, memory_mb: int) -> bytes | Died:
    """What the work returned in the copy; `memory_mb` is what it may use beyond what this process has."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _limit(cpu_s, memory_mb)
            _write(writing, work())
            status = 0
        except MemoryError:
            status = OUT_OF_MEMORY
        finally:
            os._exit(status)  # whatever happened, the copy must not go on with this process' business
    os.close(writing)
    answer, late = _read(reading, time.monotonic() + PATIENCE * cpu_s)
    os.close(reading)
    if late:
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if late or status == -signal.SIGPROF:
        return Died("sql_timeout", f"took more than {cpu_s:g} s of processor time")
    if status == OUT_OF_MEMORY:
        return Died("sql_memory", f"needs more than {memory_mb} MB")
    return answer if status == 0 else Died("sql_crash", f"the engine's process ended with status {status}")


def _limit(cpu_s: float, memory_mb: int) -> None:
    """This process dies of SIGPROF when its time is up, gets no more memory than said, and opens nothing."""
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_PROF, cpu_s)
    if (used := _data_bytes()) is not None:
        most = used + memory_mb * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # what is open stays open; no file and no socket can be added


def _data_bytes() -> int | None:
    """Memory of its own that this process has; None where the system does not say so (then RLIMIT_DATA has no use)."""
    status = Path("/proc/self/status")
    if not status.exists():
        return None
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024


def _write(pipe: int, data: bytes) -> None:
    while data:
        data = data[os.write(pipe, data) :]


def _read(pipe: int, deadline_s: float) -> tuple[bytes, bool]:
    """What came until the end, and whether the end was too long in coming."""
    read = b""
    while select.select([pipe], [], [], max(0.0, deadline_s - time.monotonic()))[0]:
        part = os.read(pipe, 65536)
        if not part:
            return read, False
        read += part
    return read, True
