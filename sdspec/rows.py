"""Rows and what becomes of them; identity and random draws come from content, never from position."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson


def canonical(value: Any) -> bytes:
    """The one JSON rendering of a value: sorted keys, no spaces."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def valid_text(text: str) -> str:
    """The text with each code point that is no character (a lone surrogate) as U+FFFD, so that UTF-8 can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def digest(*parts: Any, size: int = 8) -> str:
    """`2 * size` hex digits from the canonical rendering of the parts."""
    return hashlib.blake2b(canonical(parts), digest_size=size).hexdigest()


def row_id(item: Any, occurrence: int) -> str:
    """16 hex digits: the k-th row of a source item with this content."""
    return digest("row", item, occurrence)


def draw(row: str, step: str, purpose: str, spec_seed: int) -> str:
    """16 hex digits: which draw of a distribution this is; equal wherever and whenever it is asked for."""
    return digest("draw", row, step, purpose, spec_seed)


@dataclass(slots=True)
class Row:
    """One row on its way; steps add columns to `values`."""

    id: str
    item: int
    """Position of the source item among the plan's items (a seed, a document chunk, an input row)."""
    occurrence: int
    """This is the k-th row of its item, from 0."""
    values: dict[str, Any]
    notes: dict[str, Any] = field(default_factory=dict)
    """Evidence that steps leave: verdicts, repairs, examples drawn; kept as `_lineage`."""
    call: str = ""
    """Identity that draws before the answer derive from: `id`, or that of the first row made from the same answer."""
    slot: int = 0
    """Which row of the answer this is, from 0."""

    def __post_init__(self) -> None:
        self.call = self.call or self.id

    @classmethod
    def start(cls, position: int, occurrence: int, values: Mapping[str, Any], per_call: int) -> Row:
        """The row as its source item starts it; `per_call` rows in a row are made from one answer."""
        slot = occurrence % per_call
        own = row_id(values, occurrence)
        call = own if slot == 0 else row_id(values, occurrence - slot)
        return cls(own, position, occurrence, dict(values), call=call, slot=slot)


@dataclass(frozen=True, slots=True)
class Reject:
    """Why a row ended, at which step, with the model's own text where there was one."""

    step: str
    reason: str
    """A stable word that is counted: `unparseable`, `sql_error`, `duplicate`, `content_filter` ..."""
    detail: str
    """A sentence for people: the parser's or the engine's own message."""
    raw: str | None = None
    durable: bool = True
    """False when the next run tries again (a transient failure that outlived its tries)."""
