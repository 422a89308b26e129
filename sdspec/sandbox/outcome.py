"""What the end of a process means for the code in it: nothing wrong, or one stable word and a sentence."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass

from sdspec.sandbox.child import SCRIPT, Limits
from sdspec.sandbox.forked import Ended

_FRAME = re.compile(rf'^  File ".*{re.escape(SCRIPT)}", line (\d+)', re.MULTILINE)
_TRACEBACK = "Traceback (most recent call last):\n"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why code did not run to its end."""

    reason: str
    """`error` (an uncaught exception), `timeout`, `memory` or `exit`."""
    detail: str


def failure(ended: Ended, limits: Limits) -> Failure | None:
    """None for code that ran to its end, with exit status 0."""
    killed = ended.status in (-signal.SIGKILL, -signal.SIGXCPU) and ended.cpu_s >= limits.timeout_s
    if ended.late or killed:
        return Failure("timeout", f"took more than {limits.timeout_s:g} s")
    if ended.status == 0:
        return None
    errors = ended.errors.decode("utf-8", "replace")
    if ended.status == 1 and _TRACEBACK in errors:
        last = errors.rpartition(_TRACEBACK)[2]
        said = next((line for line in last.splitlines() if line and not line.startswith((" ", "\t"))), _group(errors))
        if said.startswith("MemoryError"):
            return Failure("memory", f"needs more than {limits.memory_mb} MB")
        lines = _FRAME.findall(last)
        return Failure("error", f"{said} (line {lines[-1]})" if lines else said)
    if ended.status < 0:
        return Failure("exit", f"ended by signal {-ended.status} ({signal.strsignal(-ended.status)})")
    said = errors.strip().rpartition("\n")[2]
    return Failure("exit", f"exit status {ended.status}" + (f": {said}" if said else ""))


def _group(errors: str) -> str:
    """What an exception group says of itself: its traceback is drawn as a tree, every line indented."""
    found = re.search(r"\w*ExceptionGroup: .*", errors)
    return found.group() if found else "an exception"
