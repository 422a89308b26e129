"""Rows for every table of a schema: parents first, keys kept, the same for the same DDL text.

What a CHECK says is judged by the engine itself: a row that it refuses is made again, some tries long, then dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from sdspec.sql.creation import creation_order
from sdspec.sql.schema import Column, ForeignKey, Names, Schema, Table
from sdspec.sql.values import make_value

TRIES = 40
"""How often one row is made before it is given up."""
GIVE_UP = 8
"""This many rows given up in a row end a table: its keys or its CHECK allow no more."""
NULLS = 0.08
"""Share of NULL in columns that may hold it."""
SKEW = 1.6
"""Above 1, low-numbered parents get more children, and some parents none."""
LINES = 4
"""A number that is one part of a key (order 7, line 2) starts among this many."""

Values = dict[str, Any]
"""A row, by column name in lower case."""


class Sink(Protocol):
    """The database that is filled."""

    def insert(self, table: str, values: Mapping[str, Any]) -> bool:
        """False when the engine refuses the row; nothing of it is kept then."""

    def link(self, table: str, values: Mapping[str, Any], where: Mapping[str, Any]) -> None:
        """The row found by `where` has these values, if the engine takes them."""

    def rows(self, table: str, columns: Sequence[str]) -> list[tuple[Any, ...]]:
        """The rows that the schema's own text inserted."""


@dataclass
class _Filling:
    rng: Random
    rows: int
    sink: Sink
    schema: Schema
    made: dict[str, list[Values]] = field(default_factory=dict)
    """Rows of each table so far, by table name in lower case."""


def fill(schema: Schema, rows: int, ddl: str, sink: Sink) -> dict[str, int]:
    """Fills the database with up to `rows` rows a table; how many each table got."""
    seed = int.from_bytes(hashlib.blake2b(ddl.encode(), digest_size=8).digest())
    filling = _Filling(Random(seed), rows, sink, schema)
    order = creation_order(schema.tables)
    for table in order:
        filling.made[table.name.lower()] = _own(table, sink) if table.own_rows else []
        if not table.own_rows:
            _fill_table(filling, table)
    for position, table in enumerate(order):
        later = {one.name.lower() for one in order[position + 1 :]}
        for key in table.foreign_keys:
            if key.parent.lower() in later and not table.own_rows:
                _link_back(filling, table, key)
    return {name: len(made) for name, made in filling.made.items()}


def _own(table: Table, sink: Sink) -> list[Values]:
    names = [column.name for column in table.columns]
    return [dict(zip(map(str.lower, names), row, strict=True)) for row in sink.rows(table.name, names)]


def _fill_table(filling: _Filling, table: Table) -> None:
    taken: list[set[tuple[Any, ...]]] = [set() for _ in table.keys]
    dropped = 0
    for position in range(filling.rows):
        row = _insert_row(filling, table, position, taken)
        dropped = 0 if row is not None else dropped + 1
        if row is not None:
            filling.made[table.name.lower()].append(row)
        elif dropped == GIVE_UP:
            return


def _insert_row(filling: _Filling, table: Table, position: int, taken: list[set[tuple[Any, ...]]]) -> Values | None:
    """The row that the engine took; None when none of the tries was any good. `taken` holds the values of each key."""
    for attempt in range(TRIES):
        row = _make_row(filling, table, position, attempt)
        if row is None:
            continue
        groups = [tuple(row.get(name.lower()) for name in names) for names in table.keys]
        if any(group in seen for group, seen in zip(groups, taken, strict=True) if None not in group):
            continue
        written = {column.name: row[column.name.lower()] for column in table.columns if not column.computed}
        if filling.sink.insert(table.name, written):
            for group, seen in zip(groups, taken, strict=True):
                seen.add(group)
            return row
    return None


