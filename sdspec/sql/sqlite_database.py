"""SQLite as a Database: an authorizer lets nothing but queries through, a progress handler counts processor time.

Measured with SQLite 3.40: endless recursion ends at the time limit, a sort of a cartesian product at the heap limit,
a query that doubles in every CTE at the heap limit while it is compiled.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping, Sequence
from typing import Any

from sdspec.sql.cells import rows_as_json
from sdspec.sql.database import BuildError, Database, Failed, Limits, Ran
from sdspec.sql.row_sql import insert_sql, select_sql, update_sql

LONGEST_VALUE = 1_000_000
"""Bytes of one text or blob: functions over a single value cannot be interrupted, so it must be small."""
PROGRESS_STEPS = 500
"""Virtual machine steps between two looks at the clock: some microseconds, and the look costs well under one."""
BATCH = 1000
"""Rows fetched at once."""

_READS = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_NEVER = {
    sqlite3.SQLITE_ATTACH: "ATTACH",
    sqlite3.SQLITE_DETACH: "DETACH",
    sqlite3.SQLITE_PRAGMA: "PRAGMA",
    sqlite3.SQLITE_TRANSACTION: "a transaction statement",
    sqlite3.SQLITE_SAVEPOINT: "SAVEPOINT",
    sqlite3.SQLITE_CREATE_VTABLE: "CREATE VIRTUAL TABLE",
}
_FUNCTIONS = frozenset({"load_extension", "fts3_tokenizer", "readfile", "writefile", "edit"})
_SYNTAX = ("syntax error", "incomplete input", "unrecognized token")


class SqliteDatabase(Database):
    """A private database in memory."""

    def __init__(self, memory_mb: int) -> None:
        super().__init__()
        self._memory_mb = memory_mb
        self._connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        self._connection.execute("PRAGMA temp_store = MEMORY")
        self._limited = False
        self._guarded = False
        self._writes = False
        self._denied = ""
        self._deadline_s = float("inf")
        self._connection.execute("BEGIN")

    def create(self, sql: str) -> None:
        try:
            self._connection.execute(sql)
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise BuildError(str(error)) from error

    def insert(self, table: str, values: Mapping[str, Any]) -> bool:
        try:
            self._connection.execute(insert_sql(table, values), tuple(values.values()))
        except sqlite3.Error as error:
            self.refused[table] = str(error)
            return False
        return True

    def link(self, table: str, values: Mapping[str, Any], where: Mapping[str, Any]) -> None:
        try:
            self._connection.execute(update_sql(table, values, where), (*values.values(), *where.values()))
        except sqlite3.IntegrityError:
            return  # a CHECK over the reference and other columns; the row keeps its NULL

    def rows(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        return self._connection.execute(select_sql(table, columns)).fetchall()

    def seal(self) -> None:
        self._connection.execute("COMMIT")
        self._connection.execute("PRAGMA foreign_keys = ON")
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
        self._connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1000)
        self._connection.set_authorizer(self._authorize)
        self._connection.set_progress_handler(lambda: time.thread_time() > self._deadline_s, PROGRESS_STEPS)

    def run(self, sql: str, limits: Limits) -> Ran | Failed:
        self._begin(limits)
        try:
            return self._run(sql, limits)
        except (sqlite3.Error, sqlite3.Warning) as error:
            return self._failed(error, limits)
        except MemoryError:
            return Failed("sql_memory", f"needs more than {self._memory_mb} MB")
        finally:
            self._guarded = False
            self._deadline_s = float("inf")
            if self._connection.in_transaction:
                self._connection.rollback()

    def close(self) -> None:
        self._connection.close()

    def _begin(self, limits: Limits) -> None:
        if not self._limited:
            # It holds for the whole process and can only be lowered: set when the first statement comes, in a worker.
            self._connection.execute(f"PRAGMA hard_heap_limit = {self._memory_mb * 2**20}")
            self._limited = True
        if limits.writes:
            self._connection.execute("BEGIN")
        self._writes, self._denied = limits.writes, ""
        self._guarded = True
        self._deadline_s = time.thread_time() + limits.cpu_s

    def _run(self, sql: str, limits: Limits) -> Ran:
        cursor = self._connection.execute(sql)
        try:
            if cursor.description is None:
                return Ran(row_count=max(0, cursor.rowcount))
            kept: list[Sequence[Any]] = []
            count = 0
            while batch := cursor.fetchmany(BATCH):
                kept += batch[: limits.max_result_rows - len(kept)]
                count += len(batch)
            return Ran([column[0] for column in cursor.description], rows_as_json(kept), count)
        finally:
            cursor.close()

    def _failed(self, error: Exception, limits: Limits) -> Failed:
        said = str(error)
        code = getattr(error, "sqlite_errorname", "")
        if code == "SQLITE_INTERRUPT":
            return Failed("sql_timeout", f"took more than {limits.cpu_s:g} s of processor time")
        if code == "SQLITE_TOOBIG":
            return Failed("sql_memory", f"{said}: more than {LONGEST_VALUE} bytes")
        if self._denied:
            return Failed("sql_forbidden", f"{self._denied} is not allowed")
        return Failed("sql_syntax" if any(mark in said for mark in _SYNTAX) else "sql_error", said)

    def _authorize(self, action: int, first: str | None, second: str | None, *_: str | None) -> int:
        """SQLITE_OK for what a statement may do; called while it is compiled."""
        if not self._guarded:
            return sqlite3.SQLITE_OK
        if action == sqlite3.SQLITE_FUNCTION and (second or "").lower() in _FUNCTIONS:
            self._denied = f"function {second}()"
        elif action in _NEVER:
            self._denied = _NEVER[action]
        elif action not in _READS and not self._writes and not _declares(action, first):
            self._denied = "changing the database"
        else:
            return sqlite3.SQLITE_OK
        return sqlite3.SQLITE_DENY


def _declares(action: int, table: str | None) -> bool:
    """True for what the first use of a table function such as json_each() does; a statement cannot do it itself."""
    return action == sqlite3.SQLITE_UPDATE and table == "sqlite_master"
