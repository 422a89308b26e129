"""The Parquet tables of a run folder: written as shards that can be read at any time, merged at the end.

While a run goes on, `shards/rows/00000.parquet` and so on hold what was flushed; `finish` makes `rows.parquet` of them,
with row groups of a fixed size and nothing in its metadata that differs between runs: equal rows give equal bytes
within one version of pyarrow. Neither needs more memory than one row group.

A writer starts its table anew: a resumed run writes its rows again from the journal.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sdspec.errors import StoreError
from sdspec.rows import Reject
from sdspec.store.arrays import arrow_array, empty_batch
from sdspec.store.behind import Behind
from sdspec.store.columns import CALLS, LINEAGE, REJECTS
from sdspec.store.disk import saying, whole
from sdspec.store.schema import arrow_schema, python_rows
from sdspec.store.shape import KeptRows, RowsHash, Shape

ROW_GROUP = 8192
"""Rows per row group of a finished table."""
SHARD = 2048
"""Rows per shard: the last one is written again at each flush, which then takes some milliseconds."""


class TableWriter:
    """Writes one table of a run folder, row by row, on the thread of `behind`, which says what the disk refuses."""

    def __init__(
        self, folder: Path, name: str, columns: Mapping[str, str], behind: Behind | None, shape: Shape | None = None
    ) -> None:
        self._path = folder / f"{name}.parquet"
        self._shards = folder / "shards" / name
        self._schema = arrow_schema(columns)
        self._behind = behind or Behind()
        self._shape = shape or Shape(columns)
        self._buffer: list[tuple[Any, ...]] = []
        self._full = 0
        with saying("write", self._shards):
            _discard(self._shards)
            self._shards.mkdir(parents=True)
        self._flushed = -1
        self.flush().result()

    def append(self, row: tuple[Any, ...]) -> None:
        """Takes one row of any values in column order; nothing of it may change any more."""
        self._buffer.append(row)
        if len(self._buffer) == SHARD:
            self._give(final=True)

    def flush(self) -> Future[None]:
        """When it is done, all rows so far can be read."""
        if len(self._buffer) == self._flushed:
            return self._behind.give(lambda: None)
        return self._give(final=False)

    def finish(self) -> None:
        """The table stands whole in the run folder, and its shards are gone."""
        if self._buffer:
            self._give(final=True)
        self._behind.give(self._merge).result()

    def _give(self, *, final: bool) -> Future[None]:
        """The rows in the buffer are, or will be, in the last shard; where `final`, the next rows begin another."""
        rows = self._buffer if final else self._buffer.copy()
        job = partial(self._write, rows, self._shards / f"{self._full:05}.parquet", final)
        self._flushed = len(rows)
        if final:
            self._buffer, self._flushed = [], 0
            self._full += 1
        return self._behind.give(job)

    def _write(self, rows: Sequence[tuple[Any, ...]], shard: Path, final: bool) -> None:
        columns = self._shape.fitted(list(zip(*rows, strict=True))) if rows else [() for _ in self._schema]
        arrays = [arrow_array(column, field.type) for column, field in zip(columns, self._schema, strict=True)]
        with whole(shard, durable=False) as path:
            pq.write_table(pa.Table.from_arrays(arrays, schema=self._schema), path, compression="zstd")
        if final:
            self._shape.written(columns)

    def _merge(self) -> None:
        with whole(self._path) as path:
            write_parquet(pa.RecordBatchReader.from_batches(self._schema, _batches(_shards(self._shards))), path)
        with saying("remove", self._shards):
            _discard(self._shards)
            with suppress(OSError):  # other tables have theirs still there
                self._shards.parent.rmdir()


class RowsWriter:
    """Writes rows.parquet: the kept rows in index order."""

    def __init__(self, folder: Path, columns: Mapping[str, str], behind: Behind | None = None) -> None:
        self._columns = tuple(columns)
        self._shape = KeptRows(columns)
        self._table = TableWriter(folder, "rows", {**columns, **LINEAGE}, behind, self._shape)

    def add(self, values: Mapping[str, Any], *, row_id: str, index: int, seed: str, lineage: Mapping[str, Any]) -> None:
        """Takes one kept row; values that do not fit their columns are kept whole in the lineage."""
        self._table.append((*map(values.get, self._columns), row_id, index, seed, lineage))

    def flush(self) -> Future[None]:
        """When it is done, all rows so far can be read."""
        return self._table.flush()

    def finish(self) -> str:
        """rows.parquet stands whole; the rows' SHA-256."""
        self._table.finish()
        return self._shape.hash.hexdigest()


class RejectsWriter:
    """Writes rejects.parquet: the rows that ended, each with its step and its reason, in index order."""

    def __init__(self, folder: Path, behind: Behind | None = None) -> None:
        self._table = TableWriter(folder, "rejects", REJECTS, behind)

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
        self._table.append((row_id, index, seed, reject.step, reject.reason, reject.detail, reject.raw, values, notes))

    def flush(self) -> Future[None]:
        """When it is done, all rejects so far can be read."""
        return self._table.flush()

    def finish(self) -> None:
        """rejects.parquet stands whole."""
        self._table.finish()


class CallsWriter:
    """Writes calls.parquet: one row per call, in the order in which they ended."""

    def __init__(self, folder: Path, behind: Behind | None = None) -> None:
        self._table = TableWriter(folder, "calls", CALLS, behind)

    def add(self, call: Mapping[str, Any]) -> None:
        """Takes one call, by the names of `schema.CALLS`."""
        self._table.append(tuple(map(call.get, CALLS)))

    def flush(self) -> Future[None]:
        """When it is done, all calls so far can be read."""
        return self._table.flush()

    def finish(self) -> None:
        """calls.parquet stands whole."""
        self._table.finish()


def rows_sha256(batches: Iterable[pa.RecordBatch]) -> str:
    """The `rows_sha256` of rows as `read_batches` gives them."""
    found: RowsHash | None = None
    for batch in batches:
        names = [name for name in batch.schema.names if name not in LINEAGE]
        found = found or RowsHash(names)
        for row in batch.to_pylist():
            found.update(row[name] for name in (*names, "_row_id", "_seed"))
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
            return sum(_count(path) for path in table_files(folder, name))
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


def _discard(shards: Path) -> None:
    """They are gone, at once, so that no reader meets half of them."""
    done = shards.with_name(f".{shards.name}.done")
    shutil.rmtree(done, ignore_errors=True)  # left behind by a kill between the next two lines
    with suppress(FileNotFoundError):
        shards.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def _shards(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.parquet"))


def _count(path: Path) -> int:
    with _sound(path):
        return pq.read_metadata(path).num_rows  # type: ignore[no-any-return]


@contextmanager
def _sound(path: Path) -> Iterator[None]:
    """A file that is no Parquet, or only the beginning of one, is said to be damaged; it is not missing then."""
    try:
        yield
    except (pa.ArrowInvalid, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        why = str(error).splitlines()[0].rstrip(".")
        again = "The folder's spec.yaml, run again, makes the same rows out of the journal"
        raise StoreError(f"{path} is damaged ({why}). {again}.") from error


def _batches(paths: Iterable[Path], skip: int = 0) -> Iterator[pa.RecordBatch]:
    for path in paths:
        with _sound(path), pq.ParquetFile(path) as file:
            if skip and skip >= file.metadata.num_rows:
                skip -= file.metadata.num_rows
                continue
            if not file.metadata.num_rows:
                yield empty_batch(file.schema_arrow)
            for batch in file.iter_batches(ROW_GROUP, use_threads=False):
                yield batch.slice(skip)
                skip = max(0, skip - batch.num_rows)
