"""Decides when a call may go out: slots by row order, limits per minute, a shared cool-down, outages.

One controller stands before each endpoint. Retries wait in the same queue as new calls. What fails is typed by the
caller; here it only changes the pace:

- back-pressure and success: fewer or more in flight (pace.py);
- requests and tokens per minute: reserved and settled (quota.py); asyncio-throttle, awaited by one dispatcher, spreads
  requests over the minute;
- nothing but failures: probe one call at a time, with longer and longer pauses, then give up (RunFatal).
"""

from __future__ import annotations

import asyncio
from collections import Counter

from asyncio_throttle import Throttler  # type: ignore[attr-defined]  # its __init__ has no __all__

from sdspec.contracts import Limits
from sdspec.engine.learned import Load
from sdspec.engine.pace import Pace
from sdspec.engine.quota import Quota, Slot
from sdspec.engine.streak import FEW, Streak
from sdspec.engine.waiting import Waiter, Waiting
from sdspec.errors import BackPressure, CallError, RunFatal

FIRST_PATIENCE_S = 10.0
"""How long an endpoint that has never answered is tried: a wrong URL should show in seconds."""
ALIKE_REFUSALS = 12
"""So many refusals with one code and no answer yet: the request is wrong for every row."""
PROBE_AFTER = 16
"""Failures in a row, with no success between, after which calls go out one at a time."""

TELLING_S = 1.0
"""Shorter waits are not worth a word."""


SLICE_S = 10.0
"""Requests are spread over the minute in slices: endpoints hold to a limit per minute over shorter times too (Azure:
1 or 10 s), and a run goes on evenly."""


class Closed(Exception):
    """The run is ending: this call was not sent."""


class Place:
    """A place in flight for as long as the block is entered."""

    __slots__ = ("_again", "_controller", "_waiter")

    def __init__(self, controller: Controller, waiter: Waiter, again: bool) -> None:
        self._controller = controller
        self._waiter = waiter
        self._again = again

    async def __aenter__(self) -> Slot:
        return await self._controller.enter(self._waiter, self._again)

    async def __aexit__(self, kind: type[BaseException] | None, _error: object, _trace: object) -> None:
        self._controller.leave(self._waiter, unsent=kind is not None and issubclass(kind, Closed))


