"""A Table as the CREATE TABLE that makes it, and the order in which tables can be made and filled."""

from __future__ import annotations

from collections.abc import Sequence

from sdspec.sql.schema import Column, ForeignKey, Names, Table, quoted


def create_table(table: Table) -> str:
    """`CREATE TABLE "t" ("id" INTEGER NOT NULL, ..., PRIMARY KEY ("id"))`, in words that both engines know."""
    lines = [_column(column) for column in table.columns]
    if table.primary_key:
        lines.append(f"PRIMARY KEY ({_list(table.primary_key)})")
    lines += [f"UNIQUE ({_list(names)})" for names in table.uniques]
    lines += [f"CHECK ({check})" for check in table.checks]
    lines += [_foreign_key(key) for key in table.foreign_keys]
    return f"CREATE TABLE {quoted(table.name)} ({', '.join(lines)})"


def creation_order(tables: Sequence[Table]) -> list[Table]:
    """Parents before children. A cycle is entered at a table whose references into it may be NULL, if it has one."""
    waiting = list(tables)
    order: list[Table] = []
    while waiting:
        done = {table.name.lower() for table in order}
        ready = [table for table in waiting if not _open(table, done)]
        free = [table for table in waiting if all(_may_be_null(table, key) for key in _open(table, done))]
        chosen = (ready or free or waiting)[0]
        order.append(chosen)
        waiting.remove(chosen)
    return order


def _open(table: Table, done: set[str]) -> list[ForeignKey]:
    """References to tables that are not there yet; a table's references to itself never wait."""
    return [key for key in table.foreign_keys if key.parent.lower() not in done | {table.name.lower()}]


def _may_be_null(table: Table, key: ForeignKey) -> bool:
    columns = [table.column(name) for name in key.columns]
    return any(column is not None and column.nullable for column in columns)


def _column(column: Column) -> str:
    parts = [quoted(column.name), column.sql_type]
    if not column.nullable:
        parts.append("NOT NULL")
    if column.default is not None:
        parts.append(f"DEFAULT {column.default}")
    if column.domain and column.kind == "text":
        parts.append("CHECK ({} IN ({}))".format(quoted(column.name), ", ".join(map(_text, column.domain))))
    return " ".join(parts)


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"


def _foreign_key(key: ForeignKey) -> str:
    target = f"{quoted(key.parent)}{f' ({_list(key.parent_columns)})' if key.parent_columns else ''}"
    return f"FOREIGN KEY ({_list(key.columns)}) REFERENCES {target}"


def _list(names: Names) -> str:
    return ", ".join(map(quoted, names))
