"""The budget: whatever calls cost and whenever they end, what is bought stays within it but for calls in flight."""

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec.calls import Answer, Ask, Message, ModelCall
from sdspec.engine import clock
from sdspec.engine.budget import Budget, Purse
from sdspec.engine.caller import Bought
from sdspec.engine.controller import Closed
from sdspec.engine.tally import Tally
from sdspec.prices import Price, Rates
from sdspec.spec.models import BudgetSpec
from sdspec.store.records import CallRecord

PRICE = Price("m", Rates(1e-6, 5e-6), "spec")
ANSWERS = st.builds(
    Answer, st.just(""), input_tokens=st.integers(0, 2000), output_tokens=st.one_of(st.just(0), st.integers(0, 5000))
)


def ask(number: int, size: int = 100, max_tokens: int | None = 500) -> Ask:
    """An ask whose prompt has so many bytes."""
    call = ModelCall("fake", "m", "m", max_tokens=max_tokens)
    return Ask(call, (Message(role="user", content="x" * size),), f"{number:016x}")


@dataclass
class Shop:
    """Buys answers within a budget, and writes down what it saw."""

    limits: BudgetSpec
    tally: Tally = field(default_factory=lambda: Tally(0))
    clock: Callable[[], float] = lambda: 0.0
    admitted: list[tuple[float, int, int, list[Answer]]] = field(default_factory=list)
    """At each call that was let out: USD, calls and tokens spent by then, and what was in flight, itself included."""
    refused: int = 0

    def __post_init__(self) -> None:
        self.budget = Budget(self.limits, self.tally, self.clock)
        self.purse = Purse(self.budget, PRICE, free=False)
        self.flying: list[Answer] = []

    async def buy(self, number: int, answer: Answer, slots: asyncio.Semaphore, turns: int, fails: bool) -> None:
        """One call of a row: it takes some turns of the event loop, and may fail for nothing."""
        one = ask(number)
        try:
            async with self.purse.share("generate", one, (0, number), lambda: True):
                async with slots:
                    if self.purse.is_shut:
                        raise Closed
                    self.flying.append(answer)
                    spent = self.tally
                    self.admitted.append((spent.cost_usd, spent.made, spent.tokens, list(self.flying)))
                    for _ in range(turns):
                        await asyncio.sleep(0)
                    self.flying.remove(answer)
                if fails:
                    return
                record = CallRecord("m", 0.0, 0.0, answer=answer, cost_usd=self.purse.usd(answer))
                self.tally.called(Bought(record, from_journal=False, tries=1), "generate", one.key)
                self.purse.teach("generate", one, answer)
        except Closed:
            self.refused += 1


async def shopped(limits: BudgetSpec, answers: list[Answer], concurrency: int, seed: int) -> Shop:
    """A shop in which a row for each answer has been."""
    shop, rng, slots = Shop(limits), random.Random(seed), asyncio.Semaphore(concurrency)
    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for number, answer in enumerate(answers):
            group.create_task(shop.buy(number, answer, slots, rng.randrange(6), rng.random() < 0.1))
            for _ in range(rng.randrange(3)):
                await asyncio.sleep(0)
    return shop


@given(st.lists(ANSWERS, max_size=40), st.integers(1, 12), st.floats(0, 0.1), st.integers(0, 9))
@settings(max_examples=150, deadline=None)
def test_the_bill_is_within_the_budget_but_for_calls_in_flight(
    answers: list[Answer], concurrency: int, usd: float, seed: int
) -> None:
    """For any costs: no call goes out once the budget is spent, so that only those in flight can be above it."""
    shop = asyncio.run(shopped(BudgetSpec(usd=usd), answers, concurrency, seed))
    assert all(spent < usd for spent, _, _, _ in shop.admitted)
    in_flight = sum(PRICE.usd(one) for one in shop.admitted[-1][3]) if shop.admitted else 0.0
    assert shop.tally.cost_usd <= usd + in_flight
    assert len(answers) == len(shop.admitted) + shop.refused
    assert bool(shop.budget.reached) or not shop.refused