class Controller:
    """The pace of one endpoint."""

    def __init__(self, most: int, limits: Limits | None, outage_s: float, *, slow_start: bool = False) -> None:
        limits, loop = limits or Limits(), asyncio.get_running_loop()
        self._pace = Pace(most, slow_start=slow_start)
        self._quota = Quota(limits, loop.time)
        self._rpm = limits.rpm
        self._throttle = _throttle(limits.rpm)
        self._by_minute = any((limits.rpm, limits.itpm, limits.otpm))
        self._dispatcher: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._at_throttle = False
        """The first call waits for the next request that these seconds allow."""
        self._held_since: float | None = None
        """When the limits of the minute began to hold that call back."""
        self._short_of = ""
        """The limit of the minute that the first call waits for."""
        self._outage_s = outage_s
        self._loop = loop
        self._waiting = Waiting()
        self._tickets = 0
        self._last: CallError | None = None
        """What failed, or was turned away, since the last answer."""
        self._slowed: str | None = None
        """The code of the answer that set the cool-down; None where failures did."""
        self._failures = 0
        self._streak = Streak()
        self._refusals: Counter[str] = Counter()
        self._in_doubt = False
        self._sent: dict[int, float] = {}
        """When the calls in flight went out."""
        self._closed = False
        self._closing = asyncio.Event()
        self._wake: asyncio.TimerHandle | None = None
        self.proven = False
        """The endpoint has answered, in this run or to the journal: what it refuses is the ask's fault."""
        self.in_flight = 0
        """Calls that hold a slot."""
        self.successes = 0
        """Answers received."""

    def slot(self, priority: tuple[int, int], load: Load, *, again: bool = False) -> Place:
        """A place in flight, rows in order first; entering raises Closed when the run ends before there is one.

        `again`: the call was turned away, or failed, before.
        """
        self._tickets += 1
        return Place(self, Waiter(priority, self._tickets, load, self._loop.create_future()), again)

    async def enter(self, waiter: Waiter, again: bool) -> Slot:
        """The slot that the call waits for."""
        self._waiting.add(waiter, again=again)
        self._grant()
        try:
            slot = await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled() and waiter.granted.exception() is None:
                waiter.granted.result().give_back()
                self._release(waiter.granted.result())
            raise
        if self._closed:
            slot.give_back()
            self._release(slot)
            raise Closed
        self._sent[waiter.ticket] = self._loop.time()
        return slot

    def leave(self, waiter: Waiter, *, unsent: bool) -> None:
        """The slot is free again; `unsent` where its call did not go out."""
        slot = waiter.granted.result()
        if unsent or not slot.among:
            slot.give_back()
        self._sent.pop(waiter.ticket, None)
        self._release(slot)

    def close(self) -> None:
        """No further call goes out; those in flight stay."""
        self._closed = True
        self._closing.set()
        if self._dispatcher is not None:
            self._dispatcher.cancel()
        for waiter in self._waiting.drain():
            waiter.granted.set_exception(Closed())

    async def pause(self, pause_s: float) -> None:
        """Waits outside the queue; raises Closed when the run ends meanwhile."""
        try:
            async with asyncio.timeout(pause_s):
                await self._closing.wait()
        except TimeoutError:
            return
        raise Closed

    @property
    def out(self) -> int:
        """Calls that were sent and are not answered yet; not those that wait for the next minute in their slot."""
        return len(self._sent)

    def holds_back(self) -> str:
        """Why calls do not go out, or not as fast as they might, and for how long, for people; empty where they do."""
        now = self._loop.time()
        wait_s, failing_s = self._pace.cool_until - now, self._streak.lasts_s(now)
        if self._slowed is not None and wait_s > TELLING_S and self._waiting:
            return f"next calls in {wait_s:.0f} s: asked to slow down ({self._slowed})"
        if self._last is not None and failing_s > TELLING_S and not self._is_serving():
            if self.is_the_rows_fault(self._last):
                return f"trying again: {self._last}"
            patience_s = self._outage_s if self.successes else min(self._outage_s, FIRST_PATIENCE_S)
            return f"no answer for {failing_s:.0f} s, giving up after {patience_s:.0f} s: {self._last}"
        if self._in_doubt and not self.proven:
            code, count = self._refusals.most_common(1)[0]
            return f"{count} requests refused ({code}), none answered: waiting for those in flight"
        if self._at_throttle and self._rpm is not None:
            return f"keeping to {self._rpm:,} requests a minute"
        return f"keeping to {self._short_of}" if self._short_of and self._waiting else ""

    # ------------------------------------------------------------------------------------------- what was observed

    def succeeded(self, latency_s: float) -> None:
        """An answer came."""
        self.successes += 1
        self._in_doubt = False
        self._pace.answered(self._loop.time(), latency_s, self.in_flight)
        self._last = None
        self._failures = 0
        self._streak = Streak()
        self._grant()

    def pressed(self, key: bytes, error: BackPressure, took_s: float, among: int | None = None) -> None:
        """The endpoint asked for less, of a call that went out as one of `among`.

        Raises RunFatal when it has done nothing else for too long.
        """
        now = self._loop.time()
        self._pace.pressed(now, now - took_s, among or self.in_flight, error.retry_after_s)
        self._slowed = error.code
        self._last = error
        self._count(key, took_s)
        self._end_when_out(error, self._outage_s + (error.retry_after_s or 0.0))

    def failed(self, key: bytes, error: CallError, took_s: float) -> None:
        """A call failed in passing; raises RunFatal when nothing has succeeded for too long."""
        self._failures += 1
        if self._failures >= PROBE_AFTER:
            steps = min(self._failures - PROBE_AFTER, 5)
            self._pace.pause(self._loop.time() + 0.25 * 2**steps)
            self._slowed = None
        self._last = error
        self._count(key, took_s)
        if not self.is_the_rows_fault(error):
            self._end_when_out(error, self._outage_s if self.successes else min(self._outage_s, FIRST_PATIENCE_S))

    def refused(self, error: CallError) -> None:
        """A request was refused for good; raises RunFatal when many are, with one code, and none was ever answered.

        A filter refuses sooner than a model answers: after so many refusals nothing goes out until the calls that are
        still in flight have told whether this endpoint answers at all.
        """
        if self.proven:
            return
        self._refusals[error.code] += 1
        count = self._refusals[error.code]
        self._in_doubt = count >= ALIKE_REFUSALS and len(self._sent) > 1
        if count >= ALIKE_REFUSALS and not self._in_doubt:
            raise RunFatal(f"the endpoint refused {count} requests alike and answered none; the last: {error}")

    def is_the_rows_fault(self, error: CallError) -> bool:
        """True when few calls fail at an endpoint that answers others: it is not out, these rows are to blame.

        An endpoint that has answered only earlier runs may be gone by now, and a refused connection says that it is.
        """
        answers = self.successes > 0 or (self.proven and error.code != "connection")
        return answers and len(self._streak.keys) <= FEW

    def _count(self, key: bytes, took_s: float) -> None:
        self._in_doubt = self._in_doubt and len(self._sent) > 1
        self._streak.add(key, took_s, self._loop.time())

    def _end_when_out(self, error: CallError, patience_s: float) -> None:
        since = self._streak.lasts_s(self._loop.time())
        if since > patience_s and not self._is_serving():
            raise RunFatal(f"nothing succeeded for {since:.0f} s; the last failure was: {error}")

    def _is_serving(self) -> bool:
        """True when a call has been out for longer than failures take here: it may yet be answered."""
        longest = 2 * self._streak.longest_s + 0.05
        return any(self._loop.time() - sent > longest for sent in self._sent.values())

    # ---------------------------------------------------------------------------------------------------- slots

    def _release(self, slot: Slot) -> None:
        slot.close()
        self.in_flight -= 1
        self._grant()

    def _grant(self) -> None:
        """Calls that may go out do, in their order; with limits per minute the dispatcher lets them out."""
        if self._closed:
            self.close()
        elif not self._by_minute:
            while self._may_go():
                self._admit()
        elif self._dispatcher is None or self._dispatcher.done():
            if self._waiting:
                self._dispatcher = self._loop.create_task(self._dispatch())
        else:
            self._woken.set()

    async def _dispatch(self) -> None:
        """Lets calls out one by one, each with its request of the minute, until none waits.

        The request is taken from the minute when all else allows the call, and is lost where that has changed since.
        Each call is on its way before the next one is looked at, so that it counts from when it is really sent.
        """
        while self._waiting:
            self._woken.clear()
            if not self._may_go():
                await self._woken.wait()
                continue
            if self._throttle is not None:
                self._at_throttle = True
                self._held()
                await self._throttle.acquire()  # type: ignore[no-untyped-call]  # it has no types
                self._at_throttle = False
            if self._may_go():
                self._admit()
                await asyncio.sleep(0)

    def _admit(self) -> None:
        if self._held_since is not None:
            self._streak.waited(self._held_since, self._loop.time())
        self._held_since = None
        waiter = self._waiting.pop()
        self.in_flight += 1
        waiter.granted.set_result(self._quota.take(waiter.load))

    def _may_go(self) -> bool:
        """True when the first call that waits may go out; otherwise what it waits for wakes this up."""
        first = self._waiting.first()
        if first is None or (self._in_doubt and not self.proven):
            return False
        if (wait_s := self._pace.cool_until - self._loop.time()) > 0:
            self._wake_in(wait_s)
            return False
        if self.in_flight >= (1 if self._failures >= PROBE_AFTER or self._pace.alone else self._pace.limit):
            return False
        tokens_s, self._short_of = self._quota.wait_s(first.load)
        if self._short_of:
            self._held()
        if tokens_s:
            self._wake_in(tokens_s)
        return not self._short_of

    def _held(self) -> None:
        if self._held_since is None:
            self._held_since = self._loop.time()

    def _wake_in(self, wait_s: float) -> None:
        at = self._loop.time() + wait_s + 0.001
        if self._wake is not None:
            if self._loop.time() < self._wake.when() <= at:
                return
            self._wake.cancel()
        self._wake = self._loop.call_at(at, self._woke)

    def _woke(self) -> None:
        self._wake = None
        self._grant()


def _throttle(rpm: int | None) -> Throttler | None:
    """Requests spread evenly: as many as a slice takes, in the time that so many take at this rate."""
    if not rpm:
        return None
    at_once = max(1, int(rpm * SLICE_S / 60))
    return Throttler(rate_limit=at_once, period=60 * at_once / rpm)
