"""The Parquet tables of a run folder: written as shards that can be read at any time, merged at the end.

While a run goes on, `shards/rows/00000.parquet` and so on hold what was flushed; `finish` makes `rows.parquet` of them,
with row groups of a fixed size and nothing in its metadata that differs between runs: equal rows give equal bytes
within one version of pyarrow. Neither needs more memory than one row group.

A writer starts its table anew: a resumed run writes its rows again from the journal.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sdspec.rows import Reject, canonical, valid_text
from sdspec.store.columns import CALLS, LINEAGE, REJECTS
from sdspec.store.disk import saying, whole
from sdspec.store.jsontext import json_text
from sdspec.store.schema import arrow_schema, fit, python_rows

ROW_GROUP = 8192
"""Rows per row group of a finished table."""
SHARD = 2048
"""Rows per shard: the last one is written again at each flush, which then takes some milliseconds."""


class TableWriter:
    """Writes one table of a run folder, row by row. Raises StoreError when the disk does."""

    def __init__(self, folder: Path, name: str, columns: Mapping[str, str]) -> None:
        self._path = folder / f"{name}.parquet"
        self._shards = folder / "shards" / name
        self._columns = dict(columns)
        self._schema = arrow_schema(columns)
        self._buffer: list[tuple[Any, ...]] = []
        self._full = 0
        with saying("write", self._shards):
            shutil.rmtree(self._shards, ignore_errors=True)
            self._shards.mkdir(parents=True)
        self._flushed = -1
        self.flush()

    def append(self, values: Iterable[Any]) -> None:
        """Takes one row of fitted values in column order."""
        self._buffer.append(tuple(values))
        if len(self._buffer) == SHARD:
            self.flush()
            self._full += 1
            self._buffer, self._flushed = [], 0

    def fitted(self, values: Mapping[str, Any]) -> list[Any]:
        """The row of these values in column order; what does not fit its column is null, what is missing too."""
        return [fit(values.get(name), column_type)[0] for name, column_type in self._columns.items()]

    def flush(self) -> None:
        """All rows so far can be read."""
        if len(self._buffer) == self._flushed:
            return
        columns = zip(*self._buffer, strict=True) if self._buffer else ([] for _ in self._schema)
        arrays = [pa.array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        with whole(self._shards / f"{self._full:05}.parquet", durable=False) as path:
            pq.write_table(pa.Table.from_arrays(arrays, schema=self._schema), path, compression="zstd")
        self._flushed = len(self._buffer)

    def finish(self) -> None:
        """The table stands whole in the run folder, and its shards are gone."""
        self.flush()
        with whole(self._path) as path:
            write_parquet(pa.RecordBatchReader.from_batches(self._schema, _batches(_shards(self._shards))), path)
        with saying("remove", self._shards):
            done = self._shards.with_name(f".{self._shards.name}.done")
            shutil.rmtree(done, ignore_errors=True)  # left behind by a kill between the next two lines
            self._shards.rename(done)  # at once, so that no reader meets half of the shards
            shutil.rmtree(done)
            with suppress(OSError):  # other tables have theirs still there
                self._shards.parent.rmdir()


class RowsWriter:
    """Writes rows.parquet: the kept rows in index order."""

    def __init__(self, folder: Path, columns: Mapping[str, str]) -> None:
        self._columns = dict(columns)
        self._hash = RowsHash(columns)
        self._table = TableWriter(folder, "rows", {**columns, **LINEAGE})

    def add(self, values: Mapping[str, Any], *, row_id: str, index: int, seed: str, lineage: Mapping[str, Any]) -> None:
        """Takes one kept row; values that do not fit their columns are kept whole in the lineage."""
        row: list[Any] = []
        unfit: dict[str, str] = {}
        for name, column_type in self._columns.items():
            fitted, same = fit(values.get(name), column_type)
            row.append(fitted)
            if not same:
                unfit[name] = json_text(values[name])
        notes = {**lineage, "unfit": unfit} if unfit else lineage
        seed = valid_text(seed)
        self._hash.update(row, row_id, seed)
        self._table.append((*row, row_id, index, seed, json_text(notes)))

    def flush(self) -> None:
        """All rows so far can be read."""
        self._table.flush()

    def finish(self) -> str:
        """rows.parquet stands whole; the rows' SHA-256."""
        self._table.finish()
        return self._hash.hexdigest()


class RejectsWriter:
    """Writes rejects.parquet: the rows that ended, each with its step and its reason, in index order."""

    def __init__(self, folder: Path) -> None:
        self._table = TableWriter(folder, "rejects", REJECTS)

    def add(
        self,
        reject: Reject,
        *,
        row_id: str,
        index: int,
        seed: str,
        values: Mapping[str, Any],
        notes: Mapping[str, Any],
    ) -> None:
        """Takes one rejected row with the columns known of it."""
        self._table.append(
            self._table.fitted(
                {
                    "_row_id": row_id,
                    "_index": index,
                    "_seed": seed,
                    "step": reject.step,
                    "reason": reject.reason,
                    "detail": reject.detail,
                    "raw": reject.raw,
                    "columns": values,
                    "_lineage": notes,
                }
            )
        )

    def flush(self) -> None:
        """All rejects so far can be read."""
        self._table.flush()

    def finish(self) -> None:
        """rejects.parquet stands whole."""
        self._table.finish()


