"""What the journal holds of one call: the answer or the row-fatal error, and what it took."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import orjson

from sdspec.calls import Answer
from sdspec.contracts import Verdict
from sdspec.store.jsontext import json_bytes


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that never gets an answer: the fields of a RowFatal."""

    code: str
    message: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class CallRecord:
    """One call as it came back; exactly one of `answer` and `error` is there."""

    model: str
    """The id sent to the provider."""
    created_at: float
    """Unix seconds."""
    latency_s: float
    answer: Answer | None = None
    error: Refusal | None = None
    cost_usd: float | None = None
    """What it cost at the prices of then; None where the price is not known."""

    def __post_init__(self) -> None:
        if (self.answer is None) == (self.error is None):
            raise ValueError("a CallRecord holds an answer or an error, and not both")


@dataclass(frozen=True, slots=True)
class JournalStats:
    """What a journal holds in all."""

    answers: int
    errors: int
    verdicts: int
    models: dict[str, int]
    """Calls per model id."""
    first_at: float | None
    last_at: float | None
    """Unix seconds of the oldest and the newest call."""
    size_bytes: int
    """The file, its write-ahead log not counted."""


def dumped(value: CallRecord | Verdict) -> bytes:
    """JSON of a record or a verdict; code points that are no characters become U+FFFD."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json_bytes(asdict(value))


def record_of(data: dict[str, Any]) -> CallRecord:
    """The record that `dumped` wrote."""
    answer, error = data["answer"], data["error"]
    return CallRecord(
        **{
            **data,
            "answer": None if answer is None else Answer(**answer),
            "error": None if error is None else Refusal(**error),
        }
    )


def verdict_of(data: dict[str, Any]) -> Verdict:
    """The verdict that `dumped` wrote."""
    return Verdict(**data)
