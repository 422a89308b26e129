"""The journal's SQLite file: its format, batched reads, one transaction per batch of writes. For one thread at a time.

Commits are `synchronous=FULL`: an answer is on the disk before anything uses it, also after a power cut. In WAL mode
that is one fsync per commit, and a commit takes whatever is queued, so it costs little (25,000 puts a second with 256
askers on two cores, where NORMAL, which may lose the last commits with the power, gave 28,000).

Every batch is few `sqlite3_step`s, since Python's sqlite3 hands the interpreter lock over at each: rows are inserted
many per statement and read as one concatenated row (reads took 1.5 times as long one by one).
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import orjson

from sdspec.errors import StoreError
from sdspec.store.disk import saying
from sdspec.store.netfs import file_system, is_network
from sdspec.store.records import JournalStats
from sdspec.store.requests import Presser, unpress

FORMAT = 1
"""The file's `user_version`; raised when a table changes."""
_APPLICATION = 0x5D5BEC01
"""The file's `application_id`: marks it as a journal of sdspec."""
BUSY_S = 30.0
"""How long another process may hold the file before that is an error."""
_CHECKPOINT_PAGES = 8000
"""So much of the write-ahead log (32 MB) is gathered until it goes into the file, while all puts wait. Keys are random:
in a journal of a million calls each put changes another page of the index, and pages are written less often so. With
SQLite's 1000, 40,000 puts took 1.2 times as long, wrote 1.7 times as many bytes, and waited eight times as often."""
_SHAPES = (128, 16, 1)
"""Rows per statement: few shapes, so that the prepared statements are found again."""
_Thing = TypeVar("_Thing")
_MOVE = "SDSPEC_JOURNAL=/a/local/disk/journal.sqlite puts it elsewhere"

_TABLES = """
CREATE TABLE calls (
    key BLOB PRIMARY KEY, model TEXT NOT NULL, created_at REAL NOT NULL, failed INTEGER NOT NULL,
    record TEXT NOT NULL, base INTEGER NOT NULL, request BLOB);
CREATE TABLE verdicts (key BLOB PRIMARY KEY, created_at REAL NOT NULL, record TEXT NOT NULL);
CREATE TABLE bases (id INTEGER PRIMARY KEY, data BLOB NOT NULL);
"""

# The first answer stands. Only a failure gives way, and only to an answer (--retry-errors).
_INSERTS = {
    "calls": (
        "INSERT INTO calls VALUES {rows} ON CONFLICT (key) DO UPDATE SET model = excluded.model, "
        "created_at = excluded.created_at, failed = 0, record = excluded.record, base = excluded.base, "
        "request = excluded.request WHERE calls.failed AND NOT excluded.failed"
    ),
    "verdicts": "INSERT INTO verdicts VALUES {rows} ON CONFLICT (key) DO NOTHING",
    "bases": "INSERT INTO bases VALUES {rows} ON CONFLICT (id) DO NOTHING",
}

_WHY = {
    sqlite3.SQLITE_FULL: "the disk is full",
    sqlite3.SQLITE_IOERR: "the disk is full or broken",
    sqlite3.SQLITE_READONLY: "it or its folder is read-only",
    sqlite3.SQLITE_PERM: "permission denied",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened or made there",
    sqlite3.SQLITE_BUSY: "another process keeps it locked",
    sqlite3.SQLITE_LOCKED: "another process keeps it locked",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; move it away and a new one is begun",
    sqlite3.SQLITE_NOTADB: "the file is not a journal",
}


@dataclass(frozen=True, slots=True)
class Call:
    """One row for `calls`."""

    key: bytes
    model: str
    created_at: float
    failed: bool
    record: str
    request: bytes | None


@dataclass(frozen=True, slots=True)
class Judged:
    """One row for `verdicts`."""

    key: bytes
    created_at: float
    record: str


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        why = _WHY.get(getattr(error, "sqlite_errorcode", -1) & 0xFF, "SQLite refuses it")
        raise StoreError(f"journal {path}: {why} ({error}). {_MOVE}.") from error


