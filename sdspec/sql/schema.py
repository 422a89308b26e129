"""A database schema as data: tables with columns, keys and the values that their constraints allow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column, as far as making values for it must know."""

    name: str
    kind: str
    """`int`, `decimal`, `float`, `bool`, `text`, `date`, `timestamp`, `time`, `blob`, `uuid`, `json`, `interval`,
    `list` or `other`."""
    sql_type: str
    """The type as the engine writes it."""
    nullable: bool = True
    size: int | None = None
    """Longest text, or digits in all of a decimal."""
    scale: int = 0
    """Digits of a decimal after its point."""
    domain: tuple[Any, ...] = ()
    """The only values allowed (an enum, CHECK (x IN ...)); empty without such a constraint."""
    low: Any = None
    """Smallest value allowed by type or CHECK; a number, an ISO date, or None."""
    high: Any = None
    """Largest value allowed."""
    computed: bool = False
    """GENERATED ALWAYS AS: the engine makes the value."""
    default: str | None = None
    """A constant default, as the engine writes it."""


@dataclass(frozen=True, slots=True)
class ForeignKey:
    """Columns that refer to a row of a table."""

    columns: Names
    parent: str
    parent_columns: Names
    """Empty: the parent's primary key."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the schema."""

    name: str
    columns: tuple[Column, ...]
    primary_key: Names = ()
    uniques: tuple[Names, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    checks: tuple[str, ...] = ()
    """CHECK expressions as the engine writes them."""
    own_rows: bool = False
    """The schema's text itself inserts rows: none are generated."""

    def column(self, name: str) -> Column | None:
        """The column of this name, in any case; None without one."""
        return next((column for column in self.columns if column.name.lower() == name.lower()), None)

    @property
    def keys(self) -> tuple[Names, ...]:
        """All column groups whose values must not repeat, the primary key first."""
        return ((self.primary_key,) if self.primary_key else ()) + self.uniques

    def settled(self) -> Table:
        """The table with its primary key's columns not nullable."""
        keyed = {name.lower() for name in self.primary_key}
        columns = tuple(replace(one, nullable=False) if one.name.lower() in keyed else one for one in self.columns)
        return replace(self, columns=columns)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement to run in the engine, and where the schema's text has it."""

    sql: str
    line: int
    otherwise: str | None = None
    """What to run where the engine refuses it: the table without CHECKs that another engine was meant to know."""


@dataclass(frozen=True, slots=True)
class Schema:
    """All of a schema, ready for an engine."""

    tables: tuple[Table, ...]
    statements: tuple[Statement, ...]
    """What creates it in the engine, in order."""

    def table(self, name: str) -> Table | None:
        """The table of this name, in any case; None without one."""
        return next((table for table in self.tables if table.name.lower() == name.lower()), None)


def quoted(name: str) -> str:
    """The name as an identifier of either engine: `"order"`."""
    return '"' + name.replace('"', '""') + '"'
