"""A seccomp filter: no network, no other process (neither started nor reached), no change of a file's owner or mode.

It is a list of what is refused: the limits and Landlock hold the rest. Numbers are from the kernel's <asm/unistd.h>.
Changes of mode and times, which Landlock does not look at, seem to succeed and do nothing: copying a file does them.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys

from sdspec.sandbox import kernel

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
"""Machine -> its AUDIT_ARCH and its column in the tables below."""

_ABSENT = -1
_REFUSED: dict[str, tuple[int, int]] = {
    "socket": (41, 198),
    "io_uring_setup": (425, 425),  # makes system calls that no filter sees
    "fork": (57, _ABSENT),
    "vfork": (58, _ABSENT),
    "unshare": (272, 97),
    "setns": (308, 268),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "pidfd_send_signal": (424, 424),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "tkill": (200, 130),
    "setpriority": (141, 140),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setattr": (314, 274),
    "sched_setaffinity": (203, 122),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "keyctl": (250, 219),
    "add_key": (248, 217),
    "request_key": (249, 218),
    # memory that no limit of the process counts, or that outlives it
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "shmget": (29, 194),
    "msgget": (68, 186),
    "semget": (64, 190),
    "mq_open": (240, 180),
    # files outside of the folder, past the first versions of Landlock or past all
    "truncate": (76, 45),
    "chown": (92, _ABSENT),
    "lchown": (94, _ABSENT),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "setxattrat": (463, 463),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "removexattrat": (466, 466),
    "file_setattr": (469, 469),
}
_UNKNOWN: dict[str, tuple[int, int]] = {"clone3": (435, 435), "openat2": (437, 437)}
"""Their flags lie in memory, where a filter cannot look; the C library then takes the older call."""
_PRETENDED: dict[str, tuple[int, int]] = {
    "chmod": (90, _ABSENT),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "utime": (132, _ABSENT),
    "utimes": (235, _ABSENT),
    "futimesat": (261, _ABSENT),
    "utimensat": (280, 88),
}
_CLONE, _KILL, _TGKILL, _PRLIMIT, _PRCTL = (56, 220), (62, 129), (234, 131), (302, 261), (157, 167)
_OPEN, _OPENAT = (2, _ABSENT), (257, 56)

_CLONE_THREAD = 0x10000
_PR_SET_PDEATHSIG = 1
_X32 = 0x40000000

# <linux/filter.h>, <linux/seccomp.h>
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_ANY_BIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_ALLOW, _ERRNO, _KILL_PROCESS = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4

Instruction = tuple[int, int, int, int]
"""Code, how far to jump when true, how far when false, operand."""


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("k", ctypes.c_uint32))


class Program(ctypes.Structure):
    """A filter, as the kernel takes it."""

    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(_Instruction)))


def known() -> bool:
    """True on machines whose system calls are in the tables."""
    return kernel.LINUX and sys.byteorder == "little" and platform.machine() in _ARCHITECTURES


def program() -> Program:
    """The filter for this process; `kernel.filter_calls` puts it in force, after `kernel.drop_privileges`."""
    lines = _lines(platform.machine(), os.getpid())
    instructions = (_Instruction * len(lines))(*(_Instruction(*line) for line in lines))
    return Program(len(lines), instructions)


def _lines(machine: str, pid: int) -> list[Instruction]:
    architecture, column = _ARCHITECTURES[machine]
    refuse, allow = _answer(errno.EPERM), (_RETURN, 0, 0, _ALLOW)
    lines: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE_AT),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER_AT),
        (_IF_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL_PROCESS),
    ]
    for table, answer in ((_REFUSED, refuse), (_UNKNOWN, _answer(errno.ENOSYS)), (_PRETENDED, _answer(0))):
        for numbers in table.values():
            lines += _on(numbers[column], [answer])
    only_threads = [_argument(0), (_IF_ANY_BIT, 0, 1, _CLONE_THREAD), allow, refuse]
    only_itself: list[Instruction] = [_argument(0), (_IF_EQUAL, 0, 1, pid), allow, refuse]
    lines += _on(_CLONE[column], only_threads)
    lines += _on(_KILL[column], only_itself) + _on(_TGKILL[column], only_itself)
    lines += _on(_PRLIMIT[column], [_argument(0), (_IF_EQUAL, 1, 0, 0), (_IF_EQUAL, 0, 1, pid), allow, refuse])
    lines += _on(_PRCTL[column], [_argument(0), (_IF_EQUAL, 0, 1, _PR_SET_PDEATHSIG), refuse, allow])
    for numbers, flags in ((_OPEN, 1), (_OPENAT, 2)):
        lines += _on(numbers[column], _no_truncating_read(flags))
    return [*lines, allow]


def _no_truncating_read(flags: int) -> list[Instruction]:
    """Opened for reading, a file can be emptied all the same; Landlock before version 3 allows it."""
    bits = os.O_TRUNC | os.O_ACCMODE
    reading = os.O_TRUNC | os.O_RDONLY
    test: list[Instruction] = [_argument(flags), (_AND, 0, 0, bits), (_IF_EQUAL, 0, 1, reading)]
    return [*test, _answer(errno.EPERM), (_RETURN, 0, 0, _ALLOW)]


def _on(number: int, body: list[Instruction]) -> list[Instruction]:
    """The body, which returns, for a system call; nothing where the machine has no such call."""
    return [] if number == _ABSENT else [(_IF_EQUAL, 0, len(body), number), *body]


def _argument(index: int) -> Instruction:
    """Loads the lower half of an argument: all of it that an int of C holds."""
    return (_LOAD, 0, 0, 16 + 8 * index)


def _answer(number: int) -> Instruction:
    """The call returns with this error; 0 is success."""
    return (_RETURN, 0, 0, _ERRNO | number)
