"""Refuses a row whose text is nearly that of an earlier kept one: MinHash and bands of it. Owner of rensa.

A text is taken as the set of its shingles (all runs of so many characters or words); two texts are as similar as the
share of their shingles that is common to both (Jaccard). A signature of `num_perm` numbers stands for a set: the share
of equal numbers estimates the similarity, for 128 of them with a standard error of 0.035 at 0.8. Only rows that agree
in a whole band of their signatures are compared (Leskovec, Rajaraman, Ullman: Mining of Massive Datasets, 3.4).

Percent of the pairs of a true similarity that are refused, with 128 numbers (200,000 simulated pairs each). The bands
cost little of it: estimates err on both sides of the threshold.

| threshold | 0.5 | 0.6 | 0.7  | 0.75 | 0.8  | 0.85 | 0.9  | 0.95 | 1   |
|-----------|-----|-----|------|------|------|------|------|------|-----|
| 0.6       | 1.4 | 53  | 99.3 | 100  | 100  | 100  | 100  | 100  | 100 |
| 0.7       | 0   | 1.0 | 51   | 91   | 99.7 | 100  | 100  | 100  | 100 |
| 0.8       | 0   | 0   | 0.5  | 8.9  | 50   | 93   | 99.9 | 100  | 100 |
| 0.9       | 0   | 0   | 0    | 0    | 0.1  | 4.2  | 48   | 98.8 | 100 |

A row of 12 words takes some 35 microseconds, one of 100 words 100, and after a million kept rows 55 more. Where most
rows share most of their text, nearly each pair of them is compared, at a microsecond each: name the columns that
differ.
"""

from __future__ import annotations

import math
import re
import sys
from array import array
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from typing import Any, Literal

from pydantic import Field

from sdspec.contracts import Dedup, DedupIndex, Repeat
from sdspec.dedups.exact import Normalize, normalized
from sdspec.rows import valid_text
from sdspec.store.jsontext import text_of

BAND_ROWS = (32, 16, 8, 4, 2, 1)
"""Numbers in a band. Each is part of the one before, so that a pair found with wide bands is found with narrow ones."""
LEAST_FOUND = 0.85
"""The widest band is taken that still finds this share of the pairs as similar as the threshold."""
FIRST_ROWS = 1 << 17
GROWTH = 7
"""Rows of the first segment. Each further one holds so many times those of all before it: none is ever made anew, and a
row is looked up in few, two for a million rows."""
ID_BYTES = 8


class Near(Dedup):
    """Two rows repeat each other when the shingles of their columns are nearly the same sets.

    Each column has shingles of its own; a text shorter than a shingle is one. Texts that are equal after normalisation
    are always found. A pair that is refused at one threshold is refused at each lower one.
    """

    threshold: float = Field(
        0.8, ge=0.1, le=1, description="Share of common shingles from which rows repeat each other."
    )
    unit: Literal["chars", "words"] = Field(
        "chars", description="What shingles are made of: characters suit short texts and all languages."
    )
    ngram: int = Field(5, ge=1, le=100, description="Characters, or words, in a shingle.")
    num_perm: int = Field(
        128, ge=32, le=1024, multiple_of=32, description="Numbers in a signature: more are more exact, and more memory."
    )
    seed: int = Field(0, ge=0, lt=2**63, description="Of the hash functions.")
    normalize: Normalize = Field(
        "case", description="none: to the letter. space: runs of white space count as one. case: also upper as lower."
    )

    def deciding(self) -> dict[str, Any]:
        """The settings, and the version of the library, whose hashes make the signatures."""
        return {**super().deciding(), "rensa": version("rensa")}

    def index(self) -> DedupIndex:
        """An empty index."""
        return NearIndex(self)


