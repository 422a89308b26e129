"""Decides when a call may go out: slots by row order, requests per minute, a shared cool-down, outages.

One controller stands before each endpoint. Retries wait in the same queue as new calls. What fails is typed by the
caller; here it only changes the pace:

- back-pressure: everybody pauses for the same cool-down, and the limit goes down by 15 %, once per round trip;
- success: the limit grows again by one call per round trip;
- nothing but failures: probe one call at a time, with longer and longer pauses, then give up (RunFatal).
"""

from __future__ import annotations

import asyncio
import heapq
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asyncio_throttle import Throttler  # type: ignore[attr-defined]  # its __init__ has no __all__

from sdspec.errors import CallError, RunFatal

DECREASE = 0.85
"""Simulated against a capacity of 24: 20 to 21 stay in flight, where halving keeps 17 (design.md 2)."""
RPM_SHARE = 0.985
"""Of the allowed requests per minute; the server's window and ours do not begin together."""
FIRST_PATIENCE_S = 10.0
"""How long an endpoint that has never answered is tried: a wrong URL should show in seconds."""
FIRST_LATENCY_S = 0.2
"""Taken for the round trip before there has been an answer."""
ALIKE_REFUSALS = 12
"""So many refusals with one code and no answer yet: the request is wrong for every row."""
LONGEST_PAUSE_S = 20.0
"""Of our own; an endpoint's Retry-After may be longer."""
FEW = 3
"""Calls that may fail at the same time without that being an outage."""
PROBE_AFTER = 16
"""Failures in a row, with no success between, after which calls go out one at a time."""

TELLING_S = 1.0
"""Shorter waits are not worth a word."""


class Closed(Exception):
    """The run is ending: this call was not sent."""


