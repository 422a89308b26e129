"""How much a run may buy: every call is counted before it is sent, and what it did not take is given back.

A call holds its share of the budget from before it waits for a slot until its answer is counted. What it will cost is
not known by then. It is taken to cost as much as the dearest call of its step so far; and while few have been seen, as
much as its prompt's bytes and max_tokens can cost. A call that does not fit waits for those in flight, which may turn
out cheaper. When it does not fit and nothing is in flight, the budget is reached, for good.

So the bill is never above the budget by more than what was in flight when it was reached. Answers out of the journal
cost nothing, ask for nothing here, and teach what calls cost.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from sdspec.calls import Answer, Ask
from sdspec.engine.controller import Closed
from sdspec.prices import Price, dollars
from sdspec.spec.models import BudgetSpec

FEW_SEEN = 8
"""Before so many answers of a step, a call is taken to cost what it can cost at most."""
MOST_TOKENS_PER_BYTE = 0.6
"""Of a prompt: dense code and digits have 0.4, scripts that a tokenizer has not learned more (estimate.py)."""
FRAMING_TOKENS = 600
"""What a chat template and a forced tool add to a prompt at most; Claude's tools add about 500."""
UNLIMITED_TOKENS = 4096
"""Taken for the longest answer where max_tokens is not set."""


_UNLIMITED: AbstractAsyncContextManager[None] = nullcontext()
"""The share of a call where there is no budget."""


class Spent(Protocol):
    """What a run has bought so far, its earlier sessions included."""

    @property
    def made(self) -> int:
        """Answers bought."""

    @property
    def tokens(self) -> int:
        """Input and output tokens of those."""

    @property
    def cost_usd(self) -> float:
        """What they cost."""

    @property
    def earlier_s(self) -> float:
        """How long the sessions before this one took."""


@dataclass(frozen=True, slots=True)
class Need:
    """What calls take, or may take."""

    calls: int = 0
    tokens: float = 0.0
    usd: float = 0.0

    def __add__(self, other: Need) -> Need:
        return Need(self.calls + other.calls, self.tokens + other.tokens, self.usd + other.usd)

    def __sub__(self, other: Need) -> Need:
        return Need(self.calls - other.calls, self.tokens - other.tokens, self.usd - other.usd)


@dataclass(frozen=True, slots=True)
class Needs:
    """What one call is reserved, and what it takes if it is like those before."""

    careful: Need
    likely: Need


@dataclass(slots=True)
class _Waiting:
    """A call that asks for its share."""

    needs: Callable[[], Needs]
    wanted: Callable[[], bool]
    granted: asyncio.Future[Need]


