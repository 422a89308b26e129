"""Packed examples as a stream of Arrow batches, read from a run folder: what exporters write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa

from sdspec.errors import StoreError
from sdspec.store.arrays import arrow_array, inferred_type
from sdspec.store.jsontext import json_text
from sdspec.store.schema import arrow_field, holds_json, python_rows
from sdspec.store.tables import read_batches

Pack = Callable[[Mapping[str, Any]], dict[str, Any]]


def read_examples(
    folder: Path, pack: Pack, selected: Mapping[str, str] | None = None, limit: int | None = None
) -> pa.RecordBatchReader:
    """Each kept row packed, or the first `limit` of them, in index order, at most a row group in memory.

    Where columns are `selected`, name in the example -> column, the examples are those columns. Else they are what
    `pack` makes of a row without its `_lineage`: a column that it passes on keeps its type, and the others have that of
    their values in the first row group, or are JSON text where these have no type in common.
    """
    batches = _first(read_batches(folder, "rows"), limit)
    first = next(batches, None)
    if first is None or not first.num_rows:
        return pa.RecordBatchReader.from_batches(pa.schema([]), [])
    every = chain([first], batches)
    return _packed(every, first, pack) if selected is None else _selection(every, first.schema, selected)


def batches_of(examples: pa.Table | pa.RecordBatchReader) -> Iterable[pa.RecordBatch]:
    """The examples, batch by batch."""
    batches: Iterable[pa.RecordBatch] = examples.to_batches() if isinstance(examples, pa.Table) else examples
    return batches


def _selection(
    batches: Iterator[pa.RecordBatch], known: pa.Schema, selected: Mapping[str, str]
) -> pa.RecordBatchReader:
    schema = pa.schema([known.field(old).with_name(new) for new, old in selected.items()])

    def stream() -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield pa.RecordBatch.from_arrays([batch[old] for old in selected.values()], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, stream())


def _packed(batches: Iterator[pa.RecordBatch], first: pa.RecordBatch, pack: Pack) -> pa.RecordBatchReader:
    rows = _rows(first)
    examples = [pack(row) for row in rows]
    schema = pa.schema([_field(name, examples, rows, first.schema) for name in examples[0]])

    def stream() -> Iterator[pa.RecordBatch]:
        yield _batch(examples, schema)
        next(batches)  # the first one, packed already
        for batch in batches:
            yield _batch([pack(row) for row in _rows(batch)], schema)

    return pa.RecordBatchReader.from_batches(schema, stream())


def _rows(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    return python_rows(batch.drop_columns(["_lineage"]))


def _first(batches: Iterator[pa.RecordBatch], limit: int | None) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch if limit is None else batch.slice(0, limit)
        if limit is not None:
            limit -= batch.num_rows
            if limit <= 0:
                return


def _field(name: str, examples: list[dict[str, Any]], rows: list[dict[str, Any]], known: pa.Schema) -> pa.Field:
    if name in rows[0] and all(one[name] == row[name] for one, row in zip(examples, rows, strict=True)):
        return known.field(name)
    try:
        values = [one[name] for one in examples]
        found = arrow_array(values, inferred_type(values)).type
    except (pa.ArrowException, TypeError):
        return arrow_field(name, "json")
    return pa.field(name, pa.string() if pa.types.is_null(found) else found)


def _batch(examples: list[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    arrays = []
    for field in schema:
        values = [one[field.name] for one in examples]
        if holds_json(field):
            values = [None if value is None else json_text(value) for value in values]
        try:
            arrays.append(arrow_array(values, field.type))
        except (pa.ArrowException, TypeError) as error:
            raise StoreError(
                f"the examples' column {field.name!r} is {field.type} at first, and later not: {error}."
            ) from error
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
