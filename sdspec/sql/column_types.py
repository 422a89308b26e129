"""SQL types of any dialect as the few kinds that values are made for, and as the engine's own types."""

from __future__ import annotations

from typing import Any

from sqlglot import expressions as exp

from sdspec.sql.schema import Column

Type = exp.DataType.Type

_KINDS: dict[str, frozenset[Any]] = {
    "bool": frozenset({Type.BOOLEAN, Type.BIT}),
    "int": frozenset(exp.DataType.INTEGER_TYPES)
    | {Type.SERIAL, Type.SMALLSERIAL, Type.BIGSERIAL, Type.YEAR, Type.MEDIUMINT, Type.UMEDIUMINT},
    "decimal": frozenset(
        {Type.DECIMAL, Type.UDECIMAL, Type.BIGDECIMAL, Type.DECIMAL32, Type.DECIMAL64, Type.DECIMAL128}
    )
    | {Type.MONEY, Type.SMALLMONEY},
    "float": frozenset({Type.FLOAT, Type.DOUBLE, Type.UDOUBLE}),
    "text": frozenset(exp.DataType.TEXT_TYPES) | {Type.ENUM, Type.TINYTEXT, Type.MEDIUMTEXT, Type.LONGTEXT, Type.SET},
    "date": frozenset({Type.DATE, Type.DATE32}),
    "timestamp": frozenset(
        {Type.TIMESTAMP, Type.TIMESTAMPTZ, Type.TIMESTAMPLTZ, Type.TIMESTAMPNTZ, Type.DATETIME, Type.DATETIME2}
    )
    | {Type.DATETIME64, Type.SMALLDATETIME, Type.TIMESTAMP_S, Type.TIMESTAMP_MS, Type.TIMESTAMP_NS},
    "time": frozenset({Type.TIME, Type.TIMETZ}),
    "blob": frozenset({Type.BINARY, Type.VARBINARY, Type.BLOB, Type.TINYBLOB, Type.MEDIUMBLOB, Type.LONGBLOB}),
    "uuid": frozenset({Type.UUID}),
    "json": frozenset({Type.JSON, Type.JSONB, Type.VARIANT}),
    "interval": frozenset({Type.INTERVAL}),
    "list": frozenset({Type.ARRAY, Type.LIST}),
}
_BOUNDS: dict[Any, tuple[int, int]] = {
    Type.TINYINT: (-128, 127),
    Type.UTINYINT: (0, 255),
    Type.SMALLINT: (-32768, 32767),
    Type.SMALLSERIAL: (1, 32767),
    Type.USMALLINT: (0, 65535),
    Type.UINT: (0, 2**32 - 1),
    Type.UMEDIUMINT: (0, 2**24 - 1),
    Type.UBIGINT: (0, 2**63 - 1),
    Type.YEAR: (1970, 2100),
}
_NATIVE = {
    "sqlite": {
        "int": "INTEGER", "decimal": "NUMERIC", "float": "REAL", "bool": "BOOLEAN", "date": "DATE",
        "timestamp": "TIMESTAMP", "time": "TIME", "blob": "BLOB", "text": "TEXT",
    },
    "duckdb": {
        "int": "BIGINT", "float": "DOUBLE", "bool": "BOOLEAN", "date": "DATE", "timestamp": "TIMESTAMP",
        "time": "TIME", "blob": "BLOB", "uuid": "UUID", "interval": "INTERVAL", "text": "VARCHAR",
    },
}  # fmt: skip
"""Kinds that are not here become text; a decimal of DuckDB keeps its digits."""


def column_of(name: str, written: exp.DataType | None, dialect: str, engine: str) -> Column:
    """The column with what its type says; `written` is None where SQLite's DDL names no type."""
    if written is None:
        return Column(name, "text", _NATIVE[engine]["text"])
    kind = next((kind for kind, types in _KINDS.items() if written.this in types), "other")
    if kind == "other" and dialect == "sqlite":
        kind = _affinity(written.sql("sqlite"))
    first, second = _params(written)
    if written.this is Type.TINYINT and first == 1 and dialect in ("mysql", "singlestore", "doris", "starrocks"):
        kind = "bool"
    low, high = _BOUNDS.get(written.this, (None, None)) if kind == "int" else (None, None)
    domain = tuple(one.this for one in written.expressions) if written.this is Type.ENUM else ()
    sized = kind in ("text", "decimal", "blob")
    return Column(
        name=name,
        kind=kind,
        sql_type=_native(written, kind, engine),
        size=first if sized else None,
        scale=(second or 0) if kind == "decimal" and first else 2,
        domain=domain,
        low=low,
        high=high,
    )


def _params(written: exp.DataType) -> tuple[int | None, int | None]:
    read = [param.this.this for param in written.expressions if isinstance(param, exp.DataTypeParam)]
    numbers = [int(one) if str(one).isdigit() else None for one in read]
    return (numbers[0] if numbers else None), (numbers[1] if len(numbers) > 1 else None)


def _native(written: exp.DataType, kind: str, engine: str) -> str:
    native = _NATIVE[engine]
    if engine == "duckdb" and kind == "decimal":
        first, second = _params(written)
        return f"DECIMAL({min(first, 38)}, {second or 0})" if first else "DECIMAL(18, 4)"
    if engine == "duckdb" and kind == "list":
        return written.sql("duckdb")
    return native.get(kind, native["text"])


def _affinity(name: str) -> str:
    """SQLite takes any word as a type and reads its affinity out of it (sqlite.org, datatype3, section 3.1)."""
    upper = name.upper()
    for marks, kind in ((("INT",), "int"), (("CHAR", "CLOB", "TEXT", "STRING"), "text"), (("BLOB",), "blob")):
        if any(mark in upper for mark in marks):
            return kind
    if any(mark in upper for mark in ("REAL", "FLOA", "DOUB")):
        return "float"
    return "date" if "DATE" in upper else "bool" if "BOOL" in upper else "float"
