"""Gets answers: journal, then slot, then provider, then journal. The one place with retries, limits and timeouts.

    ask -> journal holds it? -> may this row buy? -> budget -> slot -> provider -> typed error? again, or out
        -> journal -> answer

A purchase is a task of its own: the row that waits for it may be stopped, and the answer is still kept. The slot is
held until the answer is durable, so that at most `concurrency` paid answers are ever at risk.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

from sdspec.calls import Answer, Ask
from sdspec.contracts import Provider
from sdspec.engine import clock
from sdspec.engine.aside import aside
from sdspec.engine.budget import Purse
from sdspec.engine.controller import Closed, Controller
from sdspec.engine.endpoints import Door
from sdspec.engine.heap import settle
from sdspec.engine.learned import Load
from sdspec.engine.rivals import ClaimedElsewhere, Rivals
from sdspec.errors import AuthExpired, BackPressure, CallError, Fatal, RowFatal, RunFatal, StoreError, Transient
from sdspec.store.journal import Journal
from sdspec.store.records import CallRecord, Refusal


class Bought(NamedTuple):
    """An answer or a refusal, and what it took."""

    record: CallRecord
    from_journal: bool
    tries: int = 0
    shared: bool = False
    """Another row of this run bought it; that row's call is the one that counts."""


class SharedFailure(Transient):
    """The call of another row failed, for which this one waited; that row's call is the one that counts."""


@dataclass(frozen=True, slots=True)
class CallSettings:
    """How long and how often a call is tried."""

    timeout_s: float
    max_tries: int
    retry_errors: bool = False
    """Ask again where the journal holds a refusal."""


class Turn(NamedTuple):
    """What a row says of itself when it asks."""

    priority: tuple[int, int]
    """Its place in the order of rows; earlier rows get their slots first."""
    missed: Callable[[], Awaitable[None]]
    """Awaited before anything is bought: returns when the row may buy."""
    wanted: Callable[[], bool]
    """False when the row has become needless, and nothing shall be sent for it."""
    step: str = ""
    """The step that asks; what its answers take in tokens is learned by it."""

    def at(self, step: str) -> Turn:
        """The same for an ask of that step."""
        return Turn(self.priority, self.missed, self.wanted, step)