class Controller:
    """The pace of one endpoint."""

    def __init__(self, concurrency: int, rpm: int | None, outage_s: float) -> None:
        self._most = concurrency
        self._limit = float(concurrency)
        self._throttle = Throttler(rate_limit=max(1, int(rpm * RPM_SHARE)), period=60) if rpm else None
        self._one_at_a_time = asyncio.Lock()
        self._outage_s = outage_s
        self._loop = asyncio.get_running_loop()
        self._waiting: list[tuple[tuple[int, int], int, asyncio.Future[None]]] = []
        self._tickets = 0
        self._cool_until = 0.0
        self._lowered_at = 0.0
        self._pressures = 0
        """Round trips in a row that were turned away; each doubles the pause."""
        self._latency_s: float | None = None
        self._rpm = rpm
        self._last: CallError | None = None
        """What failed, or was turned away, since the last answer."""
        self._slowed: str | None = None
        """The code of the answer that set the cool-down; None where failures did."""
        self._failures = 0
        self._failing: set[bytes] = set()
        self._refusals: Counter[str] = Counter()
        self._in_doubt = False
        self._failing_since: float | None = None
        self._longest_failure_s = 0.0
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

    @asynccontextmanager
    async def slot(self, priority: tuple[int, int]) -> AsyncIterator[None]:
        """A place in flight, rows in order first; raises Closed when the run ends before there is one."""
        self._tickets += 1
        ticket = self._tickets
        granted: asyncio.Future[None] = self._loop.create_future()
        heapq.heappush(self._waiting, (priority, ticket, granted))
        self._grant()
        try:
            await granted
        except asyncio.CancelledError:
            if granted.done() and not granted.cancelled() and granted.exception() is None:
                self._release()
            raise
        try:
            if self._throttle is not None:
                async with self._one_at_a_time, self._throttle:
                    pass
            if self._closed:
                raise Closed
            self._sent[ticket] = self._loop.time()
            yield
        finally:
            self._sent.pop(ticket, None)
            self._release()

    def close(self) -> None:
        """No further call goes out; those in flight stay."""
        self._closed = True
        self._closing.set()
        for _, _, granted in self._waiting:
            if not granted.done():
                granted.set_exception(Closed())
        self._waiting.clear()

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
        wait_s, failing_s = self._cool_until - now, now - (self._failing_since or now)
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
        if self._rpm is not None and self.in_flight > len(self._sent):
            return f"keeping to {self._rpm} requests a minute"
        return ""

    # ------------------------------------------------------------------------------------------- what was observed

    def succeeded(self, latency_s: float) -> None:
        """An answer came."""
        self.successes += 1
        self._in_doubt = False
        self._pressures = 0
        self._latency_s = latency_s if self._latency_s is None else 0.9 * self._latency_s + 0.1 * latency_s
        self._last = None
        self._failures = 0
        self._failing.clear()
        self._failing_since = None
        self._longest_failure_s = 0.0
        self._limit = min(float(self._most), self._limit + 1.0 / self._limit)

    def pressed(self, key: bytes, error: CallError, took_s: float, retry_after_s: float | None) -> None:
        """The endpoint asked for less; raises RunFatal when it has done nothing else for too long."""
        now = self._loop.time()
        round_trip = self._latency_s if self._latency_s is not None else FIRST_LATENCY_S
        pause = 0.0
        if retry_after_s is not None:
            pause = retry_after_s
        elif now - self._lowered_at > round_trip:
            pause = min(LONGEST_PAUSE_S, random.uniform(0.5, 1.0) * round_trip * 2**self._pressures)
        if now - self._lowered_at > round_trip:
            self._lowered_at = now
            self._pressures = min(self._pressures + 1, 10)
            self._limit = max(1.0, self._limit * DECREASE)
        self._cool_until = max(self._cool_until, now + pause)
        self._slowed = error.code
        self._last = error
        self._count(key, took_s)
        self._end_when_out(error, self._outage_s + (retry_after_s or 0.0))

    def failed(self, key: bytes, error: CallError, took_s: float) -> None:
        """A call failed in passing; raises RunFatal when nothing has succeeded for too long."""
        self._failures += 1
        if self._failures >= PROBE_AFTER:
            steps = min(self._failures - PROBE_AFTER, 5)
            self._cool_until = max(self._cool_until, self._loop.time() + 0.25 * 2**steps)
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
        return answers and len(self._failing) <= FEW

    def _count(self, key: bytes, took_s: float) -> None:
        self._in_doubt = self._in_doubt and len(self._sent) > 1
        self._failing.add(key)
        self._longest_failure_s = max(self._longest_failure_s, took_s)
        if self._failing_since is None:
            self._failing_since = self._loop.time()

    def _end_when_out(self, error: CallError, patience_s: float) -> None:
        since = self._loop.time() - (self._failing_since or self._loop.time())
        if since > patience_s and not self._is_serving():
            raise RunFatal(f"nothing succeeded for {since:.0f} s; the last failure was: {error}")

    def _is_serving(self) -> bool:
        """True when a call has been out for longer than failures take here: it may yet be answered."""
        longest = 2 * self._longest_failure_s + 0.05
        return any(self._loop.time() - sent > longest for sent in self._sent.values())

    # ---------------------------------------------------------------------------------------------------- slots

    def _release(self) -> None:
        self.in_flight -= 1
        self._grant()

    def _grant(self) -> None:
        if self._closed:
            self.close()
            return
        if self._in_doubt and not self.proven:
            return
        wait = self._cool_until - self._loop.time()
        if wait > 0:
            self._wake_in(wait)
            return
        limit = 1 if self._failures >= PROBE_AFTER else max(1, int(self._limit))
        while self._waiting and self.in_flight < limit:
            _, _, granted = heapq.heappop(self._waiting)
            if not granted.done():
                self.in_flight += 1
                granted.set_result(None)

    def _wake_in(self, wait_s: float) -> None:
        if self._waiting and (self._wake is None or self._wake.cancelled() or self._wake.when() <= self._loop.time()):
            self._wake = self._loop.call_later(wait_s + 0.001, self._woken)

    def _woken(self) -> None:
        self._wake = None
        self._grant()
