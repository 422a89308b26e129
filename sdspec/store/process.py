"""Which process runs a run, and whether it is still there: a number alone may belong to another process by now."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_PROC = Path("/proc")


def this_process() -> dict[str, Any]:
    """What names this process for good: host, number, and when it was started."""
    return {"host": socket.gethostname(), "pid": os.getpid(), "started": _started(os.getpid())}


def is_elsewhere(process: Mapping[str, Any]) -> bool:
    """True for a process of another host: whether it is still there cannot be seen from here."""
    return process.get("host") != socket.gethostname()


def is_gone(process: Mapping[str, Any]) -> bool:
    """True when the process has certainly ended; of another host's processes nothing is known."""
    return not is_elsewhere(process) and _started(int(process["pid"])) != str(process["started"])


def _started(pid: int) -> str | None:
    """When a process was started, in the system's own words; None when there is none (or it is a zombie)."""
    if not (_PROC / "self" / "stat").exists():  # macOS
        shown = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return shown.stdout.strip() or None
    try:
        stat = (_PROC / str(pid) / "stat").read_text()
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # proc_pid_stat(5): `pid (name) state ...`; the name may hold anything, the 22nd field is the start in clock ticks
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else f"{boot} {fields[19]}"