class _Purchase:
    """A call that is being bought, and the rows that wait for it: each may leave without harm to it or to others."""

    __slots__ = ("_waiting", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[None] | None = None
        self._waiting: list[asyncio.Future[Bought]] = []

    def ended(self) -> asyncio.Future[Bought]:
        """What was bought, or why not, once that is known."""
        future: asyncio.Future[Bought] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return future

    def tell(self, bought: Bought | None, failed: Exception | None) -> None:
        """Those that still wait go on; where neither is there, the call was given up."""
        for future in self._waiting:
            if future.done():
                continue
            if bought is not None:
                future.set_result(bought)
            elif failed is not None:
                future.set_exception(failed)
            else:
                future.cancel()


RIVAL_TIMEOUTS = 2
"""A call in flight elsewhere is waited for so many of our time limits: a process that holds it for longer hangs."""

Paid = Callable[[Bought], None]
"""Called once with what this very ask has bought, also when the row no longer waits for it."""


class Caller:
    """Asks one endpoint."""

    def __init__(
        self,
        provider: Provider,
        door: Door,
        controller: Controller,
        journal: Journal,
        settings: CallSettings,
        purse: Purse,
    ) -> None:
        self._provider = provider
        self._door = door
        self._journal = journal
        self._settings = settings
        self._warming: asyncio.Task[None] | None = None
        self._purse = purse
        self._asking: dict[bytes, int] = {}
        """Key -> rows that ask for it just now."""
        self._buying: dict[bytes, _Purchase] = {}
        self._fresh: set[bytes] = set()
        """Bought while other rows that ask the same had looked into the journal already."""
        self._refused: set[bytes] = set()
        """Refused in this run: not asked again, also where the journal's refusals are."""
        self._unproven: dict[bytes, tuple[Ask, CallRecord]] = {}
        """Refusals before the first answer: they may be the endpoint's fault, so they are not yet journaled."""
        self.rivals = Rivals(journal.claims, RIVAL_TIMEOUTS * settings.timeout_s, self._held)
        self.controller = controller
        self.waits_for_surplus = provider.waits_for_surplus

    async def ask(self, ask: Ask, turn: Turn, paid: Paid) -> Bought:
        """The answer to an ask, or its refusal, durable.

        Raises Transient when a passing failure outlives its tries (SharedFailure in rows that waited for another's
        call), RunFatal, StoreError, and `Closed` when nothing was sent because the run ends, its budget is reached, or
        the row is no longer wanted.
        """
        key, asking = ask.key, self._asking
        asking[key] = asking.get(key, 0) + 1
        try:
            bought = await self._held(key) or await self._ask(ask, turn, paid)
            if bought.from_journal and bought.record.answer is not None:
                self._purse.teach(turn.step, ask, bought.record.answer)
            return bought
        finally:
            asking[key] -= 1
            if not asking[key]:
                del asking[key]
                self._fresh.discard(key)

    async def _ask(self, ask: Ask, turn: Turn, paid: Paid) -> Bought:
        """What the journal did not hold: bought by this row, or by another one that asks the same."""
        key = ask.key
        await turn.missed()
        if key in self._fresh and (held := await self._held(key)):
            return held._replace(shared=True)
        while (shared := self._buying.get(key)) is not None:
            try:
                return Bought((await shared.ended()).record, from_journal=True, shared=True)
            except Closed:  # the row that bought is no longer wanted; this one may be
                if not turn.wanted():
                    raise
            except Transient as failure:
                raise SharedFailure(failure.code, failure.message, status=failure.status) from failure
        purchase = self._buying[key] = _Purchase()
        purchase.task = asyncio.create_task(self._purchase(purchase, ask, turn, paid))
        purchase.task.add_done_callback(lambda _: self._over(key, purchase, None, None))
        return await purchase.ended()

    async def _held(self, key: bytes) -> Bought | None:
        if key in self._unproven:
            return Bought(self._unproven[key][1], from_journal=True, shared=True)
        record = await self._journal.get(key)
        if record is None or (record.error and self._settings.retry_errors and key not in self._refused):
            return None
        self.controller.proven |= record.answer is not None
        return Bought(record, from_journal=True)

    async def settle(self, grace_s: float) -> int:
        """Waits for the purchases in flight, at most that long; the number that were given up."""
        tasks = [purchase.task for purchase in self._buying.values() if purchase.task is not None]
        if not tasks:
            return 0
        _, late = await asyncio.wait(tasks, timeout=grace_s)
        for task in late:
            task.cancel()
        return len(late)

    def close(self) -> None:
        """Nothing more is sent, and an endpoint that is not ready yet is no longer waited for."""
        self.controller.close()
        self._door.shut()
        if self._warming is not None:
            self._warming.cancel()

    def give_up(self) -> None:
        """The purchases in flight are dropped, paid for or not."""
        for purchase in self._buying.values():
            if purchase.task is not None:
                purchase.task.cancel()

    async def _purchase(self, purchase: _Purchase, ask: Ask, turn: Turn, paid: Paid) -> None:
        """The rows that wait have what was bought, or what failed; without any, a failure is not worth a word."""
        bought: Bought | None = None
        failed: Exception | None = None
        try:
            bought = await self._buy(ask, turn, paid)
        except Exception as found:  # noqa: BLE001  # it is raised in the rows that wait
            failed = found
        finally:  # here, and not when the task has ended: the rows go on one turn of the event loop sooner
            self._over(ask.key, purchase, bought, failed)

    def _over(self, key: bytes, purchase: _Purchase, bought: Bought | None, failed: Exception | None) -> None:
        if self._buying.get(key) is not purchase:  # told already: only a task that was cancelled unstarted is not
            return
        del self._buying[key]
        if key in self._asking:
            self._fresh.add(key)
        purchase.tell(bought, failed)

    async def _buy(self, ask: Ask, turn: Turn, paid: Paid) -> Bought:
        """What was bought, counted before its share of the budget is free again."""
        async with self._purse.share(turn.step, ask, turn.priority, turn.wanted):
            bought = await self._bought_once(ask, turn)
            if bought.from_journal:
                return bought
            paid(bought)
            if bought.record.answer is not None:
                self._purse.teach(turn.step, ask, bought.record.answer)
            return bought

    async def _bought_once(self, ask: Ask, turn: Turn) -> Bought:
        """What was bought, here or by another process that was buying it already."""
        while True:
            with suppress(ClaimedElsewhere):
                if not self.rivals.is_buying(ask.key):
                    return await self._tried(ask, turn)
            await self.rivals.bought(ask.key, lambda: turn.wanted() and not self._purse.is_shut)
            if held := await self._held(ask.key):
                return held

    async def _tried(self, ask: Ask, turn: Turn) -> Bought:
        tries, again = 0, False
        load = Load.of(ask, turn.step)
        successes = self.controller.successes
        await self._warmed(ask)
        while True:
            pause_s = 0.0
            await self._door()
            async with self.controller.slot(turn.priority, load, again=again) as slot, self.rivals.claim(ask.key):
                again = True
                if not turn.wanted() or self._purse.is_shut:
                    raise Closed
                tries += 1
                started = time.perf_counter()
                try:
                    answer = await slot.charged(self._once(ask))
                except RowFatal as refusal:
                    took_s = time.perf_counter() - started
                    self.controller.refused(refusal)
                    record = await self._keep_refusal(ask, self._record(ask, refusal, took_s))
                    return Bought(record, from_journal=False, tries=tries)
                except AuthExpired:
                    tries -= 1
                except BackPressure as pressure:
                    tries -= 1
                    took_s = time.perf_counter() - started
                    self.controller.pressed(ask.key, pressure, took_s, slot.among)
                except Transient as failure:
                    self.controller.failed(ask.key, failure, time.perf_counter() - started)
                    answers_others = self.controller.successes > successes or self.controller.is_the_rows_fault(failure)
                    if tries >= self._settings.max_tries and answers_others:
                        raise
                    pause_s = random.uniform(0.5, 1.0) * min(20.0, 0.25 * 2 ** min(tries, 8))
                else:
                    latency_s = time.perf_counter() - started
                    self.controller.succeeded(latency_s)
                    record = await self._keep(ask, self._record(ask, answer, latency_s))
                    return Bought(record, from_journal=False, tries=tries)
            if pause_s:
                await self.controller.pause(pause_s)

    async def _warmed(self, ask: Ask) -> None:
        """A request has been made up, and not sent: the first one imports a library for seconds, outside of any slot.

        A minute of `provider.limits` would else begin seconds before its calls arrive. What is wrong with the endpoint
        is told to those that wait here, and by the door to those that come later.
        """
        if self._warming is None:
            self._warming = asyncio.create_task(self._warm_up(ask))
            self._warming.add_done_callback(lambda done: done.cancelled() or done.exception())
        if self._warming.done():
            return
        try:
            await asyncio.shield(self._warming)
        except asyncio.CancelledError:
            if self._warming.cancelled():
                raise Closed from None
            raise

    async def _warm_up(self, ask: Ask) -> None:
        endpoint, _ = await self._door()
        with suppress(CallError):  # the call itself will say so
            await aside(partial(self._provider.request, ask, endpoint))
        settle()

    async def _once(self, ask: Ask) -> Answer:
        """One request; every failure as a CallError, those of the whole run as RunFatal.

        AuthExpired says that the credentials have been read again: the same ask may be sent once more.
        """
        endpoint, send = await self._door()
        try:
            response = await send(self._provider.request(ask, endpoint), self._settings.timeout_s)
            return self._provider.answer(ask, response)
        except TimeoutError as late:
            raise Transient("timeout", f"no answer within {self._settings.timeout_s:g} s") from late
        except OSError as broken:
            raise Transient("connection", str(broken) or type(broken).__name__) from broken
        except Fatal as fatal:
            raise RunFatal(f"{fatal.without(endpoint.secret).message} ({fatal.code})") from fatal
        except AuthExpired as refused:
            await self._door.renew(endpoint, refused.without(endpoint.secret), self.controller.successes)
            raise
        except CallError as error:
            raise error.without(endpoint.secret) from error.__cause__

    def _record(self, ask: Ask, said: Answer | RowFatal, latency_s: float) -> CallRecord:
        if isinstance(said, Answer):
            return CallRecord(ask.model.id, clock.now(), latency_s, answer=said, cost_usd=self._purse.usd(said))
        refusal = Refusal(said.code, said.message, said.status, said.tokens)
        record = CallRecord(ask.model.id, clock.now(), latency_s, error=refusal)
        return record if record.charged is None else replace(record, cost_usd=self._purse.usd(record.charged))

    async def _keep(self, ask: Ask, record: CallRecord) -> CallRecord:
        """The record that stands in the journal; another process may have bought the answer first."""
        self.controller.proven = True
        stands = await self._put(ask, record)
        unproven, self._unproven = self._unproven, {}
        for earlier, refusal in unproven.values():
            await self._put(earlier, refusal)
        return stands

    async def _keep_refusal(self, ask: Ask, record: CallRecord) -> CallRecord:
        if self._settings.retry_errors:
            self._refused.add(ask.key)
        if self.controller.proven:
            return await self._put(ask, record)
        self._unproven[ask.key] = ask, record
        return record

    async def _put(self, ask: Ask, record: CallRecord) -> CallRecord:
        try:
            return await self._journal.put(ask.key, record, _request(ask))
        except StoreError:
            self.controller.close()  # what cannot be kept must not be bought: before the slot is free again
            raise


def _request(ask: Ask) -> dict[str, object]:
    """What was asked, for people who look at a row later."""
    return {"call": ask.model.deciding(), "messages": list(ask.messages), "schema": ask.schema, "draw": ask.draw}