class CallsWriter:
    """Writes calls.parquet: one row per call, in the order in which they ended."""

    def __init__(self, folder: Path) -> None:
        self._table = TableWriter(folder, "calls", CALLS)

    def add(self, call: Mapping[str, Any]) -> None:
        """Takes one call, by the names of `schema.CALLS`."""
        self._table.append(self._table.fitted(call))

    def flush(self) -> None:
        """All calls so far can be read."""
        self._table.flush()

    def finish(self) -> None:
        """calls.parquet stands whole."""
        self._table.finish()


class RowsHash:
    """SHA-256 over canonical row content in index order: the dataset's columns as stored, `_row_id`, `_seed`."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._names = (*columns, "_row_id", "_seed")
        self._hash = hashlib.sha256()

    def update(self, values: Iterable[Any], row_id: str, seed: str) -> None:
        """Takes one row, its values in column order."""
        self._hash.update(canonical(dict(zip(self._names, (*values, row_id, seed), strict=True))) + b"\n")

    def hexdigest(self) -> str:
        """The hash of all rows so far."""
        return self._hash.hexdigest()


def rows_sha256(batches: Iterable[pa.RecordBatch]) -> str:
    """The `rows_sha256` of rows as `read_batches` gives them."""
    found: RowsHash | None = None
    for batch in batches:
        names = [name for name in batch.schema.names if name not in LINEAGE]
        found = found or RowsHash(names)
        for row in batch.to_pylist():
            found.update((row[name] for name in names), row["_row_id"], row["_seed"])
    return (found or RowsHash(())).hexdigest()


# ------------------------------------------------------------------------------------------------------------ reading


def read_rows(folder: Path) -> pa.Table:
    """The kept rows of a run folder, finished or not."""
    return read_table(folder, "rows")


def iter_rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The kept rows as Python values, JSON columns parsed, at most a row group in memory."""
    for batch in read_batches(folder, "rows"):
        yield from python_rows(batch)


def read_table(folder: Path, name: str) -> pa.Table:
    """A table of a run folder: `rows`, `rejects` or `calls`; what has been flushed, while the run goes on."""
    batches = list(read_batches(folder, name))
    return pa.Table.from_batches(batches) if batches else pa.table({})


def count_rows(folder: Path, name: str) -> int:
    """How many rows the table has now; those that are not flushed yet do not count."""
    while True:
        try:
            return sum(pq.read_metadata(path).num_rows for path in table_files(folder, name))
        except FileNotFoundError:
            continue  # the shards were merged meanwhile


def read_batches(folder: Path, name: str) -> Iterator[pa.RecordBatch]:
    """The table in batches of at most one row group; an empty one where it has no rows."""
    passed = 0
    while True:
        try:
            for batch in _batches(table_files(folder, name), passed):
                passed += batch.num_rows
                yield batch
            return
        except FileNotFoundError:
            continue  # the shards were merged meanwhile: go on in the merged file


def table_files(folder: Path, name: str) -> list[Path]:
    """The Parquet files that hold the table now: its shards, or the merged one; none before the run began."""
    path = folder / f"{name}.parquet"
    return _shards(folder / "shards" / name) or ([path] if path.is_file() else [])


def write_parquet(batches: pa.RecordBatchReader, path: Path) -> None:
    """A Parquet file with row groups of `ROW_GROUP` rows, whatever the sizes of the batches."""
    with pq.ParquetWriter(path, batches.schema, compression="zstd") as writer:
        waiting: list[pa.RecordBatch] = []
        count = 0
        for batch in batches:
            start = 0
            while count + batch.num_rows - start >= ROW_GROUP:
                cut = ROW_GROUP - count
                writer.write_table(pa.Table.from_batches([*waiting, batch.slice(start, cut)]), ROW_GROUP)
                waiting, count, start = [], 0, start + cut
            waiting.append(batch.slice(start))
            count += batch.num_rows - start
        if count:
            writer.write_table(pa.Table.from_batches(waiting), ROW_GROUP)


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _batches(paths: Iterable[Path], skip: int = 0) -> Iterator[pa.RecordBatch]:
    for path in paths:
        with pq.ParquetFile(path) as file:
            if skip and skip >= file.metadata.num_rows:
                skip -= file.metadata.num_rows
                continue
            if not file.metadata.num_rows:
                yield pa.RecordBatch.from_pylist([], schema=file.schema_arrow)
            for batch in file.iter_batches(ROW_GROUP):
                yield batch.slice(skip)
                skip = max(0, skip - batch.num_rows)
