"""DuckDB as a Database: it reaches nothing outside, and every statement runs in a fork with limits of its own."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import orjson

from sdspec.sql.cells import rows_as_json
from sdspec.sql.database import BuildError, Database, Failed, Limits, Ran
from sdspec.sql.forked import Died, run_forked
from sdspec.sql.row_sql import insert_sql, select_sql, update_sql

BATCH = 1000
"""Rows fetched at once."""

WARM_UP = "SELECT TIMESTAMPTZ '2024-01-01 00:00:00+00', TIMESTAMP_NS '2024-01-01 00:00:00'"
"""Turning these into Python values reads files (time zones, modules), which a fork can no longer open."""
COUNTS = (["Count"], ["Success"])
"""The columns that DuckDB answers a write with."""
CLOSED = (
    "TimeZone = 'UTC'",
    "temp_directory = ''",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "python_enable_replacements = false",
    "enable_external_access = false",  # last: it forbids some of the others
)


class DuckdbDatabase(Database):
    """A private database in memory, on one thread."""

    def __init__(self, memory_mb: int) -> None:
        super().__init__()
        self._memory_mb = memory_mb
        self._connection = duckdb.connect(":memory:", config={"threads": 1, "memory_limit": f"{memory_mb}MB"})
        for setting in CLOSED:
            self._connection.execute(f"SET {setting}")

    def create(self, sql: str) -> None:
        try:
            self._connection.execute(sql)
        except duckdb.Error as error:
            raise BuildError(_said(error)) from error

    def insert(self, table: str, values: Mapping[str, Any]) -> bool:
        try:
            self._connection.execute(insert_sql(table, values), list(values.values()))
        except duckdb.Error as error:
            self.refused[table] = _said(error)
            return False
        return True

    def link(self, table: str, values: Mapping[str, Any], where: Mapping[str, Any]) -> None:
        try:
            self._connection.execute(update_sql(table, values, where), [*values.values(), *where.values()])
        except duckdb.ConstraintException:
            return  # DuckDB updates by delete and insert, which a row that others refer to does not survive

    def rows(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        return self._connection.execute(select_sql(table, columns)).fetchall()

    def seal(self) -> None:
        self._connection.execute("SET lock_configuration = true")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that Arrow costs a copy
            for batch in _batches(self._connection.execute(WARM_UP)):
                _rows(batch)

    def run(self, sql: str, limits: Limits) -> Ran | Failed:
        answer = run_forked(lambda: orjson.dumps(self._answer(sql, limits)), limits.cpu_s, self._memory_mb)
        if isinstance(answer, Died):
            return Failed(answer.reason, answer.detail)
        read = orjson.loads(answer)
        return Failed(*read["failed"]) if "failed" in read else Ran(**read)

    def close(self) -> None:
        self._connection.close()

    def _answer(self, sql: str, limits: Limits) -> dict[str, Any]:
        """The result as plain data; called in the fork."""
        warnings.simplefilter("ignore")  # that Arrow costs a copy
        try:
            cursor = self._connection.execute(sql)
            columns = [column[0] for column in cursor.description or []]
            kept: list[Sequence[Any]] = []
            count = 0
            for batch in _batches(cursor):
                kept += _rows(batch.slice(0, limits.max_result_rows - len(kept)))
                count += batch.num_rows
        except duckdb.ParserException as error:
            return {"failed": ("sql_syntax", _said(error))}
        except duckdb.PermissionException as error:
            return {"failed": ("sql_forbidden", _said(error))}
        except duckdb.OutOfMemoryException:
            return {"failed": ("sql_memory", f"needs more than {self._memory_mb} MB")}
        except duckdb.Error as error:
            reason = "sql_memory" if "bad_alloc" in str(error) else "sql_error"
            return {"failed": (reason, _said(error))}
        if columns in COUNTS and self._connection.extract_statements(sql)[0].type != duckdb.StatementType.SELECT:
            return {"row_count": kept[0][0] if kept else 0}
        return {"columns": columns, "rows": rows_as_json(kept), "row_count": count}


def _batches(cursor: duckdb.DuckDBPyConnection) -> Iterator[Any]:
    reader = cursor.to_arrow_reader(BATCH)
    return iter(()) if reader is None else iter(reader)


def _rows(batch: Any) -> list[tuple[Any, ...]]:
    """By way of Arrow, since DuckDB itself wants pytz for a time with a zone; columns may have equal names."""
    return list(zip(*(column.to_pylist() for column in batch.columns), strict=True))


def _said(error: duckdb.Error) -> str:
    """The engine's message without its excerpt of the query."""
    return " ".join(str(error).partition("\n\nLINE ")[0].split())
