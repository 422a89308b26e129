"""A run rehearsed out of the journal: which calls its rows would find there, and which they would have to buy.

Rows go through the steps of a run, in its order, with the answers and verdicts that are held. One that these reject, or
that repeats an earlier one, makes way for the next row of its seed, as in a run. A row whose next answer must be bought
counts as kept; what it asks later is supposed from an example of the template, and also to be bought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from sdspec.blocks.generate import Generate
from sdspec.calls import Answer, Ask
from sdspec.contracts import Check, Dedup, Verdict
from sdspec.engine.schedule import Schedule
from sdspec.engine.steps import WalkedContext, verdict_key, walk_steps
from sdspec.errors import RowFatal
from sdspec.plan.plan import Plan, Step
from sdspec.plan.rehearsed import Asked, Rehearsed
from sdspec.prompts import TextError
from sdspec.rows import Row
from sdspec.store.journal import Journal
from sdspec.store.records import CallRecord

REHEARSED = 2000
"""Rows that are looked at; the rest is taken to be like them."""
SUPPOSED_TEXT = "x" * 200
"""Stands for a column of an answer that is not bought yet, where there is no example of one."""


class Held(Protocol):
    """What has been bought and judged before."""

    def look(self, key: bytes) -> CallRecord | None:
        """The call that is held under a key."""

    def look_verdict(self, key: bytes) -> Verdict | None:
        """The verdict that is held under a key."""


class NothingHeld(Held):
    """A journal that nobody has written yet."""

    def look(self, key: bytes) -> CallRecord | None:
        return None

    def look_verdict(self, key: bytes) -> Verdict | None:
        return None


def rehearsed_with(journal: Path, plan: Plan) -> Rehearsed:
    """As `rehearse`, with what a journal holds, which need not be there yet."""
    if not journal.exists():
        return rehearse(plan, NothingHeld())
    with Journal.open(journal) as held:
        return rehearse(plan, held)


def rehearse(plan: Plan, held: Held) -> Rehearsed:
    """The plan's first rows, walked with what is held."""
    schedule = Schedule([item.quota for item in plan.items], plan.max_attempts)
    stage = _Stage(plan, held)
    for _ in range(REHEARSED):
        position = None if schedule.over else schedule.start(room=False)
        if position is None:
            break
        occurrence, item = position
        kept = stage.keeps(Row.start(item, occurrence, plan.items[item].values, plan.per_call))
        schedule.finished(position, accepted=kept)
        schedule.committed(position, kept)
    return Rehearsed(stage.asked, whole=schedule.over)


class _NotHeld(Exception):
    """An answer that must be bought first."""


class _Stage(WalkedContext):
    """What the steps of rehearsed rows may do: look into the journal."""

    def __init__(self, plan: Plan, held: Held) -> None:
        super().__init__(plan.seed)
        self._held = held
        self._steps = [step for step in plan.steps if step.order == "row"]
        self._dedups = [(step.part, step.part.index()) for step in plan.steps if isinstance(step.part, Dedup)]
        self.asked = {step.name: Asked() for step in self._steps if isinstance(step.part, Generate)}

    def keeps(self, row: Row) -> bool:
        """True where the row ends as a kept one, as far as can be said."""
        walk = walk_steps(row, self._steps, self)
        try:
            walk.send(None)
        except StopIteration as done:
            _, reject = done.value
        except _NotHeld:
            assert self.step is not None
            self._suppose(row, self._steps[self._steps.index(self.step) + 1 :])
            return True
        else:
            raise AssertionError(f"step {self.name} waits for more than answers")
        return reject is None and not any(
            index.seen({column: row.values[column] for column in dedup.columns}, row.id)
            for dedup, index in self._dedups
        )

    async def ask(self, row: Row, ask: Ask, purpose: str) -> Answer:
        asked, record = self.asked[self.name], self._held.look(ask.key)
        if record is None:
            asked.new.setdefault(ask.key, ask)
            raise _NotHeld
        asked.held.setdefault(ask.key, ask)
        if record.error is not None:
            raise RowFatal(record.error.code, record.error.message)
        assert record.answer is not None
        return record.answer

    async def verdict(self, row: Row, check: Check, value: Any) -> Verdict:
        """The verdict, taken to be a good one where only a process of its own could reach it."""
        if check.in_process:
            return check.examine(value)
        return self._held.look_verdict(verdict_key(check, value)) or Verdict(ok=True)

    def _suppose(self, row: Row, later: Sequence[Step]) -> None:
        """The calls of the steps behind the one whose answer must be bought."""
        assert self.step is not None
        assert isinstance(self.step.part, Generate)
        row.values.update(_supposed(self.step.part))
        for step in later:
            if isinstance(step.part, Generate):
                if row.slot % step.part.per_call == 0:
                    self._count(row, step.name, step.part)
                row.values.update(_supposed(step.part))

    def _count(self, row: Row, step: str, part: Generate) -> None:
        """One supposed call more, in words that a template may not be able to say."""
        try:
            self.asked[step].supposed.append(part.first_ask(row, step, self.spec_seed))
        except TextError:
            self.asked[step].unknown += 1


def _supposed(part: Generate) -> Mapping[str, Any]:
    """Columns as an answer may hold them."""
    example = next((one for one in part.examples if isinstance(one, Mapping)), {})
    return {**dict.fromkeys(part.columns, SUPPOSED_TEXT), **example}
