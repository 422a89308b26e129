"""Python values -> Arrow arrays, a column at a time.

`pa.array` would do, and is slower: its first call imports pandas wherever that is installed (0.4 s, 50 MB), to see
whether the values might be a Series.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

_DIGITS = bytes.maketrans(b"\x00\x01", b"01")


def arrow_array(values: Sequence[Any], kind: pa.DataType) -> pa.Array | pa.ChunkedArray:
    """The values, each null or of the type's own Python type as `schema.fit` makes them, as an array of the type."""
    if all(value is None for value in values):
        return pa.nulls(len(values), kind)
    there = [value is not None for value in values]
    bits = None if all(there) else _bits(there)
    try:
        if pa.types.is_list(kind):
            held = [value or () for value in values]
            children = [arrow_array(list(chain.from_iterable(held)), kind.value_type)]
            return pa.Array.from_buffers(kind, len(values), [bits, _offsets(map(len, held))], children=children)
        return pa.Array.from_buffers(kind, len(values), [bits, *_BUFFERS[kind](values)])
    except OverflowError:  # more than 2 GiB of text, or items, which take several arrays
        return pa.array(values, kind)


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """No rows, with the schema's columns."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in schema], schema=schema)


def _bits(flags: Iterable[bool]) -> pa.Buffer:
    """One bit for each flag, the first one lowest."""
    digits = bytes(flags).translate(_DIGITS)[::-1]
    return pa.py_buffer(int(digits, 2).to_bytes((len(digits) + 7) // 8, "little"))


def _offsets(sizes: Iterable[int]) -> pa.Buffer:
    return pa.py_buffer(array("i", accumulate(sizes, initial=0)))


def _texts(values: Sequence[str | None]) -> list[pa.Buffer]:
    texts = [value or "" for value in values]
    joined = "".join(texts)
    if joined.isascii():
        return [_offsets(map(len, texts)), pa.py_buffer(joined.encode())]
    encoded = [text.encode() for text in texts]
    return [_offsets(map(len, encoded)), pa.py_buffer(b"".join(encoded))]


_BUFFERS: Mapping[pa.DataType, Callable[[Sequence[Any]], list[pa.Buffer]]] = {
    pa.string(): _texts,
    pa.int64(): lambda values: [pa.py_buffer(array("q", [value or 0 for value in values]))],
    pa.float64(): lambda values: [pa.py_buffer(array("d", [value or 0.0 for value in values]))],
    pa.bool_(): lambda values: [_bits([bool(value) for value in values])],
}
"""The buffers after the one that says which values are there."""
