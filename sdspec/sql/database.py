"""A database that holds generated rows and runs one statement at a time; prepared once per process and then kept."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from sdspec.sql.ddl import read_schema
from sdspec.sql.fill import Sink, fill
from sdspec.sql.schema import Schema, Statement
from sdspec.sql.syntax import NEAR, SqlSyntaxError, one_line

KEPT = 4
"""Prepared databases that a process keeps; a run has one per check."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides a prepared database."""

    engine: str
    ddl: str
    dialect: str
    """The dialect of the DDL."""
    rows: int
    memory_mb: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement may use, and what of its result is kept."""

    cpu_s: float
    """Seconds of processor time, so that a busy machine reaches the same verdict."""
    max_result_rows: int
    writes: bool
    """Statements that change rows or tables may run; what they change is rolled back."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A statement that ran to its end."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    """The first rows, as JSON."""
    row_count: int = 0
    """Rows of the result, or rows changed."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A statement that did not: a reason as verdicts have it, and the engine's own words."""

    reason: str
    detail: str


class BuildError(ValueError):
    """The schema cannot be created in the engine; the message says where and why."""


class Database(Sink, ABC):
    """One engine with a schema and rows in it."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        """Why the engine refused the last row of a table that it refused one of."""

    @abstractmethod
    def create(self, sql: str) -> None:
        """Runs a statement of the schema; raises BuildError in the engine's words."""

    @abstractmethod
    def seal(self) -> None:
        """The rows are there for good; from here on statements are guarded."""

    @abstractmethod
    def run(self, sql: str, limits: Limits) -> Ran | Failed:
        """What a statement gives within its limits; the database is afterwards as it was before."""

    @abstractmethod
    def close(self) -> None:
        """Its memory is free."""


@dataclass(frozen=True)
class Prepared:
    """A filled database."""

    database: Database
    schema: Schema
    counts: dict[str, int]
    """Rows of each table, by name in lower case."""

    def empty_tables(self) -> list[str]:
        """For each table without rows its name, and why it has none."""
        return [
            f"table {table.name!r}: {self.database.refused.get(table.name, 'a table that it refers to has no rows')}"
            for table in self.schema.tables
            if not self.counts[table.name.lower()]
        ]


_PREPARED: OrderedDict[Settings, Prepared] = OrderedDict()


def prepared(settings: Settings) -> Prepared:
    """The filled database of these settings, made unless this process has it; raises BuildError."""
    if settings in _PREPARED:
        _PREPARED.move_to_end(settings)
        return _PREPARED[settings]
    try:
        schema = read_schema(settings.ddl, settings.dialect, settings.engine)
    except SqlSyntaxError as error:
        raise BuildError(str(error)) from error
    database = _opened(settings)
    for statement in schema.statements:
        _create(database, statement, settings.engine)
    _PREPARED[settings] = Prepared(database, schema, fill(schema, settings.rows, settings.ddl, database))
    database.seal()
    while len(_PREPARED) > KEPT:
        _PREPARED.popitem(last=False)[1].database.close()
    return _PREPARED[settings]


def _opened(settings: Settings) -> Database:
    if settings.engine == "sqlite":
        from sdspec.sql.sqlite_database import SqliteDatabase

        return SqliteDatabase(settings.memory_mb)
    from sdspec.sql.duckdb_database import DuckdbDatabase

    return DuckdbDatabase(settings.memory_mb)


def _create(database: Database, statement: Statement, engine: str) -> None:
    try:
        database.create(statement.sql)
    except BuildError as error:
        if statement.otherwise is not None:
            _create(database, Statement(statement.otherwise, statement.line), engine)
            return
        shown = one_line(statement.sql)[:NEAR]
        raise BuildError(f"line {statement.line}: {engine} says {str(error)!r} of {shown!r}") from error
