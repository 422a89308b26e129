"""Column types and what they are in Parquet; every value is made to fit, so that no writer fails amid a run.

| type                    | Arrow              | holds                                                                |
|-------------------------|--------------------|----------------------------------------------------------------------|
| str                     | string             | text; a lone surrogate becomes U+FFFD                                |
| int                     | int64              | whole numbers of 64 bits                                             |
| float                   | float64            | finite numbers                                                       |
| bool                    | bool               |                                                                      |
| list[T]                 | list of T's type   | lists of one type, also of lists                                     |
| json, dict, any other   | string             | canonical JSON text; the field is marked `sdspec.type: json`         |

A value that does not fit is null in its column (in a `str` column its JSON text), and the whole value stands as JSON
text in the row's `_lineage` under `unfit`: nothing is lost and nothing stops. This happens to whole numbers beyond 64
bits, NaN, infinities, and values of another type than their column's.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import NoneType
from typing import Any

import orjson
import pyarrow as pa

from sdspec.rows import valid_text
from sdspec.store.jsontext import json_text

_SCALARS = {"str": pa.string(), "int": pa.int64(), "float": pa.float64(), "bool": pa.bool_()}
_MARK = b"sdspec.type"


def arrow_type(column_type: str) -> pa.DataType:
    """The Arrow type of a column type."""
    if (inner := _item(column_type)) is not None and not is_json(inner):
        return pa.list_(arrow_type(inner))
    return _SCALARS.get(column_type, pa.string())


def is_json(column_type: str) -> bool:
    """True for a type whose values are kept as JSON text."""
    inner = _item(column_type)
    return column_type not in _SCALARS if inner is None else is_json(inner)


def arrow_schema(columns: Mapping[str, str]) -> pa.Schema:
    """The Arrow schema of columns with their types; JSON columns are marked."""
    return pa.schema([arrow_field(name, column_type) for name, column_type in columns.items()])


def arrow_field(name: str, column_type: str) -> pa.Field:
    """The Arrow field of one column."""
    marks = {_MARK: b"json"} if is_json(column_type) else None
    return pa.field(name, arrow_type(column_type), metadata=marks)


def holds_json(field: pa.Field) -> bool:
    """True for a field of JSON text, as `arrow_field` marks it."""
    return bool(field.metadata and field.metadata.get(_MARK) == b"json")


def json_as_text(schema: pa.Schema) -> pa.Schema:
    """The schema without marks: JSON columns are plain text to who reads them."""
    return pa.schema([pa.field(field.name, field.type) for field in schema])


def fit(value: Any, column_type: str) -> tuple[Any, bool]:
    """The value as its column holds it, and whether it is still the same value."""
    if value is None:
        return None, True
    if is_json(column_type):
        return json_text(value), True
    if (inner := _item(column_type)) is not None:
        return _fit_list(value, inner)
    if column_type == "str":
        return (valid_text(value), True) if isinstance(value, str) else (json_text(value), False)
    return _FITS[column_type](value)


def fit_column(values: Sequence[Any], column_type: str) -> tuple[Sequence[Any], list[int]]:
    """`fit` of each value, and the places of those that are not the same any more."""
    if column_type in _EXACT and set(map(type, values)) <= _EXACT[column_type] and _in_range(values, column_type):
        return values, []
    pairs = [fit(value, column_type) for value in values]
    return [value for value, _ in pairs], [place for place, (_, same) in enumerate(pairs) if not same]


def python_rows(batch: pa.RecordBatch | pa.Table) -> list[dict[str, Any]]:
    """The rows as Python values, JSON columns parsed."""
    rows: list[dict[str, Any]] = batch.to_pylist()
    for name in [field.name for field in batch.schema if holds_json(field)]:
        for row in rows:
            if row[name] is not None:
                row[name] = orjson.loads(row[name])
    return rows


_EXACT = {"str": {str, NoneType}, "int": {int, NoneType}, "float": {float, NoneType}, "bool": {bool, NoneType}}
"""Values of these types are as their column holds them, where they are in its range."""


def _in_range(values: Sequence[Any], column_type: str) -> bool:
    there = filter(None, values)
    if column_type == "str":
        try:
            "".join(there).encode()
        except UnicodeEncodeError:
            return False
    if column_type == "int":
        return all(-(2**63) <= value < 2**63 for value in there)
    return column_type != "float" or all(map(math.isfinite, there))


def _item(column_type: str) -> str | None:
    return column_type[5:-1] if column_type.startswith("list[") and column_type.endswith("]") else None


def _fit_list(value: Any, inner: str) -> tuple[list[Any] | None, bool]:
    if not isinstance(value, list | tuple):
        return None, False
    pairs = [fit(item, inner) for item in value]
    return [item for item, _ in pairs], all(same for _, same in pairs)


def _fit_bool(value: Any) -> tuple[bool | None, bool]:
    return (value, True) if isinstance(value, bool) else (None, False)


def _fit_int(value: Any) -> tuple[int | None, bool]:
    fits = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
    return (value, True) if fits else (None, False)


def _fit_float(value: Any) -> tuple[float | None, bool]:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None, False
    try:
        number = float(value)
    except OverflowError:
        return None, False
    return (number, True) if math.isfinite(number) else (None, False)


_FITS: Mapping[str, Callable[[Any], tuple[Any, bool]]] = {"bool": _fit_bool, "int": _fit_int, "float": _fit_float}
