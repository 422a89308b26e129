"""One row on its way through the row-wise steps, as one coroutine without barriers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from sdspec.calls import Answer, Ask
from sdspec.contracts import Block, Check, Verdict
from sdspec.engine.budget import Budget
from sdspec.engine.caller import Bought, Caller, SharedFailure, Turn
from sdspec.engine.schedule import Position
from sdspec.engine.steps import Outcome, WalkedContext, verdict_key
from sdspec.engine.workers import CRASHED
from sdspec.errors import CallError, RowFatal, Transient
from sdspec.rows import Row
from sdspec.store.journal import Journal


@dataclass(slots=True)
class Walk:
    """A started row that is not committed yet."""

    position: Position
    outcome: Outcome | None = None
    """None while it walks, and again when it was let go of because too many wait for an earlier row."""
    finished: bool = False
    bought: int = 0
    again: bool = False
    """It walks a second time, out of the journal, to be committed."""


class CallLine(NamedTuple):
    """One line of calls.parquet."""

    row: str
    step: str
    purpose: str
    ask: Ask
    bought: Bought | None
    """None for a call that failed to the end."""
    error: CallError | None = None


class Examine(Protocol):
    """Runs a check where it may run."""

    async def __call__(self, check: Check, value: Any) -> Verdict: ...


@dataclass(frozen=True)
class Services:
    """What walks share."""

    callers: dict[str, Caller]
    journal: Journal
    examine: Examine
    called: Callable[[CallLine], None]
    spec_seed: int
    budget: Budget


class WalkContext(WalkedContext):
    """What the steps of one walk may do."""

    def __init__(self, walk: Walk, services: Services, turn: Turn) -> None:
        super().__init__(services.spec_seed)
        self._walk = walk
        self._services = services
        self._turn = turn

    async def ask(self, row: Row, ask: Ask, purpose: str) -> Answer:
        assert self.step is not None
        assert isinstance(self.step.part, Block)
        name, called = self.name, self._services.called
        caller = self._services.callers[self.step.part.asks() or ""]
        row.notes.setdefault("calls", []).append(ask.key.hex())

        def paid(bought: Bought) -> None:
            self._walk.bought += 1
            called(CallLine(row.id, name, purpose, ask, bought))

        try:
            bought = await caller.ask(ask, self._turn.at(name), paid)
        except SharedFailure:
            raise
        except Transient as failure:
            called(CallLine(row.id, name, purpose, ask, None, failure))
            raise
        if bought.from_journal and not bought.shared and row.slot == 0 and not self._walk.again:
            called(CallLine(row.id, name, purpose, ask, bought))  # of an answer's rows the first one counts it
        if (refusal := bought.record.error) is not None:
            raise RowFatal(refusal.code, refusal.message, status=refusal.status)
        assert bought.record.answer is not None
        return bought.record.answer

    async def verdict(self, row: Row, check: Check, value: Any) -> Verdict:
        if check.in_process:
            return check.examine(value)
        key = verdict_key(check, value)
        if (known := await self._services.journal.get_verdict(key)) is not None:
            return known
        verdict = await self._services.examine(check, value)
        if verdict.reason == CRASHED:
            return verdict
        return await self._services.journal.put_verdict(key, verdict)
