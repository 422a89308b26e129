"""The system calls of Linux that Python has no name for; each raises OSError where the kernel refuses."""

from __future__ import annotations

import ctypes
import os
import sys

LINUX = sys.platform == "linux"

_libc = ctypes.CDLL(None, use_errno=True)

# <linux/prctl.h>
_SET_PDEATHSIG = 1
_SET_SECCOMP = 22
_CAPBSET_READ = 23
_CAPBSET_DROP = 24
_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2

# <linux/personality.h>
_ADDR_NO_RANDOMIZE = 0x0040000

# <linux/mount.h>
_NOSUID, _NODEV = 2, 4


def syscall(number: int, *arguments: object) -> int:
    """The result of a system call."""
    return _checked(_libc.syscall(ctypes.c_long(number), *arguments))


def unshare(flags: int) -> None:
    """This process has namespaces of its own; the process namespace begins with its next child."""
    _checked(_libc.unshare(ctypes.c_int(flags)))


def mount_tmpfs(folder: str, options: str) -> None:
    """The folder is an empty file system in memory."""
    flags = ctypes.c_ulong(_NOSUID | _NODEV)
    _checked(_libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", flags, options.encode()))


def die_with_parent(signal: int) -> None:
    """This process gets the signal when its parent ends."""
    _prctl(_SET_PDEATHSIG, signal)


def fix_addresses() -> None:
    """What this process executes finds its memory at the same addresses each time, where the kernel allows that."""
    _libc.personality(ctypes.c_ulong(_ADDR_NO_RANDOMIZE))


def drop_privileges() -> None:
    """Whatever this process executes gets no privilege that an ordinary user has not, root's included."""
    capability = 0
    while _libc.prctl(_CAPBSET_READ, ctypes.c_ulong(capability), 0, 0, 0) >= 0:
        if _libc.prctl(_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0) < 0:
            break  # an ordinary user has none to drop
        capability += 1
    _prctl(_SET_NO_NEW_PRIVS, 1)


def filter_calls(program: ctypes.Structure) -> None:
    """From here on this process makes only the system calls that the BPF program lets through."""
    _prctl(_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.addressof(program))


def _prctl(option: int, *arguments: int) -> None:
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    _checked(_libc.prctl(ctypes.c_int(option), *padded))


def _checked(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result