class Ledger:
    """An open journal file. Every method raises StoreError when the file or the disk fails."""

    def __init__(self, path: Path, mounts: Path, busy_s: float) -> None:
        self.path = path
        with saying("make the folder of the journal", path):
            path.parent.mkdir(parents=True, exist_ok=True)
        kind = file_system(path.parent, mounts)
        if is_network(kind):
            raise StoreError(
                f"journal {path}: it lies on a network file system ({kind}), where several writers would damage it. "
                f"{_MOVE}."
            )
        with _explained(path):
            self._db = sqlite3.connect(path, timeout=busy_s, isolation_level=None, check_same_thread=False)
            try:
                self._prepare(busy_s)
            except BaseException:
                self._db.close()
                raise
        self._presser = Presser()

    def _prepare(self, busy_s: float) -> None:
        db = self._db
        deadline = time.monotonic() + busy_s
        while True:  # two processes that make the file at once: here SQLite answers busy without waiting
            try:
                db.execute("PRAGMA journal_mode = WAL")
                break
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -32000")
        db.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        db.execute("PRAGMA journal_size_limit = 67108864")
        if not self._has_tables():  # else who only looks would wait for one that writes
            with self._transaction():
                self._make_tables()
        if db.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION:
            raise StoreError(f"journal {self.path}: this SQLite file is not a journal of sdspec. {_MOVE}.")
        if (found := db.execute("PRAGMA user_version").fetchone()[0]) != FORMAT:
            raise StoreError(
                f"journal {self.path}: it has format {found}, and this sdspec reads format {FORMAT}. "
                f"Use the sdspec that wrote it; {_MOVE}."
            )

    def _has_tables(self) -> bool:
        return bool(self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0])

    def _make_tables(self) -> None:
        """Inside a transaction; another process may just have made them."""
        if self._has_tables():
            return
        for statement in _TABLES.split(";"):
            self._db.execute(statement)
        self._db.execute(f"PRAGMA application_id = {_APPLICATION}")
        self._db.execute(f"PRAGMA user_version = {FORMAT}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            if self._db.in_transaction:  # SQLite ends it by itself on some errors
                self._db.execute("ROLLBACK")
            raise

    def read(self, table: str, keys: Sequence[bytes]) -> dict[bytes, dict[str, Any]]:
        """The records there are, by key."""
        found: dict[bytes, dict[str, Any]] = {}
        for text in self._concatenated(table, keys):
            try:
                found.update((bytes.fromhex(name), data) for name, data in orjson.loads(f"{{{text}}}").items())
            except orjson.JSONDecodeError as error:
                raise StoreError(f"journal {self.path}: {_WHY[sqlite3.SQLITE_CORRUPT]} ({error}).") from error
        return found

    def _concatenated(self, table: str, keys: Sequence[bytes]) -> Iterator[str]:
        what = "'\"' || hex(key) || '\":' || record"
        with _explained(self.path):
            for chunk in _chunks(keys):
                marks = ",".join("?" * len(chunk))
                query = f"SELECT group_concat({what}) FROM {table} WHERE key IN ({marks})"  # noqa: S608 (tables of our own)
                if (text := self._db.execute(query, chunk).fetchone()[0]) is not None:
                    yield text

    def write(self, calls: Sequence[Call], verdicts: Sequence[Judged]) -> bool:
        """All is committed; False when a key was there already, so that something older may stand in its place."""
        rows, bases = [], []
        for call in calls:
            name, pressed = 0, None
            if call.request is not None:
                name, pressed, base = self._presser.press(call.request)
                if base is not None:
                    bases.append((name, base))
            rows.append((call.key, call.model, call.created_at, call.failed, call.record, name, pressed))
        judged = [(one.key, one.created_at, one.record) for one in verdicts]
        with _explained(self.path), self._transaction():
            self._insert("bases", bases)
            new = self._insert("calls", rows) + self._insert("verdicts", judged)
        return new == len(rows) + len(judged)

    def _insert(self, table: str, rows: Sequence[tuple[Any, ...]]) -> int:
        new = 0
        for chunk in _chunks(rows):
            row = f"({','.join('?' * len(chunk[0]))})"
            statement = _INSERTS[table].format(rows=",".join([row] * len(chunk)))
            new += self._db.execute(statement, [value for values in chunk for value in values]).rowcount
        return new

    def request(self, key: bytes) -> Any | None:
        """The request of a call; None where none was kept."""
        with _explained(self.path):
            query = "SELECT request, data FROM calls LEFT JOIN bases ON bases.id = calls.base WHERE key = ?"
            found = self._db.execute(query, (key,)).fetchone()
        return orjson.loads(unpress(*found)) if found and found[0] is not None else None

    def stats(self) -> JournalStats:
        """What the file holds in all."""
        with _explained(self.path):
            one = self._db.execute
            models = dict(one("SELECT model, count(*) FROM calls GROUP BY model ORDER BY model").fetchall())
            errors, first, last = one(
                "SELECT ifnull(sum(failed), 0), min(created_at), max(created_at) FROM calls"
            ).fetchone()
            verdicts = one("SELECT count(*) FROM verdicts").fetchone()[0]
            pages, size = one("PRAGMA page_count").fetchone()[0], one("PRAGMA page_size").fetchone()[0]
        return JournalStats(sum(models.values()) - errors, errors, verdicts, models, first, last, pages * size)

    def count(self) -> int:
        """Calls held, errors included."""
        with _explained(self.path):
            return int(self._db.execute("SELECT count(*) FROM calls").fetchone()[0])

    def close(self) -> None:
        """The file is closed; what was written is already on the disk."""
        self._db.close()


def _chunks(rows: Sequence[_Thing]) -> Iterator[Sequence[_Thing]]:
    start = 0
    for size in _SHAPES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
