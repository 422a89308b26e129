"""Claims of processes that share a journal: who is buying an answer just now, so that nobody else buys it too.

A claim is a lock on one byte of an empty file beside the journal, at the offset that the key says. It takes two
microseconds, nothing is written, it is gone with its process however that ends, and it needs no process that looks
after it. Claims are held while a call is in flight, and never while a process waits for another's: so none can wait
for each other.
"""

from __future__ import annotations

import fcntl
import os
import struct
import sys
import time
from pathlib import Path
from typing import Self

from sdspec.store.disk import saying

_DOOR, _PRESENCE, _FIRST = 0, 1, 2
"""Offsets: held while a process comes in; shared by all that are there; from here on the keys."""
_KEY_BYTES = 7
"""Of a key, which is a hash already: offsets stay below 2**63, and no two keys in flight share one."""
_DOOR_TRIES, _DOOR_S = 200, 0.005
"""So often, and so long between: coming in takes microseconds."""
_OPEN_FILE_LOCKS = sys.platform == "linux" and sys.maxsize > 2**32
"""Locks that belong to an open file, not to a process: two runs in one process have claims against each other too."""
_FLOCK = struct.Struct("hhqqi4x")
"""`struct flock` of 64-bit Linux: type, whence, start, length, pid (fcntl(2))."""


class Claims:
    """The claims of one open journal; `close` ends them."""

    def __init__(self, file: int | None, size: int, company: bool) -> None:
        self._file = file
        self._size = size
        self._company = company
        self._disregarded: set[bytes] = set()

    @classmethod
    def open(cls, journal: Path) -> Self:
        """Claims on what is bought for a journal; where the file system has no locks there are none, and no company."""
        path = journal.with_name(f"{journal.name}-claims")
        with saying("write", path):
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            return cls(file, *_come_in(file))
        except OSError:
            os.close(file)
            return cls(None, 0, False)

    @property
    def has_company(self) -> bool:
        """True when another process has bought for this journal since this one began to."""
        if not self._company and self._file is not None:
            self._company = os.fstat(self._file).st_size != self._size
        return self._company

    def take(self, key: bytes) -> bool:
        """Whether the key is this process's to buy, until it is given back."""
        if self._file is None or key in self._disregarded:
            return True
        return _lock(self._file, fcntl.F_WRLCK, _offset(key))

    def give_back(self, key: bytes) -> None:
        """Anybody may buy the key."""
        if self._file is not None and key not in self._disregarded:
            _lock(self._file, fcntl.F_UNLCK, _offset(key))

    def is_free(self, key: bytes) -> bool:
        """True when nobody else is buying the key."""
        if taken := self.take(key):
            self.give_back(key)
        return taken

    def disregard(self, key: bytes) -> None:
        """Claims on this key count no longer: who holds it hangs."""
        self._disregarded.add(key)

    def close(self) -> None:
        """All claims are given back."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _come_in(file: int) -> tuple[int, bool]:
    """The file's size from now on, and whether others are there: it counts those that came, so that these see it."""
    for _ in range(_DOOR_TRIES):
        if _lock(file, fcntl.F_WRLCK, _DOOR):
            break
        time.sleep(_DOOR_S)
    else:
        return -1, True
    try:
        company = not _lock(file, fcntl.F_WRLCK, _PRESENCE)
        _lock(file, fcntl.F_RDLCK, _PRESENCE)
        size = os.fstat(file).st_size + 1
        os.ftruncate(file, size)  # no block of the disk is needed, so that a full one is no matter
        return size, company
    finally:
        _lock(file, fcntl.F_UNLCK, _DOOR)


def _offset(key: bytes) -> int:
    return _FIRST + int.from_bytes(key[:_KEY_BYTES], "big")


def _lock(file: int, kind: int, at: int) -> bool:
    """Whether the byte is locked so now; it does not wait."""
    try:
        if _OPEN_FILE_LOCKS:
            fcntl.fcntl(file, fcntl.F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, at, 1, 0))
        else:
            words = {fcntl.F_WRLCK: fcntl.LOCK_EX, fcntl.F_RDLCK: fcntl.LOCK_SH, fcntl.F_UNLCK: fcntl.LOCK_UN}
            fcntl.lockf(file, words[kind] | fcntl.LOCK_NB, 1, at)
    except (BlockingIOError, PermissionError):  # POSIX allows EAGAIN and EACCES
        return False
    return True