@given(st.lists(ANSWERS, max_size=40), st.integers(1, 12), st.integers(0, 30), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_calls_are_never_more_than_allowed(answers: list[Answer], concurrency: int, calls: int, seed: int) -> None:
    """Answers and calls in flight are together at most budget.calls, at any time, and all of them are bought."""
    shop = asyncio.run(shopped(BudgetSpec(calls=calls), answers, concurrency, seed))
    assert all(made + len(flying) <= calls for _, made, _, flying in shop.admitted)
    failed = len(shop.admitted) - shop.tally.made
    assert shop.tally.made == min(calls, len(answers) - failed)


@given(st.lists(ANSWERS, max_size=40), st.integers(1, 12), st.integers(0, 50_000), st.integers(0, 9))
@settings(max_examples=100, deadline=None)
def test_tokens_are_within_the_budget_but_for_calls_in_flight(
    answers: list[Answer], concurrency: int, tokens: int, seed: int
) -> None:
    """As with USD: the last call that went out did so with tokens left."""
    shop = asyncio.run(shopped(BudgetSpec(tokens=tokens), answers, concurrency, seed))
    assert all(spent < tokens for _, _, spent, _ in shop.admitted)


async def test_what_calls_cost_is_learned_and_fills_the_budget() -> None:
    """Calls that are all alike buy as many as the budget pays for, whatever max_tokens would allow, and none more."""
    one = Answer("", input_tokens=1000, output_tokens=100)
    shop = await shopped(BudgetSpec(usd=30 * PRICE.usd(one) + 1e-9), [one] * 60, 8, 0)
    failed = len(shop.admitted) - shop.tally.made
    assert (30, 60 - 30 - failed) == (shop.tally.made, shop.refused)


async def test_a_call_waits_for_those_in_flight_which_may_be_cheaper() -> None:
    """A call that does not fit beside another one goes out when that one was cheaper than it might have been."""
    shop, first_ends, went = Shop(BudgetSpec(usd=0.005)), asyncio.Event(), []

    async def row(number: int, ends: asyncio.Event | None) -> None:
        async with shop.purse.share("s", ask(number), (0, number), lambda: True):
            went.append(number)
            if ends is not None:
                await ends.wait()

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(row(0, first_ends))
        await asyncio.sleep(0)
        group.create_task(row(1, None))
        for _ in range(5):
            await asyncio.sleep(0)
        assert [0] == went
        first_ends.set()
    assert ([0, 1], "") == (went, shop.budget.reached)


async def test_earlier_rows_have_the_budget_first() -> None:
    """Of the calls that wait for a share, that of the earliest row gets it."""
    shop, ends, went = Shop(BudgetSpec(calls=2)), asyncio.Event(), []

    async def row(number: int, blocks: bool) -> None:
        with contextlib.suppress(Closed):
            async with shop.purse.share("s", ask(number), (0, number), lambda: True):
                went.append(number)
                while blocks and not ends.is_set():
                    await asyncio.sleep(0)

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        for number, blocks in ((8, True), (9, True), (5, False), (3, False), (4, False)):
            group.create_task(row(number, blocks))
        for _ in range(5):
            await asyncio.sleep(0)
        ends.set()
    assert [8, 9, 3, 4, 5] == went


async def test_a_row_that_is_no_longer_wanted_takes_nothing() -> None:
    """A call whose row became needless while it waited for its share is not sent, and ends no budget."""
    shop, ends, wanted = Shop(BudgetSpec(calls=1)), asyncio.Event(), [True]

    async def first() -> None:
        async with shop.purse.share("s", ask(0), (0, 0), lambda: True):
            await ends.wait()
            shop.tally.bill.calls += 1

    async def needless() -> None:
        with pytest.raises(Closed):
            async with shop.purse.share("s", ask(1), (0, 1), lambda: wanted[0]):
                raise AssertionError

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        group.create_task(first())
        await asyncio.sleep(0)
        group.create_task(needless())
        await asyncio.sleep(0)
        wanted[0] = False
        ends.set()
    assert "" == shop.budget.reached


async def test_time_is_a_limit_for_what_is_not_sent_yet() -> None:
    """Once the time is over nothing more goes out; a call in flight is finished and counted, and sessions add up."""
    now = [0.0]
    shop = Shop(BudgetSpec(wall="1m30s"), Tally(0, earlier_s=60.0), clock=lambda: now[0])
    slots = asyncio.Semaphore(1)
    await shop.buy(0, Answer(""), slots, 0, False)
    now[0] = 29.0
    await shop.buy(1, Answer(""), slots, 0, False)
    async with shop.purse.share("s", ask(2), (0, 2), lambda: True):
        now[0] = 31.0
        shop.budget.look()
        await shop.buy(3, Answer(""), slots, 0, False)
    assert (2, 1) == (shop.tally.made, shop.refused)
    assert "budget.wall: the 90 s are over" == shop.budget.reached


@pytest.mark.parametrize(
    ("text", "seconds"), [(90, 90), ("90s", 90), ("30m", 1800), ("2h", 7200), ("1h30m", 5400), ("1h 5s", 3605)]
)
def test_time_is_written_in_seconds_or_in_words(text: object, seconds: float) -> None:
    """`1h30m` is a duration; what is none is a problem."""
    assert seconds == BudgetSpec.model_validate({"wall": text}).wall
    for wrong in ("", "soon", "30x", "1m1h", -1):
        with pytest.raises(ValueError):
            BudgetSpec.model_validate({"wall": wrong})


def test_a_killed_run_finds_in_the_journal_what_it_had_not_written_down(tmp_path: Path) -> None:
    """Answers younger than the last note were bought by the run that was killed: they count once, others do not."""
    first = Tally(10)
    first.called(Bought(record(100.0), from_journal=False, tries=1), "generate", b"0")
    again = Tally.carried(10, {"spent": first.spent(5.0, whole=False) | {"at": "1970-01-01T00:03:20+00:00"}})
    for key, created_at in ((b"0", 100.0), (b"1", 201.0), (b"1", 201.0), (b"2", 300.0)):
        again.called(Bought(record(created_at), from_journal=True), "generate", key)
    assert (3, 4, 5.0) == (again.made, again.from_journal, again.earlier_s)
    ended = Tally.carried(10, {"spent": again.spent(7.0, whole=True)})
    ended.called(Bought(record(1e12), from_journal=True), "generate", b"3")
    assert (3, again.cost_usd) == (ended.made, ended.cost_usd)


def test_an_answer_that_is_on_its_way_into_the_journal_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 3: it came before a killed run wrote its last note, and was counted after it: a resume counts it, once."""
    now = time.time()
    first = Tally(10)
    first.called(Bought(record(now + 1.0), from_journal=False, tries=1), "generate", b"0")
    monkeypatch.setattr(clock, "now", lambda: now + 2.0)
    again = Tally.carried(10, {"spent": first.spent(5.0, whole=False)})
    for key, created_at in ((b"0", now + 1.0), (b"1", now + 1.0001)):
        again.called(Bought(record(created_at), from_journal=True), "generate", key)
    assert (2, 40) == (again.made, again.tokens)


def record(created_at: float) -> CallRecord:
    """An answer that was bought then."""
    answer = Answer("", input_tokens=10, output_tokens=10)
    return CallRecord("m", created_at, 1.0, answer=answer, cost_usd=PRICE.usd(answer))
