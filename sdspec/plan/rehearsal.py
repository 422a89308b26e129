"""A run rehearsed out of the journal: which calls its rows would find there, and which they would have to buy.

Rows are walked in the order in which a run attempts them, with the answers and verdicts that are held. One that these
reject, or that repeats an earlier one, makes way for the next row of its seed, as in a run. A row whose next answer
must be bought counts as kept; what it asks later is supposed from an example of the template, and also to be bought.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from sdspec.blocks.generate import Generate
from sdspec.blocks.vary import Vary
from sdspec.calls import Answer, Ask
from sdspec.contracts import Check, Dedup, StepContext, Verdict
from sdspec.errors import RowFatal
from sdspec.plan.plan import Plan, Step
from sdspec.plan.verdicts import verdict_key
from sdspec.prompts import TextError
from sdspec.rows import Reject, Row
from sdspec.store.records import CallRecord

SUPPOSED_TEXT = "x" * 200
"""Stands for a column of an answer that is not bought yet, where there is no example of one."""


class Held(Protocol):
    """What has been bought and judged before."""

    def look_many(self, keys: Sequence[bytes]) -> Mapping[bytes, CallRecord]:
        """Those of these calls that are held."""

    def look_verdict(self, key: bytes) -> Verdict | None:
        """The verdict that is held under a key."""


class NothingHeld(Held):
    """A journal that nobody has written yet."""

    def look_many(self, keys: Sequence[bytes]) -> Mapping[bytes, CallRecord]:
        return {}

    def look_verdict(self, key: bytes) -> Verdict | None:
        return None


@dataclass
class Asked:
    """What one step would ask."""

    new: dict[bytes, Ask] = field(default_factory=dict)
    """To be bought."""
    supposed: list[Ask] = field(default_factory=list)
    """To be bought too, in other words, which hang on an answer that must be bought first."""
    unknown: int = 0
    """To be bought too, and nobody can say in which words at all."""
    held: dict[bytes, Ask] = field(default_factory=dict)
    """In the journal."""

    @property
    def count(self) -> int:
        """Calls in all."""
        return len(self.new) + len(self.supposed) + self.unknown + len(self.held)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What the rows that were walked would ask."""

    steps: Mapping[str, Asked]
    """By name, each step that asks a model."""
    whole: bool
    """Every row was walked that the run needs; else so many that the others are taken to be like them."""


def rehearse(plan: Plan, held: Held, most: int) -> Rehearsal:
    """The plan's rows, walked with what is held; at most so many."""
    walked = _Walked(plan, held)
    wanted = [item.quota for item in plan.items]
    left = plan.max_attempts
    occurrence = 0
    while any(wanted) and left and most:
        turn = [at for at, quota in enumerate(wanted) if quota][: min(left, most)]
        rows = [Row.start(at, occurrence, plan.items[at].values, plan.per_call) for at in turn]
        for row, kept in zip(rows, walked.round(rows), strict=True):
            wanted[row.item] -= kept
        left, most = left - len(turn), most - len(turn)
        occurrence += 1
    return Rehearsal(walked.asked, whole=not any(wanted) or not left)


class _NotHeld(Exception):
    """An answer that must be bought first."""


class _Walked(StepContext):
    """Rows on their way, one after the other; the context of the step that each is in."""

    def __init__(self, plan: Plan, held: Held) -> None:
        self.name = ""
        self.spec_seed = plan.seed
        self._held = held
        self._steps = [step for step in plan.steps if step.order == "row"]
        self._first = next((step for step in self._steps if isinstance(step.part, Generate)), None)
        self._dedups = [(step.part, step.part.index()) for step in plan.steps if isinstance(step.part, Dedup)]
        self._records: dict[bytes, CallRecord] = {}
        self.asked = {step.name: Asked() for step in self._steps if isinstance(step.part, Generate)}

    def round(self, rows: Sequence[Row]) -> Iterator[bool]:
        """Of each row whether it is kept; the journal is asked once for the first call of all."""
        firsts = [self._first_ask(row) for row in rows]
        self._records = dict(self._held.look_many([ask.key for ask in firsts if ask is not None]))
        for row in rows:
            yield self._is_kept(row)

    def _first_ask(self, row: Row) -> Ask | None:
        """What the row asks first; it is varied then."""
        for step in self._steps:
            if isinstance(step.part, Vary):
                step.part.vary(row, step.name, self.spec_seed)
            elif step is self._first and isinstance(step.part, Generate):
                return _asked(step, step.part, row, self.spec_seed)
        return None

    def _is_kept(self, row: Row) -> bool:
        for at, step in enumerate(self._steps):
            self.name = step.name
            try:
                if self._rejects(row, step):
                    return False
            except _NotHeld:
                self._suppose(row, self._steps[at:])
                return True
        return not any(
            index.seen({column: row.values[column] for column in dedup.columns}, row.id)
            for dedup, index in self._dedups
        )

    def _rejects(self, row: Row, step: Step) -> bool:
        """True when the step ends the row; raises _NotHeld."""
        part = step.part
        if isinstance(part, Vary):
            return False
        if isinstance(part, Check):
            return not self._verdict(part, row.values[part.column]).ok
        assert isinstance(part, Generate)
        walk = part.apply(row, self)
        try:
            walk.send(None)  # nothing in it waits: what is not held is raised
        except StopIteration as done:
            return isinstance(done.value, Reject)
        except (RowFatal, TextError):
            return True
        raise AssertionError(f"step {step.name} waits for more than answers")

    def _verdict(self, check: Check, value: Any) -> Verdict:
        """The verdict, taken to be a good one where only a process of its own could reach it."""
        if check.in_process:
            return check.examine(value)
        return self._held.look_verdict(verdict_key(check, value)) or Verdict(ok=True)

    def _suppose(self, row: Row, steps: Sequence[Step]) -> None:
        """The calls of the steps behind the one whose answer must be bought."""
        for at, step in enumerate(steps):
            part = step.part
            if not isinstance(part, Generate):
                continue
            asked = self.asked[step.name]
            if at and row.slot % part.per_call == 0:  # where at is 0, it was asked for, and noted then
                ask = _asked(step, part, row, self.spec_seed)
                if ask is None:
                    asked.unknown += 1
                else:
                    asked.supposed.append(ask)
            row.values.update(_supposed(part))

    # ------------------------------------------------------------------------------------------- as a step's context

    async def ask(self, row: Row, ask: Ask, purpose: str) -> Answer:
        asked = self.asked[self.name]
        record = self._records.get(ask.key) or self._held.look_many([ask.key]).get(ask.key)
        if record is None:
            asked.new.setdefault(ask.key, ask)
            raise _NotHeld
        asked.held.setdefault(ask.key, ask)
        if record.error is not None:
            raise RowFatal(record.error.code, record.error.message)
        assert record.answer is not None
        return record.answer

    async def verdict(self, row: Row, check: Check, value: Any) -> Verdict:
        return self._verdict(check, value)


def _asked(step: Step, part: Generate, row: Row, spec_seed: int) -> Ask | None:
    """What the row asks in a step; None where its prompt cannot be rendered."""
    try:
        return part.first_ask(row, step.name, spec_seed)
    except TextError:
        return None


def _supposed(part: Generate) -> Mapping[str, Any]:
    """Columns as an answer may hold them."""
    example = next((one for one in part.examples if isinstance(one, Mapping)), {})
    return {**dict.fromkeys(part.columns, SUPPOSED_TEXT), **example}