class NearIndex(DedupIndex):
    """Signatures of the kept rows, in segments: a million rows take 0.4 GB at a threshold of 0.8, 0.55 GB at 0.7.

    A signature is kept as 16 bits of each number: two differing ones look equal with chance 1.5 * 10^-5.
    """

    def __init__(self, near: Near) -> None:
        self._near = near
        self._band_rows = band_rows(near.threshold, near.num_perm)
        self._least = math.ceil(round(near.threshold * near.num_perm, 6))  # 0.55 * 800 is 440.00000000000006
        self._lanes = Lanes(near.num_perm)
        self._cut = partial(_chars if near.unit == "chars" else _words, ngram=near.ngram)
        self._segments: list[_Segment] = []
        self._ids = bytearray()

    def seen(self, values: Mapping[str, Any], row: str) -> Repeat | None:
        """The most similar row of those similar enough, the earliest of equals; ids are of `rows.row_id`."""
        sign = self._signature(values)
        width = 2 * self._band_rows
        bands = [sign[start : start + width] for start in range(0, len(sign), width)]
        keys = [hash(band) for band in bands]
        equal, number = self._nearest(sign, bands, keys)
        if equal < self._least:
            self._take_in(sign, keys, row)
            return None
        earlier = self._ids[number * ID_BYTES : (number + 1) * ID_BYTES].hex()
        similarity, columns = equal / self._near.num_perm, ", ".join(self._near.columns)
        detail = f"row {earlier} is {similarity:.2f} similar in {columns} (threshold {self._near.threshold:g})"
        return Repeat(earlier, detail, "near_duplicate")

    def _nearest(self, sign: bytes, bands: list[bytes], keys: list[int]) -> tuple[int, int]:
        """How many numbers are equal in the most similar row, and its number; 0 where none is comparable."""
        best = (0, 0)
        for segment in self._segments:
            for place in sorted(segment.candidates(bands, keys)):
                equal = self._lanes.equal(sign, segment.sign(place))
                if equal > best[0]:
                    best = equal, segment.first + place
        return best

    def _take_in(self, sign: bytes, keys: list[int], row: str) -> None:
        kept = len(self._ids) // ID_BYTES
        if not self._segments or kept == self._segments[-1].first + self._segments[-1].rows:
            self._segments.append(_Segment(kept, GROWTH * kept or FIRST_ROWS, len(keys), len(sign)))
        self._segments[-1].add(sign, keys)
        self._ids += bytes.fromhex(row)

    def _signature(self, values: Mapping[str, Any]) -> bytes:
        """Two bytes for each number, in the same order everywhere."""
        from rensa import RMinHash

        sketch = RMinHash(self._near.num_perm, self._near.seed)
        sketch.update(self._shingles(values))
        numbers = array("I", sketch.digest())
        if sys.byteorder == "big":
            numbers.byteswap()
        return memoryview(numbers).cast("B").cast("H")[::2].tobytes()

    def _shingles(self, values: Mapping[str, Any]) -> list[str]:
        """Of all columns, in any order and maybe several times; those of different columns differ by a mark in front.

        The smallest number is the same of a set as of a list, which takes half the time.
        """
        found: list[str] = []
        for position, name in enumerate(self._near.columns):
            value = normalized(values.get(name), self._near.normalize)
            shingles = self._cut(valid_text(text_of(value)))
            found += [f"{position}\0{shingle}" for shingle in shingles] if position else shingles
        return found


class _Segment:
    """Up to `rows` signatures, and for each band a hash table of as many buckets, chained by row number."""

    def __init__(self, first: int, rows: int, bands: int, sign_bytes: int) -> None:
        self.first = first
        """The number of its first row."""
        self.rows = rows
        self._sign_bytes = sign_bytes
        self._band_bytes = sign_bytes // bands
        self._signs = bytearray()
        self._heads = [memoryview(bytearray(4 * rows)).cast("I") for _ in range(bands)]
        """For each bucket the last row in it plus one, 0 where there is none."""
        self._before = [array("I") for _ in range(bands)]
        """For each row the one before it in its bucket, plus one."""

    def sign(self, place: int) -> bytes:
        """The signature of the row at this place."""
        return bytes(self._signs[place * self._sign_bytes : (place + 1) * self._sign_bytes])

    def candidates(self, bands: list[bytes], keys: list[int]) -> set[int]:
        """Places of the rows that agree in a whole band."""
        found = set()
        start = 0
        for band, key, heads, before in zip(bands, keys, self._heads, self._before, strict=True):
            place = heads[key % self.rows]
            while place:
                if self._signs.startswith(band, (place - 1) * self._sign_bytes + start):
                    found.add(place - 1)
                place = before[place - 1]
            start += self._band_bytes
        return found

    def add(self, sign: bytes, keys: list[int]) -> None:
        """The signature is at the next place."""
        self._signs += sign
        place = len(self._signs) // self._sign_bytes
        for key, heads, before in zip(keys, self._heads, self._before, strict=True):
            before.append(heads[key % self.rows])
            heads[key % self.rows] = place


class Lanes:
    """Counts equal 16-bit numbers of two signatures, all at once in long integers: a microsecond for 128."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._low = int.from_bytes(b"\xff\x7f" * count, "little")

    def equal(self, one: bytes, other: bytes) -> int:
        """How many numbers of the two are equal."""
        differs = int.from_bytes(one, "little") ^ int.from_bytes(other, "little")
        top = ((differs & self._low) + self._low) | differs  # the top bit of each lane is set where the lane is not 0
        return self._count - (top & ~self._low).bit_count()


def band_rows(threshold: float, num_perm: int) -> int:
    """Numbers in a band: few find more similar pairs, and make more rows be compared."""
    for width in BAND_ROWS:
        if 1 - (1 - threshold**width) ** (num_perm // width) >= LEAST_FOUND:
            return width
    return 1


def _chars(text: str, ngram: int) -> list[str]:
    run = re.compile(f".{{{ngram}}}", re.DOTALL)
    return [shingle for start in range(ngram) for shingle in run.findall(text, start)] or [text]


def _words(text: str, ngram: int) -> list[str]:
    words = text.split()
    return [" ".join(words[at : at + ngram]) for at in range(max(1, len(words) - ngram + 1))]
