"""Refuses a row whose columns repeat those of an earlier kept one, up to spaces or case."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Literal

from pydantic import Field

from sdspec.contracts import Dedup, DedupIndex, Repeat
from sdspec.store.jsontext import json_bytes

FIRST_ROWS = 1 << 18
GROWTH = 7
"""Rows of the first table. Each further one holds so many times those of all before it: none is ever made anew, and a
row is looked up in few, two for two million rows."""
DIGEST_BYTES = 16
ID_BYTES = 8

Normalize = Literal["none", "space", "case"]


class Exact(Dedup):
    """Two rows repeat each other when all the columns are equal after normalisation."""

    normalize: Normalize = Field(
        "space", description="none: to the letter. space: runs of white space count as one. case: also upper as lower."
    )

    def index(self) -> DedupIndex:
        """An empty index."""
        return ExactIndex(self.columns, self.normalize)


class ExactIndex(DedupIndex):
    """Digests of the kept rows and their ids, in hash tables: 32 bytes a row, where a dict takes 138.

    Two of 10^9 rows have the same 16 bytes of digest with chance 10^-21.
    """

    def __init__(self, columns: tuple[str, ...], normalize: Normalize) -> None:
        self._columns = columns
        self._normalize = normalize
        self._tables = [_Table(FIRST_ROWS)]

    def seen(self, values: Mapping[str, Any], row: str) -> Repeat | None:
        """The first row with this content; ids are of `rows.row_id`."""
        content = [normalized(values.get(name), self._normalize) for name in self._columns]
        digest = blake2b(json_bytes(content), digest_size=DIGEST_BYTES).digest()
        bucket = int.from_bytes(digest[:8], "little")
        for table in self._tables:
            if (first := table.find(digest, bucket)) is not None:
                return Repeat(first.hex(), f"row {first.hex()} already has this {', '.join(self._columns)}")
        if len(self._tables[-1].before) == self._tables[-1].rows:
            self._tables.append(_Table(GROWTH * sum(table.rows for table in self._tables)))
        self._tables[-1].add(digest, bucket, bytes.fromhex(row))
        return None


class _Table:
    """Up to `rows` digests with an id each, in as many buckets, chained by row number."""

    def __init__(self, rows: int) -> None:
        self.rows = rows
        self.before = array("I")
        """For each row the one before it in its bucket, plus one."""
        self._heads = memoryview(bytearray(4 * rows)).cast("I")
        """For each bucket the last row in it plus one, 0 where there is none."""
        self._digests = bytearray()
        self._ids = bytearray()

    def find(self, digest: bytes, bucket: int) -> bytes | None:
        """The id that the digest was added with."""
        place = self._heads[bucket % self.rows]
        while place:
            if self._digests.startswith(digest, (place - 1) * DIGEST_BYTES):
                return bytes(self._ids[(place - 1) * ID_BYTES : place * ID_BYTES])
            place = self.before[place - 1]
        return None

    def add(self, digest: bytes, bucket: int, row: bytes) -> None:
        """The digest can be found."""
        self._digests += digest
        self._ids += row
        self.before.append(self._heads[bucket % self.rows])
        self._heads[bucket % self.rows] = len(self.before)


def normalized(value: Any, normalize: Normalize) -> Any:
    """The value with every text in it normalised, however deep."""
    if isinstance(value, str):
        if normalize == "none":
            return value
        text = " ".join(value.split())
        return text.casefold() if normalize == "case" else text
    if isinstance(value, Mapping):
        return {name: normalized(item, normalize) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [normalized(item, normalize) for item in value]
    return value
