"""What a run has done so far, in numbers; the same numbers go to the screen and to run.json."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sdspec.engine.caller import Bought


@dataclass
class Tally:
    """Counts of one run. attempted = kept + rejected; surplus rows were finished behind the cut."""

    wanted: int
    attempted: int = 0
    kept: int = 0
    surplus: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    made: int = 0
    """Answers received from a provider, re-asks included."""
    from_journal: int = 0
    failed: int = 0
    """Calls that ended without an answer."""
    retried: int = 0
    """Tries beyond the first."""
    repaired: int = 0
    """Rows whose answer's JSON had to be repaired."""
    reasked: int = 0
    """Answers asked for again; once where several rows are made from one."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float = 0.0
    unpriced: int = 0
    """Answers whose price is not known."""
    latency_s: float = 0.0
    """Sum over the answers made."""

    def called(self, bought: Bought) -> None:
        """Counts one call."""
        record = bought.record
        if bought.from_journal:
            self.from_journal += 1
            return
        self.retried += max(0, bought.tries - 1)
        self.latency_s += record.latency_s
        if record.answer is None:
            self.failed += 1
            return
        self.made += 1
        self.input_tokens += record.answer.input_tokens
        self.output_tokens += record.answer.output_tokens
        self.cached_tokens += record.answer.cached_tokens
        if record.cost_usd is None:
            self.unpriced += 1
        else:
            self.cost_usd += record.cost_usd

    @classmethod
    def carried(cls, wanted: int, record: Mapping[str, Any]) -> Tally:
        """A tally that counts on from the run.json of a run that is resumed: what it bought stays bought."""
        calls, tokens = record.get("counts", {}).get("calls", {}), record.get("tokens", {})
        return cls(
            wanted,
            made=calls.get("made", 0),
            failed=calls.get("failed", 0),
            retried=calls.get("retried", 0),
            input_tokens=tokens.get("input", 0),
            output_tokens=tokens.get("output", 0),
            cached_tokens=tokens.get("cached", 0),
            cost_usd=record.get("cost_usd", 0.0),
            unpriced=record.get("unpriced_calls", 0),
            latency_s=record.get("latency_s", 0.0),
        )

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
        tokens = {"input": self.input_tokens, "output": self.output_tokens, "cached": self.cached_tokens}
        return {
            "tokens": tokens,
            "cost_usd": round(self.cost_usd, 6),
            "unpriced_calls": self.unpriced,
            "latency_s": round(self.latency_s, 3),
        }
