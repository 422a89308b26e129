"""Landlock: a process that may from now on read here, write there, and reach no other file. Needs no privilege.

Source of the numbers: <linux/landlock.h> and the kernel's Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

from sdspec.sandbox import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on every architecture
_VERSION = 1
_PATH_BENEATH = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_READ = _EXECUTE | _READ_FILE | _READ_DIR
_FILE = _EXECUTE | _WRITE_FILE | _READ_FILE
"""What a rule on a single file may allow."""
_ALL_OF = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
"""Version -> every right over files that it knows: 2 adds REFER, 3 TRUNCATE, 5 IOCTL_DEV."""
_TCP, _TCP_SINCE = 0b11, 4
"""Binding and connecting; no rule allows them."""
_SCOPED, _SCOPED_SINCE = 0b11, 6
"""Abstract Unix sockets and signals reach only processes that are restricted with this one."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"  # the layout that `_pack_` implies; later Pythons want it said
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """Which Landlock the kernel offers; 0 for none."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))
    except OSError:
        return 0


def restrict(readable: Iterable[str], writable: Iterable[str]) -> None:
    """Files below the paths can be read (and executed), or read and written; paths that are not there are passed over.

    `kernel.drop_privileges` comes before it.
    """
    offered = version()
    every = _ALL_OF[max(known for known in _ALL_OF if known <= offered)]
    rules = _Ruleset(every, _TCP if offered >= _TCP_SINCE else 0, _SCOPED if offered >= _SCOPED_SINCE else 0)
    size = 24 if offered >= _SCOPED_SINCE else 16 if offered >= _TCP_SINCE else 8
    ruleset = kernel.syscall(_CREATE_RULESET, ctypes.byref(rules), ctypes.c_size_t(size), ctypes.c_uint32(0))
    for paths, rights in ((readable, _READ), (writable, every)):
        for path in paths:
            _allow(ruleset, path, rights)
    kernel.syscall(_RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    os.close(ruleset)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not os.path.isdir(path):  # noqa: PTH112  # after a fork, as little as can be
        rights &= _FILE
    rule = _PathBeneath(rights, parent)
    kernel.syscall(
        _ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0)
    )
    os.close(parent)
