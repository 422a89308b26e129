"""Runs Python code in a process of its own, kept apart as far as this machine allows, and says how it ended.

The process is forked by a small server process, one for each process that asks: a copy of this one might be larger than
the code may be, hold locks of threads that the copy has not, and keys.
"""

from __future__ import annotations

import atexit
import os
import pickle
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from itertools import product
from threading import Lock

from sdspec.errors import PrerequisiteError
from sdspec.sandbox import kernel, landlock, seccomp
from sdspec.sandbox.child import Limits
from sdspec.sandbox.forked import Ended, NotStartedError
from sdspec.sandbox.isolation import Isolation

TRIAL = Limits(timeout_s=20.0, memory_mb=1024)
ENDING_S = 5.0
"""A server that is no longer wanted may take so long to take away what it made."""


@cache
def strongest() -> Isolation:
    """The strongest isolation that works on this machine, tried out; raises PrerequisiteError where nothing runs."""
    choices = (_choices(landlock.version() > 0), _choices(seccomp.known()), _choices(kernel.LINUX))
    refused = ""
    for files, calls, namespaces in product(*choices):
        isolation = Isolation(namespaces, files, calls)
        try:
            ended = execute(b"", TRIAL, isolation)
        except NotStartedError as error:
            refused = str(error)
            continue
        except EOFError:
            refused = "the process that would start it has ended; what it said stands above"
            continue
        if ended.status == 0:
            return isolation
        refused = ended.errors.decode("utf-8", "replace")
    raise PrerequisiteError(f"generated Python cannot be run on this machine: {refused[-500:]}")


def execute(code: bytes, limits: Limits, isolation: Isolation) -> Ended:
    """The code has run to its end, or to a limit's; raises NotStartedError. Nothing of it is left but what it says."""
    answer = _SERVER.ask((code, limits, isolation, tempfile.gettempdir()))
    if isinstance(answer, str):
        raise NotStartedError(answer)
    return answer


class _Server:
    """The server process of this process; started when it is first asked, and again when it has ended."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)

    def ask(self, request: tuple[bytes, Limits, Isolation, str]) -> Ended | str:
        """How the code ended, or why it was not started; EOFError where the server was killed.

        After an error, an interrupt too, the server has ended: its answer would be taken for that to the next request.
        """
        with self._lock:
            try:
                process = self._running()
                assert process.stdin is not None
                assert process.stdout is not None
                pickle.dump(request, process.stdin)
                process.stdin.flush()
                answer: Ended | str = pickle.load(process.stdout)  # noqa: S301  # from our own server
            except (BrokenPipeError, pickle.UnpicklingError) as broken:
                self.close()
                raise EOFError("the server was killed") from broken
            except BaseException:
                self.close()
                raise
            return answer

    def close(self) -> None:
        """The server has ended, and has left nothing behind."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            process.stdin.close()
        try:
            process.wait(ENDING_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            search = {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}
            command = [sys.executable, "-m", "sdspec.sandbox.serve"]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, env=search, start_new_session=True)
        return self._process


_SERVER = _Server()


def _choices(available: bool) -> tuple[bool, ...]:
    return (True, False) if available else (False,)
