"""Runs Python code in a fork of this process, kept apart as far as it is told, and says how it ended.

To be called in a process that is small and has one thread: `serve.py` is one.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache
from shutil import rmtree

from sdspec.sandbox.child import Limits, Pipes, become_interpreter
from sdspec.sandbox.isolation import Isolation

FOLDER = b"/answer"
"""Stands in what the code says for its folder, whose name is another one each time."""
PREFIX = "sdspec-code-"
KEPT_BYTES = 16384
"""Of output its beginning, of errors their end; the rest is read and thrown away."""
LEFT_BYTES = 2**20
"""Read at most after the process has ended: what it started may still write."""
PATIENCE_S = 0.05
"""For output; then comes another look at the process."""
PAUSE_S = 0.002
"""Between two looks at a process that says nothing."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How the process of the code ended, and what it wrote."""

    status: int
    """The exit status; minus the signal that ended it."""
    late: bool
    """It was ended because its time was up."""
    cpu_s: float
    output: bytes
    errors: bytes


class NotStartedError(Exception):
    """The kernel refused something before the code began."""


class NobodyWaitsError(Exception):
    """The code was ended, since nobody waits for it any more."""


def execute_here(code: bytes, limits: Limits, isolation: Isolation, below: str, awaited: Callable[[], bool]) -> Ended:
    """The code has run to its end, or to a limit's. Nothing of it is left but what it says.

    Its folder is made in the folder `below`. Raises NotStartedError, and NobodyWaitsError once it is not `awaited`.
    """
    with _empty_folder(below) as folder, _Pipe() as output, _Pipe() as errors:
        try:
            child = _started(folder, code, limits, isolation, (output.writing, errors.writing))
        finally:
            output.close_writing()
            errors.close_writing()
        ended = _watched(child, (output, errors), limits.timeout_s, awaited)
        name = os.fsencode(folder)
        return replace(ended, output=ended.output.replace(name, FOLDER), errors=ended.errors.replace(name, FOLDER))


class _Pipe:
    """What a child writes: the first bytes of it, and the last."""

    def __init__(self) -> None:
        self.reading, self.writing = os.pipe()
        self.first = b""
        self.last = b""
        self.open = True

    def __enter__(self) -> _Pipe:
        return self

    def __exit__(self, *raised: object) -> None:
        os.close(self.reading)

    def close_writing(self) -> None:
        os.close(self.writing)

    def fileno(self) -> int:
        return self.reading

    def read(self) -> int:
        """How many bytes came; none at the end."""
        data = os.read(self.reading, 65536)
        self.open = bool(data)
        self.first += data[: KEPT_BYTES - len(self.first)]
        self.last = (self.last + data)[-KEPT_BYTES:]
        return len(data)


@contextmanager
def _empty_folder(below: str) -> Iterator[str]:
    """A folder that is locked while it is needed: one without a lock is left over from a process that was killed."""
    _clear_leftovers(below)
    folder, lock = _locked_folder(below)
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def _locked_folder(below: str) -> tuple[str, int]:
    import fcntl  # here, since only Unix has it

    while True:
        folder = tempfile.mkdtemp(prefix=PREFIX, dir=below)
        lock = os.open(folder, os.O_RDONLY)
        with suppress(OSError):  # a file system without locks: its leftovers stay
            fcntl.flock(lock, fcntl.LOCK_EX)
        if os.access(folder, os.F_OK):  # else somebody took it for a leftover before it was locked
            return folder, lock
        os.close(lock)


@cache
def _clear_leftovers(below: str) -> None:
    """Folders of processes that were killed are gone; looked for once, since it takes a look at each name there."""
    import fcntl  # here, since only Unix has it

    with os.scandir(below) as entries:
        names = [entry.path for entry in entries if entry.name.startswith(PREFIX)]
    for folder in names:
        with suppress(OSError):  # another user's, or one that is needed
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(lock)


def _remove(folder: str) -> None:
    try:
        rmtree(folder)
    except (OSError, RecursionError):  # folders without rights, or thousands in one another
        subprocess.run(["chmod", "-R", "u+rwx", folder], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["rm", "-rf", folder], stderr=subprocess.DEVNULL, check=False)


def _started(folder: str, code: bytes, limits: Limits, isolation: Isolation, writing: tuple[int, int]) -> int:
    """The number of the process that runs the code, or of its keeper."""
    status, status_end = os.pipe()  # closed by exec
    child = os.fork()
    if child == 0:
        become_interpreter(folder, code, limits, isolation, Pipes(*writing, status_end))
    os.close(status_end)
    with os.fdopen(status, "rb") as reading:
        refused = reading.read()
    if refused:
        os.waitpid(child, 0)
        raise NotStartedError(refused.decode("utf-8", "replace"))
    return child


def _watched(child: int, pipes: tuple[_Pipe, _Pipe], timeout_s: float, awaited: Callable[[], bool]) -> Ended:
    """What the process wrote, until it has ended or its time was up."""
    deadline = time.monotonic() + timeout_s
    late = False
    while True:
        done, status, usage = os.wait4(child, os.WNOHANG)
        if done:
            break
        late = time.monotonic() > deadline
        if late or not awaited():
            os.killpg(child, signal.SIGKILL)
            _, status, usage = os.wait4(child, 0)
            break
        if not _read(pipes, PATIENCE_S):
            time.sleep(PAUSE_S)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # what it left behind in its group
    if not (done or late):
        raise NobodyWaitsError
    left = LEFT_BYTES
    while left > 0 and (count := _read(pipes, 0.0)):
        left -= count
    cpu_s = usage.ru_utime + usage.ru_stime
    output, errors = pipes
    return Ended(os.waitstatus_to_exitcode(status), late, cpu_s, output.first, errors.last)


def _read(pipes: tuple[_Pipe, ...], patience_s: float) -> int:
    """How many bytes came from those that are open."""
    still_open = [pipe for pipe in pipes if pipe.open]
    ready, _, _ = select.select(still_open, [], [], patience_s) if still_open else ([], [], [])
    return sum(pipe.read() for pipe in ready)
