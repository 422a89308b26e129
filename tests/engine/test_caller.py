"""The caller: whatever the order in which rows that want one answer come, it is asked for once, and counted once."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from sdspec.calls import Ask, Message, ModelCall
from sdspec.contracts import Endpoint, Limits, Transport
from sdspec.engine.budget import Budget, Purse
from sdspec.engine.caller import Bought, Caller, CallSettings, SharedFailure, Turn
from sdspec.engine.controller import Controller
from sdspec.engine.endpoints import Door
from sdspec.engine.tally import Tally
from sdspec.errors import Transient
from sdspec.providers.fake import Fake
from sdspec.spec.models import BudgetSpec
from sdspec.store.claims import Claims
from sdspec.store.journal import Journal
from tests.recipes import requests_in

CALL = ModelCall(id="m", identity="m", endpoint="fake")
ASK = Ask(model=CALL, messages=(Message(role="user", content="?"),), draw="00" * 8)


def turn(place: int = 0, missed: asyncio.Event | None = None) -> Turn:
    """The turn of a row that may buy as soon as the event is set."""

    async def may_buy() -> None:
        if missed is not None:
            await missed.wait()

    return Turn((0, place), may_buy, lambda: True)


@asynccontextmanager
async def calling(
    folder: Path, *, retry_errors: bool = False, limits: Limits | None = None, **knobs: float
) -> AsyncIterator[Caller]:
    """A caller of a fake endpoint, which logs its requests to `log` in the folder."""
    provider = Fake(request_log=str(folder / "log"), **knobs)  # type: ignore[arg-type]
    with Journal.open(folder / "journal.db") as journal:
        async with provider.open("m", 8, print) as endpoint:

            async def opened(_: asyncio.Event) -> tuple[Endpoint, Transport]:
                assert endpoint.transport is not None
                return endpoint, endpoint.transport

            caller = Caller(
                provider,
                Door(opened),
                Controller(8, limits, 60.0),
                journal,
                CallSettings(5.0, 1, retry_errors),
                Purse(Budget(BudgetSpec(), Tally(0)), None, free=True),
            )
            caller.controller.proven = True  # it answers others: what fails is the ask's own fault
            caller.controller.successes = 1
            yield caller


async def test_an_answer_bought_while_a_row_waits_for_its_turn_is_not_bought_again(tmp_path: Path) -> None:
    """The row that bought it is long gone when the other one's turn comes: it takes the answer from the journal."""
    gate, bought = asyncio.Event(), list[Bought]()
    async with calling(tmp_path) as caller:
        late = asyncio.create_task(caller.ask(ASK, turn(1, gate), bought.append))
        await asyncio.sleep(0)
        first = await caller.ask(ASK, turn(), bought.append)
        await caller.settle(5.0)
        gate.set()
        second = await late
    assert sum(requests_in(tmp_path / "log").values()) == 1
    assert (first.from_journal, second.from_journal, second.shared) == (False, True, True)
    assert [first] == bought


async def test_rows_that_share_a_failure_have_one_failed_call(tmp_path: Path) -> None:
    """A call that fails to the end fails every row that waits for it, and is that of the first alone."""
    async with calling(tmp_path, p500=1.0) as caller:
        asking = (caller.ask(ASK, turn(one), [].append) for one in range(4))
        found = await asyncio.gather(*asking, return_exceptions=True)
    assert Counter(type(one) for one in found) == {Transient: 1, SharedFailure: 3}


async def test_a_refusal_is_asked_again_once_in_a_run(tmp_path: Path) -> None:
    """With retry_errors one row asks again what the journal holds as refused; those after it take what it was told."""
    async with calling(tmp_path, prefusal=1.0) as caller:
        await caller.ask(ASK, turn(), [].append)
    async with calling(tmp_path, prefusal=1.0, retry_errors=True) as caller:
        again = [await caller.ask(ASK, turn(one), [].append) for one in range(3)]
    assert sum(requests_in(tmp_path / "log").values()) == 2
    assert [one.from_journal for one in again] == [False, True, True]


async def test_a_call_that_is_given_up_before_it_begins_leaves_nobody_waiting(tmp_path: Path) -> None:
    """A run that is stopped at once ends, whatever the moment; the row that asked is stopped too."""
    async with calling(tmp_path) as caller:

        async def may_buy() -> None:
            asyncio.get_running_loop().call_soon(caller.give_up)  # after the call is made up, before its first step

        asking = asyncio.create_task(caller.ask(ASK, Turn((0, 0), may_buy, lambda: True), [].append))
        async with asyncio.timeout(5.0):
            await asyncio.wait([asking])
        assert asking.cancelled()
        assert await caller.settle(5.0) == 0


async def test_a_row_that_leaves_takes_nothing_from_the_others(tmp_path: Path) -> None:
    """Of the rows that wait for one answer the first is stopped: the call goes on, and the others have the answer."""
    async with calling(tmp_path, latency_s=0.05) as caller:
        first, *others = [asyncio.create_task(caller.ask(ASK, turn(one), [].append)) for one in range(3)]
        while not caller.controller.out:
            await asyncio.sleep(0)
        first.cancel()
        found = [await one for one in others]
        assert first.cancelled()
    assert sum(requests_in(tmp_path / "log").values()) == 1
    assert [True, True] == [one.shared and one.record.answer is not None for one in found]


async def test_what_another_process_buys_takes_nothing_of_the_minute(tmp_path: Path) -> None:
    """A call that was not sent, since a rival has the claim, leaves requests and tokens of the minute to others."""
    limits = Limits(rpm=1_000_000, itpm=2_000, otpm=2_000)
    others = [Ask(model=CALL, messages=(Message(role="user", content=str(n)),), draw="00" * 8) for n in range(40)]
    async with calling(tmp_path, limits=limits) as caller:
        rival = Claims.open(tmp_path / "journal.db")
        for ask in others:
            assert rival.take(ask.key)
        asking = [asyncio.create_task(caller.ask(ask, turn(n), [].append)) for n, ask in enumerate(others)]
        async with asyncio.timeout(10.0):
            while caller.rivals.awaited < len(others):
                await asyncio.sleep(0)
            assert (await caller.ask(ASK, turn(99), [].append)).tries == 1
        for one in asking:
            one.cancel()
        await asyncio.wait(asking)
        caller.give_up()
        await caller.settle(5.0)
        rival.close()
    assert sum(requests_in(tmp_path / "log").values()) == 1
