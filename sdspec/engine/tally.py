"""What a run has done so far, in numbers; the same numbers go to the screen and to run.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import Any

from sdspec.engine import clock
from sdspec.engine.caller import Bought
from sdspec.store.records import CallRecord


@dataclass
class Usage:
    """What was bought took."""

    calls: int = 0
    """Answers received from a provider, re-asks included."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Of the input tokens."""
    cache_write_tokens: int = 0
    """Of the input tokens."""
    reasoning_tokens: int = 0
    """Of the output tokens."""
    cost_usd: float = 0.0
    unpriced_calls: int = 0
    """Answers, and refusals that are charged, whose price is not known."""

    def add(self, record: CallRecord) -> None:
        """One call more, as far as it is billed: a refusal is no answer, and may cost what one costs."""
        self.calls += record.answer is not None
        if (charged := record.charged) is None:
            return
        self.input_tokens += charged.input_tokens
        self.output_tokens += charged.output_tokens
        self.cached_tokens += charged.cached_tokens
        self.cache_write_tokens += charged.cache_write_tokens
        self.reasoning_tokens += charged.reasoning_tokens
        if record.cost_usd is None:
            self.unpriced_calls += 1
        else:
            self.cost_usd += record.cost_usd

    def __add__(self, other: Usage) -> Usage:
        return Usage(**{one.name: getattr(self, one.name) + getattr(other, one.name) for one in fields(self)})

    def to_json(self) -> dict[str, Any]:
        """The numbers by their names."""
        return asdict(self) | {"cost_usd": round(self.cost_usd, 9)}


_AFTER_S = 2e-6
"""Added to a time that is written in whole microseconds, so that it is after that time."""
TOKENS = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")


@dataclass
class Tally:
    """Counts of one run. attempted = kept + rejected; surplus rows were finished behind the cut.

    What was bought counts on where a run is resumed. It is written down now and then; a run that was killed has bought
    more than that, and finds it in the journal: answers younger than `written_at` are its own.
    """

    wanted: int
    attempted: int = 0
    kept: int = 0
    surplus: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    from_journal: int = 0
    failed: int = 0
    """Calls that ended without an answer."""
    retried: int = 0
    """Tries beyond the first."""
    repaired: int = 0
    """Rows whose answer's JSON had to be repaired."""
    reasked: int = 0
    """Answers asked for again; once where several rows are made from one."""
    bill: Usage = field(default_factory=Usage)
    """All that was bought."""
    steps: dict[str, Usage] = field(default_factory=dict)
    """The same by step."""
    latency_s: float = 0.0
    """Sum over the answers made."""
    earlier_s: float = 0.0
    """How long the sessions before this one took."""
    written_at: float | None = None
    """Unix time from which answers in the journal were bought by this run, and not counted; None where all are."""
    _counted_to: float = field(default_factory=clock.now)
    """When the last answer bought and counted came. Answers are counted in the order in which they come, each once it
    is in the journal: those that came later may be there already, and are not counted."""
    _found: set[bytes] = field(default_factory=set)
    _before: Mapping[str, Any] = field(default_factory=dict)
    """`spent` as the run that was killed has left it."""

    @property
    def made(self) -> int:
        """Answers bought."""
        return self.bill.calls

    @property
    def tokens(self) -> int:
        """Input and output tokens of those."""
        return self.bill.input_tokens + self.bill.output_tokens

    @property
    def cost_usd(self) -> float:
        """What they cost."""
        return self.bill.cost_usd

    def called(self, bought: Bought, step: str, key: bytes) -> None:
        """Counts one call."""
        record = bought.record
        if bought.from_journal:
            self.from_journal += 1
            if self.written_at is None or record.created_at < self.written_at or key in self._found:
                return
            self._found.add(key)
        else:
            self.retried += max(0, bought.tries - 1)
            self.failed += record.answer is None
            self._counted_to = max(self._counted_to, record.created_at)
        self.latency_s += record.latency_s
        if record.charged is not None:
            self.bill.add(record)
            if step not in self.steps:
                self.steps[step] = Usage()
            self.steps[step].add(record)

    @classmethod
    def carried(cls, wanted: int, record: Mapping[str, Any]) -> Tally:
        """A tally that counts on from the run.json of a run that is resumed: what it bought stays bought."""
        spent = record.get("spent")
        if spent is None:
            return cls(wanted)
        tally = cls(wanted, failed=spent["failed"], retried=spent["retried"], latency_s=spent["latency_s"])
        tally.earlier_s = spent["wall_s"]
        if not spent["whole"]:
            tally.written_at, tally._before = datetime.fromisoformat(spent["at"]).timestamp(), spent
        for step, usage in spent["steps"].items():
            tally.steps[step] = Usage(**usage)
            tally.bill += tally.steps[step]
        return tally

    def spent(self, wall_s: float, *, whole: bool) -> dict[str, Any]:
        """`spent` of run.json, from which a resume counts on; not `whole` while calls may still end uncounted.

        Until all that a killed run had bought has been found in the journal, what it had written down stands: whoever
        counts on from there finds the rest again, and what has been bought since.
        """
        if self._before and not whole:
            return {**self._before, "wall_s": round(wall_s, 3)}
        at = datetime.fromtimestamp(self._counted_to + _AFTER_S).astimezone()
        return {
            "calls": self.made,
            "tokens": self.tokens,
            "usd": round(self.cost_usd, 9),
            "wall_s": round(wall_s, 3),
            "failed": self.failed,
            "retried": self.retried,
            "latency_s": round(self.latency_s, 3),
            "steps": {step: usage.to_json() for step, usage in self.steps.items()},
            "at": at.isoformat(),
            "whole": whole,
        }

    def counts(self) -> dict[str, Any]:
        """`counts` of run.json."""
        return {
            "wanted": self.wanted,
            "attempted": self.attempted,
            "kept": self.kept,
            "surplus": self.surplus,
            "rejected": dict(self.rejected.most_common()),
            "repaired": self.repaired,
            "reasked": self.reasked,
            "calls": {
                "made": self.made,
                "from_journal": self.from_journal,
                "failed": self.failed,
                "retried": self.retried,
            },
        }

    def usage(self) -> dict[str, Any]:
        """Tokens, cost and summed latency of what was bought, for run.json; the journal's answers cost nothing."""
        tokens = {name.removesuffix("_tokens"): getattr(self.bill, name) for name in TOKENS}
        return {
            "tokens": tokens,
            "cost_usd": round(self.bill.cost_usd, 9),
            "unpriced_calls": self.bill.unpriced_calls,
            "latency_s": round(self.latency_s, 3),
        }
