"""What happens between fork and exec: the copy of this process gives up all it may do, and becomes the interpreter.

The process that is copied may hold keys: nothing of it is left after exec, neither memory nor environment nor files.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from sdspec.sandbox import kernel, landlock, seccomp
from sdspec.sandbox.isolation import FILE_MB, FOLDER_MB, Isolation

SCRIPT = "answer.py"
"""The code's file, in its folder."""
ENVIRONMENT = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
"""All of it: sets have the same order in every run, and numpy reserves no memory for threads."""
ARGUMENTS = (sys.executable, "-s", "-P", "-B", "-X", "utf8", SCRIPT)
"""What -I does, but that it would pass over PYTHONHASHSEED; and no __pycache__."""
OPEN_FILES = 64
PROCESSES = 64
"""Where only a namespace counts them."""

# <linux/sched.h>
_NAMESPACES = 0x10000000 | 0x00020000 | 0x20000000 | 0x40000000 | 0x08000000 | 0x04000000
"""User, mount, process, network, IPC, host name."""
_INSIDE_ID = 1000
"""User and group in the namespace: not root, so that exec leaves no privilege."""

_SYSTEM = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/share/zoneinfo"),
    *("/etc/ld.so.cache", "/etc/localtime", "/dev/urandom", "/dev/random", "/dev/zero"),
)
"""What an interpreter needs beside its own folders."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What code may use."""

    timeout_s: float
    """By the clock, and in whole seconds of processor time."""
    memory_mb: int
    """Of address space, the interpreter's own included."""


@dataclass(frozen=True, slots=True)
class Pipes:
    """The child's ends."""

    output: int
    errors: int
    status: int
    """Takes the text of what went wrong before exec."""


def become_interpreter(folder: str, code: bytes, limits: Limits, isolation: Isolation, pipes: Pipes) -> None:
    """This process, a fresh fork, runs the code; does not return."""
    try:
        _take_pipes(pipes)
        if kernel.LINUX:
            kernel.die_with_parent(signal.SIGKILL)
            kernel.fix_addresses()  # the text `<Point object at 0x...>` is the same in every run
        if isolation.namespaces:
            _enter_namespaces(folder, pipes.status)
        os.chdir(folder)
        Path(SCRIPT).write_bytes(code)
        _restrict(folder, limits, isolation)
        os.execve(sys.executable, ARGUMENTS, ENVIRONMENT)  # noqa: S606  # a shell is what we do not want
    except OSError as error:
        os.write(pipes.status, str(error).encode())
    finally:  # whatever happened, the copy must not go on with this process' business
        os.write(pipes.status, b"; not started")
        os._exit(1)


def python_folders() -> tuple[str, ...]:
    """Where the interpreter, its library and the installed packages are; never the root folder."""
    paths = sysconfig.get_paths()
    named = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix, os.path.dirname(sys.executable)}  # noqa: PTH120
    named |= {paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    named.add(os.path.dirname(os.path.realpath(sys.executable)))  # noqa: PTH120
    return tuple(sorted(named - {"/", ""}))


_READABLE = (*python_folders(), *_SYSTEM)


def _take_pipes(pipes: Pipes) -> None:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, pipe in enumerate((nothing, pipes.output, pipes.errors)):
        os.dup2(pipe, number)
    os.closerange(3, pipes.status)
    os.closerange(pipes.status + 1, resource.getrlimit(resource.RLIMIT_NOFILE)[0])


def _enter_namespaces(folder: str, status: int) -> None:
    """Goes on in a child, which is the first process of its namespace; this process ends as that one does."""
    user, group = os.geteuid(), os.getegid()
    kernel.unshare(_NAMESPACES)
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{_INSIDE_ID} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{_INSIDE_ID} {group} 1")
    kernel.mount_tmpfs(folder, f"size={FOLDER_MB}m,nr_inodes=4096,mode=700")
    first = os.fork()
    if first == 0:
        kernel.die_with_parent(signal.SIGKILL)
        return
    for number in (0, 1, 2, status):
        os.close(number)
    code = os.waitstatus_to_exitcode(os.waitpid(first, 0)[1])
    if code < 0:
        os.kill(os.getpid(), -code)
    os._exit(abs(code))


def _restrict(folder: str, limits: Limits, isolation: Isolation) -> None:
    if isolation.landlock or isolation.seccomp:
        kernel.drop_privileges()
    if isolation.landlock:
        landlock.restrict(_READABLE, (folder, os.devnull))
    if isolation.namespaces and not isolation.seccomp:
        _limit(resource.RLIMIT_NPROC, PROCESSES)
    seconds = int(-(-limits.timeout_s // 1))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_NOFILE, OPEN_FILES)
    _limit(resource.RLIMIT_FSIZE, FILE_MB * 2**20)
    program = seccomp.program() if isolation.seccomp else None
    _limit(resource.RLIMIT_AS, limits.memory_mb * 2**20)  # late: this copy may have more than that already
    if program is not None:
        kernel.filter_calls(program)


def _limit(what: int, most: int) -> None:
    hard = resource.getrlimit(what)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(what, (most, most))
