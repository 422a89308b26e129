"""DuckDB as a Database: configured to reach nothing outside, and every statement runs in a fork with limits of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import duckdb
import orjson

from sdspec.sql.cells import rows_as_json
from sdspec.sql.database import BuildError, Database, Failed, Limits, Ran
from sdspec.sql.forked import Died, run_forked
from sdspec.sql.schema import quoted

BATCH = 1000
"""Rows fetched at once."""


class DuckdbDatabase(Database):
    """A private database in memory, on one thread."""

    def __init__(self, memory_mb: int) -> None:
        super().__init__()
        self._memory_mb = memory_mb
        self._connection = duckdb.connect(
            ":memory:",
            config={
                "threads": 1,
                "memory_limit": f"{memory_mb}MB",
                "temp_directory": "",
                "enable_external_access": False,
                "autoinstall_known_extensions": False,
                "autoload_known_extensions": False,
                "python_enable_replacements": False,
            },
        )

    def create(self, sql: str) -> None:
        try:
            self._connection.execute(sql)
        except duckdb.Error as error:
            raise BuildError(_said(error)) from error

    def insert(self, table: str, values: Mapping[str, Any]) -> bool:
        names = ", ".join(map(quoted, values))
        marks = ", ".join("?" * len(values))
        given = f"({names}) VALUES ({marks})" if values else "DEFAULT VALUES"
        try:
            self._connection.execute(f"INSERT INTO {quoted(table)} {given}", list(values.values()))
        except duckdb.Error as error:
            self.refused[table] = _said(error)
            return False
        return True

    def link(self, table: str, values: Mapping[str, Any], where: Mapping[str, Any]) -> None:
        changes = ", ".join(f"{quoted(name)} = ?" for name in values)
        found = " AND ".join(f"{quoted(name)} = ?" for name in where)
        try:
            self._connection.execute(
                f"UPDATE {quoted(table)} SET {changes} WHERE {found}", [*values.values(), *where.values()]
            )
        except duckdb.ConstraintException:
            return  # DuckDB updates by delete and insert, which a row that others refer to does not survive

    def rows(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        names = ", ".join(map(quoted, columns))
        return self._connection.execute(f"SELECT {names} FROM {quoted(table)}").fetchall()

    def seal(self) -> None:
        self._connection.execute("SET lock_configuration = true")

    def run(self, sql: str, limits: Limits) -> Ran | Failed:
        answer = run_forked(lambda: orjson.dumps(self._answer(sql, limits)), limits.cpu_s, self._memory_mb)
        if isinstance(answer, Died):
            return Failed("sql_timeout" if answer.timeout else "sql_memory", answer.detail)
        read = orjson.loads(answer)
        return Failed(*read["failed"]) if "failed" in read else Ran(**read)

    def close(self) -> None:
        self._connection.close()

    def _answer(self, sql: str, limits: Limits) -> dict[str, Any]:
        """The result as plain data; called in the fork."""
        try:
            cursor = self._connection.execute(sql)
            columns = [column[0] for column in cursor.description or []]
            kept: list[Sequence[Any]] = []
            count = 0
            while batch := cursor.fetchmany(BATCH):
                kept += batch[: limits.max_result_rows - len(kept)]
                count += len(batch)
        except duckdb.ParserException as error:
            return {"failed": ("sql_syntax", _said(error))}
        except duckdb.PermissionException as error:
            return {"failed": ("sql_forbidden", _said(error))}
        except duckdb.OutOfMemoryException:
            return {"failed": ("sql_memory", f"needs more than {self._memory_mb} MB")}
        except duckdb.Error as error:
            reason = "sql_memory" if "bad_alloc" in str(error) else "sql_error"
            return {"failed": (reason, _said(error))}
        return {"columns": columns, "rows": rows_as_json(kept), "row_count": count}


def _said(error: duckdb.Error) -> str:
    """The engine's message without its excerpt of the query."""
    return " ".join(str(error).partition("\n\nLINE ")[0].split())
