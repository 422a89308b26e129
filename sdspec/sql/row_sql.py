"""The statements that put rows into a table and read them, as both engines take them; values go in as parameters."""

from __future__ import annotations

from collections.abc import Iterable

from sdspec.sql.schema import quoted


def insert_sql(table: str, names: Iterable[str]) -> str:
    """`INSERT INTO "t" ("a", "b") VALUES (?, ?)`"""
    listed = [quoted(name) for name in names]
    given = f"({', '.join(listed)}) VALUES ({', '.join('?' * len(listed))})" if listed else "DEFAULT VALUES"
    return f"INSERT INTO {quoted(table)} {given}"


def update_sql(table: str, names: Iterable[str], where: Iterable[str]) -> str:
    """`UPDATE "t" SET "a" = ? WHERE "id" = ?`"""
    changes = ", ".join(f"{quoted(name)} = ?" for name in names)
    found = " AND ".join(f"{quoted(name)} = ?" for name in where)
    return f"UPDATE {quoted(table)} SET {changes} WHERE {found}"  # noqa: S608 (names are quoted)


def select_sql(table: str, names: Iterable[str]) -> str:
    """`SELECT "a", "b" FROM "t"`"""
    return f"SELECT {', '.join(map(quoted, names))} FROM {quoted(table)}"  # noqa: S608 (names are quoted)
