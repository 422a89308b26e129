"""What the journal holds of one call: the answer or the row-fatal error, and what it took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
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
    tokens: Mapping[str, int] = field(default_factory=dict)
    """What it was charged for all the same, where the provider says so; named as in an Answer."""


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

    @property
    def charged(self) -> Answer | None:
        """What the call is billed for: the answer, or the tokens of a refusal; None where nothing is known of them."""
        if self.answer is None and self.error is not None and any(self.error.tokens.values()):
            tokens: dict[str, Any] = dict(self.error.tokens)
            return Answer("", **tokens)
        return self.answer


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
    """JSON of a record or a verdict, without what is as by default; what is no character becomes U+FFFD."""
    told = _told(value)
    try:
        return orjson.dumps(told)
    except TypeError:
        return json_bytes(told)


def record_of(data: dict[str, Any]) -> CallRecord:
    """The record that `dumped` wrote."""
    answer, error = data.get("answer"), data.get("error")
    return CallRecord(
        data["model"],
        data["created_at"],
        data["latency_s"],
        None if answer is None else Answer(**answer),
        None if error is None else Refusal(**error),
        data.get("cost_usd"),
    )


def _told(value: CallRecord | Verdict | Answer | Refusal) -> dict[str, Any]:
    """The fields that are not as by default: a journal has millions of records, and most count no cached tokens."""
    told = {}
    for name, default in _FIELDS[type(value)]:
        said = getattr(value, name)
        if said != default:
            told[name] = _told(said) if isinstance(said, Answer | Refusal) else said
    return told


_FIELDS = {
    kind: [(one.name, one.default if one.default_factory is MISSING else one.default_factory()) for one in fields(kind)]
    for kind in (CallRecord, Verdict, Answer, Refusal)
}


def verdict_of(data: dict[str, Any]) -> Verdict:
    """The verdict that `dumped` wrote."""
    return Verdict(**data)