def _make_row(filling: _Filling, table: Table, position: int, attempt: int) -> Values | None:
    row: Values = {}
    to_itself: list[ForeignKey] = []
    for key in table.foreign_keys:
        found = _reference(filling, table, key, row, position + attempt)
        if found is not None:
            row |= found
        elif key.parent.lower() == table.name.lower():
            to_itself.append(key)  # the first row of all: it has nothing to refer to but itself
        else:
            return None
    waiting = {name.lower() for key in to_itself for name in key.columns}
    for column in table.columns:
        name = column.name.lower()
        if name not in row and name not in waiting and not column.computed:
            row[name] = _value(filling, table, column, position, attempt)
    for key in to_itself:
        theirs = _parent_columns(filling.schema, key)
        row |= {name.lower(): row.get(other) for name, other in zip(key.columns, theirs, strict=False)}
    return row


def _value(filling: _Filling, table: Table, column: Column, position: int, attempt: int) -> Any:
    name = column.name.lower()
    if column.nullable and not attempt and filling.rng.random() < NULLS:
        return None
    if any(len(names) == 1 and names[0].lower() == name for names in table.keys):
        return _unrepeated(column, table, filling, position, attempt)
    if column.kind == "int" and not column.domain and name in map(str.lower, table.primary_key):
        first = column.low if column.low is not None else 1  # a line number within an order, say
        return int(first) + filling.rng.randint(0, LINES - 1 + attempt)
    return make_value(column, table.name, filling.rng, filling.rows)


def _reference(filling: _Filling, table: Table, key: ForeignKey, row: Values, turn: int) -> Values | None:
    """Values for the key's columns out of a parent row that agrees with what the row has; None when there is none."""
    mine = [name.lower() for name in key.columns]
    columns = [table.column(name) for name in key.columns]
    nullable = [column.name.lower() for column in columns if column is not None and column.nullable]
    theirs = _parent_columns(filling.schema, key)
    parents = [
        parent
        for parent in filling.made.get(key.parent.lower(), [])
        if len(theirs) == len(mine)
        and all(row[name] == parent.get(other) for name, other in zip(mine, theirs, strict=True) if name in row)
    ]
    if nullable and (not parents or filling.rng.random() < NULLS):
        return {name: None for name in nullable if name not in row}
    if not parents:
        return None
    unique = any(set(map(str.lower, names)) <= set(mine) for names in table.keys)
    chosen = parents[turn % len(parents) if unique else int(len(parents) * filling.rng.random() ** SKEW)]
    return {name: chosen.get(other) for name, other in zip(mine, theirs, strict=True) if name not in row}


def _parent_columns(schema: Schema, key: ForeignKey) -> list[str]:
    parent = schema.table(key.parent)
    names: Names = key.parent_columns or (parent.primary_key if parent is not None else ())
    return [name.lower() for name in names]


def _unrepeated(column: Column, table: Table, filling: _Filling, position: int, attempt: int) -> Any:
    """A value for a column that is a key of its own: numbers count up, texts get a number where they would repeat."""
    if column.domain:
        return column.domain[(position + attempt) % len(column.domain)]
    if column.kind in ("int", "decimal", "float"):
        first = column.low if isinstance(column.low, int | float) and column.low > 1 else 1
        return int(first) + position
    value = make_value(column, table.name, filling.rng, filling.rows)
    name = column.name.lower()
    if column.kind != "text" or all(row.get(name) != value for row in filling.made[table.name.lower()]):
        return value
    return _numbered(str(value), str(position + 1), column.size)


def _numbered(text: str, number: str, size: int | None) -> str:
    """`ada@example.com` -> `ada7@example.com`, `Lamp` -> `Lamp 7`, within the size."""
    before, at, after = text.partition("@")
    if at:
        return f"{before}{number}@{after}"
    ending = number if len(text) <= 10 and " " not in text else f" {number}"
    if size and size < len(text) + len(ending):
        return text[: max(0, size - len(ending))] + ending.strip()
    return text + ending


def _link_back(filling: _Filling, table: Table, key: ForeignKey) -> None:
    """References into a cycle, which were NULL while the table was filled, now that the parent has rows."""
    keyed = {name.lower() for name in table.primary_key}
    if not keyed or keyed & set(map(str.lower, key.columns)):
        return
    for position, row in enumerate(filling.made[table.name.lower()]):
        found = _reference(filling, table, key, {}, position)
        if found is not None and None not in found.values():
            filling.sink.link(table.name, found, {name: row[name] for name in keyed})
            row.update(found)