class Budget:
    """What one run may still buy. One event loop's own."""

    def __init__(self, limits: BudgetSpec, spent: Spent, clock: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._spent = spent
        self._clock = clock
        self._began = clock()
        self._reserved = Need()
        self._waiting: list[tuple[tuple[int, int], int, _Waiting]] = []
        self._tickets = 0
        self._is_limited = any(most is not None for most in (limits.usd, limits.calls, limits.tokens, limits.wall))
        self.reached = ""
        """What is used up, for people; empty while there is some left."""

    @property
    def counts_tokens(self) -> bool:
        """True where it matters how long calls are."""
        return self._limits.usd is not None or self._limits.tokens is not None

    @property
    def session_s(self) -> float:
        """Seconds since this session of the run began."""
        return self._clock() - self._began

    @property
    def wall_s(self) -> float:
        """Seconds that the run has taken, its earlier sessions included."""
        return self._spent.earlier_s + self.session_s

    def share(
        self, needs: Callable[[], Needs], priority: tuple[int, int], wanted: Callable[[], bool]
    ) -> AbstractAsyncContextManager[None]:
        """A call's share, held while it may be sent; earlier rows get theirs first. Raises Closed where none is left.

        What was bought is counted by the time that the share is given back, so that nothing is missing in between.
        """
        return self._share(needs, priority, wanted) if self._is_limited else _UNLIMITED

    @asynccontextmanager
    async def _share(
        self, needs: Callable[[], Needs], priority: tuple[int, int], wanted: Callable[[], bool]
    ) -> AsyncIterator[None]:
        waiting = _Waiting(needs, wanted, asyncio.get_running_loop().create_future())
        self._tickets += 1
        heapq.heappush(self._waiting, (priority, self._tickets, waiting))
        self._grant()
        try:
            held = await waiting.granted
        except asyncio.CancelledError:
            if waiting.granted.done() and not waiting.granted.cancelled() and waiting.granted.exception() is None:
                self._give_back(waiting.granted.result())
            raise
        try:
            yield
        finally:
            self._give_back(held)

    def look(self) -> None:
        """What is used up is known: by the time that has passed, or by answers that cost more than was reserved."""
        limits, spent = self._limits, self._spent
        if self.reached:
            return
        if limits.wall is not None and self.wall_s >= limits.wall:
            self._reach(f"budget.wall: the {words_of_time(limits.wall)} are over")
        elif _is_up(spent.cost_usd, limits.usd) or _is_up(spent.tokens, limits.tokens):
            self._reach(self._lacking(Need()))

    def _give_back(self, held: Need) -> None:
        self._reserved = self._reserved - held if self._reserved.calls > held.calls else Need()  # no dust of floats
        self._grant()

    def _grant(self) -> None:
        """Shares for as many as fit, in the order of rows."""
        self.look()
        while self._waiting:
            one = self._waiting[0][2]
            if one.granted.done() or self.reached or not one.wanted():
                heapq.heappop(self._waiting)
                if not one.granted.done():
                    one.granted.set_exception(Closed())
                continue
            needs, alone = one.needs(), self._reserved.calls == 0
            lacking = self._lacking(needs.careful)
            if lacking and alone:
                lacking = self._lacking(needs.likely)
            if lacking and alone:
                self._reach(lacking)
                continue
            if lacking:
                return
            heapq.heappop(self._waiting)
            self._reserved += needs.careful
            one.granted.set_result(needs.careful)

    def _lacking(self, need: Need) -> str:
        """Why a call does not fit, for people; empty where it does."""
        limits, spent, after = self._limits, self._spent, self._reserved + need
        if limits.calls is not None and spent.made + after.calls > limits.calls:
            return f"budget.calls: {spent.made:,} of {limits.calls:,} calls are made"
        if limits.tokens is not None and _over(spent.tokens, after.tokens, limits.tokens):
            left = f"; the next call may take {need.tokens:,.0f}" if spent.tokens < limits.tokens else ""
            return f"budget.tokens: {spent.tokens:,} of {limits.tokens:,} tokens are used{left}"
        if limits.usd is not None and _over(spent.cost_usd, after.usd, limits.usd):
            left = f"; the next call may cost {dollars(need.usd)}" if spent.cost_usd < limits.usd else ""
            return f"budget.usd: {dollars(spent.cost_usd)} of {dollars(limits.usd)} are spent{left}"
        return ""

    def _reach(self, why: str) -> None:
        self.reached = why
        self._grant()


def _is_up(spent: float, limit: float | None) -> bool:
    return limit is not None and spent >= limit


def _over(spent: float, more: float, limit: float) -> bool:
    return spent >= limit or spent + more > limit


class Purse:
    """What one model's calls cost, as they are counted and as they are expected to."""

    def __init__(self, budget: Budget, price: Price | None, *, free: bool) -> None:
        self._budget = budget
        self._price = price
        self._free = free
        self._seen: dict[str, _Seen] = {}

    @property
    def is_shut(self) -> bool:
        """True once the budget is reached: what has not been sent is not sent any more."""
        self._budget.look()
        return bool(self._budget.reached)

    def usd(self, answer: Answer) -> float | None:
        """What an answer cost; None where the price is not known."""
        if self._price is not None:
            return self._price.usd(answer)
        return 0.0 if self._free else None

    def teach(self, step: str, ask: Ask, answer: Answer) -> None:
        """What calls of this step take is known better, whoever bought the answer."""
        if self._budget.counts_tokens:
            self._seen.setdefault(step, _Seen()).add(ask.prompt_bytes, answer)

    def share(
        self, step: str, ask: Ask, priority: tuple[int, int], wanted: Callable[[], bool]
    ) -> AbstractAsyncContextManager[None]:
        """As `Budget.share`, for an ask of a step."""
        return self._budget.share(lambda: self._needs(step, ask), priority, wanted)

    def _needs(self, step: str, ask: Ask) -> Needs:
        if not self._budget.counts_tokens:
            return Needs(Need(1), Need(1))
        size = ask.prompt_bytes
        seen = self._seen.get(step) or _Seen()
        likely = self._need(seen.tokens_per_byte * size, seen.output_tokens)
        if seen.answers >= FEW_SEEN:
            return Needs(likely, likely)
        most = ask.model.max_tokens or UNLIMITED_TOKENS
        return Needs(self._need(MOST_TOKENS_PER_BYTE * size + FRAMING_TOKENS, most), likely)

    def _need(self, input_tokens: float, output_tokens: float) -> Need:
        usd = 0.0
        if self._price is not None:
            rates = self._price.at(input_tokens)
            usd = input_tokens * max(rates.input_usd, rates.cache_write_usd or 0.0) + output_tokens * rates.output_usd
        return Need(1, input_tokens + output_tokens, usd)


@dataclass(slots=True)
class _Seen:
    """The dearest of what a step's calls have taken so far."""

    answers: int = 0
    tokens_per_byte: float = 0.0
    output_tokens: int = 0

    def add(self, size: int, answer: Answer) -> None:
        self.answers += 1
        self.tokens_per_byte = max(self.tokens_per_byte, answer.input_tokens / max(1, size))
        self.output_tokens = max(self.output_tokens, answer.output_tokens)


def words_of_time(seconds: float) -> str:
    """`90 s`, `30 min`, `1 h 30 min`"""
    if seconds < 120:
        return f"{seconds:g} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    parts = [f"{hours} h"] * bool(hours) + [f"{minutes} min"] * bool(minutes)
    return " ".join(parts)
