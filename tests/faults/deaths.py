"""Ends a process by a signal just before its n-th operation on a disk, or in the middle of it.

Counted are those that change files below a folder: files opened to be written, written whole, synced, renamed and
removed; folders made and removed; each part of a Parquet file; each statement that begins, fills or ends a transaction.
The program under test knows nothing of it.
"""

from __future__ import annotations

import os
import re
import sqlite3
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from pyarrow.parquet import core

EVENTS = ("os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")
"""Audit events of the interpreter (docs.python.org/3/library/audit_events.html); `open` is looked at by its flags."""
STATEMENTS = ("BEGIN", "INSERT", "COMMIT")


Point = tuple[str, int]
"""A kind of operation, and which of them, from 1."""


class Deaths:
    """Counts the operations of this process, writes each to a list, and dies at one of them."""

    def __init__(self, below: Path, at: Point, listed: Path, by: int) -> None:
        """At that operation it gets the signal `by`."""
        self._by = by
        self._below = str(below)
        self._at = at
        self._kinds: Counter[str] = Counter()
        self._listed = os.open(listed, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def due(self, what: str) -> bool:
        """Counts one operation more; True when it is the last one."""
        os.write(self._listed, f"{what}\n".encode())
        self._kinds[what] += 1
        return self._at == (what, self._kinds[what])

    def before(self, what: str) -> None:
        """Dies instead of the operation, when its time has come."""
        if self.due(what):
            self.die()

    def die(self) -> None:
        """After SIGKILL the process is gone, and nothing of it is cleaned up."""
        os.kill(os.getpid(), self._by)

    def heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        """An audit hook."""
        if event == "open":
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR) and self._is_below(path):
                self.before(f"open {_name(path)}")
        elif event in EVENTS and self._is_below(arguments[0]):
            self.before(f"{event} {_name(arguments[0])}")

    def _is_below(self, path: object) -> bool:
        return isinstance(path, str | os.PathLike) and os.path.abspath(path).startswith(self._below)  # noqa: PTH100


def _name(path: object) -> str:
    """The file's name, equal in all processes and seconds."""
    return re.sub(r"\.\d+(?=\.(tmp|old)$)|^\d{4}-\d\d-\d\d_[\d-]+", "", Path(str(path)).name)


def bring(deaths: Deaths) -> None:
    """From now on this process dies when its time has come."""
    sys.addaudithook(deaths.heard)
    _bring_to_files(deaths)
    _bring_to_parquet(deaths)
    _bring_to_sqlite(deaths)


def _bring_to_files(deaths: Deaths) -> None:
    fsync, write_bytes = os.fsync, Path.write_bytes

    def synced(file: int) -> None:
        deaths.before("fsync")
        fsync(file)

    def written(path: Path, data: bytes) -> int:
        if deaths.due(f"half of {_name(path)}"):
            write_bytes(path, data[: len(data) // 2])
            deaths.die()
        return write_bytes(path, data)

    os.fsync = synced
    Path.write_bytes = written  # type: ignore[method-assign, assignment]


def _bring_to_parquet(deaths: Deaths) -> None:
    class Writer(core.ParquetWriter):  # type: ignore[misc]
        def write_table(self, *args: Any, **options: Any) -> None:
            deaths.before("parquet: rows")
            super().write_table(*args, **options)
            deaths.before("parquet: after rows")

        def close(self) -> None:
            if self.is_open:
                deaths.before("parquet: end")
            super().close()

    core.ParquetWriter = Writer  # that of `write_table` too


def _bring_to_sqlite(deaths: Deaths) -> None:
    connect = sqlite3.connect

    class Connection(sqlite3.Connection):
        def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
            word = statement.partition(" ")[0]
            if word in STATEMENTS:
                deaths.before(f"sqlite: {word}")
            done = super().execute(statement, *values)
            if word == "COMMIT":
                deaths.before("sqlite: after COMMIT")
            return done

    def opened(*args: Any, **options: Any) -> sqlite3.Connection:
        return connect(*args, **options, factory=Connection)

    sqlite3.connect = opened  # type: ignore[assignment]
