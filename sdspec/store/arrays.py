"""Python values -> Arrow arrays, a column at a time.

`pa.array` would do, and is slower: its first call imports pandas wherever that is installed (0.4 s, 50 MB), to see
whether the values might be a Series.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from types import NoneType
from typing import Any

import pyarrow as pa

_PLAIN = {
    pa.lib.Type_STRING: {str, NoneType},
    pa.lib.Type_INT64: {int, NoneType},
    pa.lib.Type_DOUBLE: {float, NoneType},
    pa.lib.Type_BOOL: {bool, NoneType},
    pa.lib.Type_LIST: {list, tuple, NoneType},
    pa.lib.Type_STRUCT: {dict, NoneType},
}
"""Values of these types, of which arrays are made here."""
_SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}
_DIGITS = bytes.maketrans(b"\x00\x01", b"01")


def arrow_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """The values as an array of the type. Those that are not plainly of it are left to pyarrow, which may refuse."""
    types = set(map(type, values))
    if types <= {NoneType}:
        return pa.nulls(len(values), kind)
    if not types <= _PLAIN.get(kind.id, frozenset()):
        return pa.array(values, kind)
    bits = _bits([value is not None for value in values]) if NoneType in types else None
    try:
        buffers, children = _inside(values, kind)
    except OverflowError:  # more than 64 bits; or more than 2 GiB of text, or items, which take several arrays
        return pa.array(values, kind)
    return pa.Array.from_buffers(kind, len(values), [bits, *buffers], children=children)


def inferred_type(values: Sequence[Any]) -> pa.DataType:
    """The type that pyarrow finds in the values; raises pa.ArrowException where they have none in common."""
    types = set(map(type, values)) - {NoneType}
    there = [value for value in values if value is not None]
    if not types:
        return pa.null()
    if types == {list}:
        return pa.list_(inferred_type(list(chain.from_iterable(there))))
    if types == {dict} and all(type(name) is str for one in there for name in one):
        names = dict.fromkeys(name for one in there for name in one)
        return pa.struct([(name, inferred_type([one.get(name) for one in there])) for name in names])
    return _SCALARS[types.pop()] if len(types) == 1 and types <= _SCALARS.keys() else pa.infer_type(values)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """No rows, with the schema's columns."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def _inside(values: Sequence[Any], kind: pa.DataType) -> tuple[list[pa.Buffer], list[pa.Array]]:
    """The buffers after the one that says which values are there, and the arrays of which the type is made."""
    if pa.types.is_list(kind):
        held = [value or () for value in values]
        return [_offsets(map(len, held))], [arrow_array(list(chain.from_iterable(held)), kind.value_type)]
    if pa.types.is_struct(kind):
        fields = [[value.get(field.name) if value else None for value in values] for field in kind]
        return [], [arrow_array(held, field.type) for held, field in zip(fields, kind, strict=True)]
    if pa.types.is_string(kind):
        return _texts(values), []
    if pa.types.is_boolean(kind):
        return [_bits([bool(value) for value in values])], []
    numbers = [0 if value is None else value for value in values]  # `value or 0` would make 0.0 of -0.0
    return [pa.py_buffer(array("q" if pa.types.is_int64(kind) else "d", numbers))], []


def _texts(values: Sequence[str | None]) -> list[pa.Buffer]:
    texts = [value or "" for value in values]
    joined = "".join(texts)
    if joined.isascii():
        return [_offsets(map(len, texts)), pa.py_buffer(joined.encode())]
    encoded = [text.encode() for text in texts]
    return [_offsets(map(len, encoded)), pa.py_buffer(b"".join(encoded))]


def _offsets(sizes: Iterable[int]) -> pa.Buffer:
    return pa.py_buffer(array("i", accumulate(sizes, initial=0)))


def _bits(flags: Iterable[bool]) -> pa.Buffer:
    """One bit for each flag, the first one lowest."""
    digits = bytes(flags).translate(_DIGITS)[::-1]
    return pa.py_buffer(int(digits, 2).to_bytes((len(digits) + 7) // 8, "little"))
