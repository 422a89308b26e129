"""How many calls may be in flight: found out by going up carefully, and down at once where an endpoint asks for it.

- slow start: from FIRST calls, doubling in each round trip, until the first back-pressure;
- back-pressure: 15 % fewer, at most once per round trip, and a pause that everybody shares;
- the number that was too many is remembered: back to just below it, and beyond it only now and then, by one, two,
  four, as long as that goes well. One that proves wrong (back-pressure far below it) is forgotten.

Pure: the caller says what time it is.
"""

from __future__ import annotations

import math
import random

FIRST = 16
"""Calls at the start; an endpoint that takes fewer than that is found out with a handful of refusals."""
FIRST_SHARE = 8
"""Or this part of what is allowed, where that is more: 32 of 256."""
DECREASE = 0.85
"""Simulated against a capacity of 24: 20 to 21 stay in flight, where halving keeps 17 (design.md 2)."""
INCREASE = 1 / 16
"""Of the limit per round trip, at least one call, where no ceiling is known."""
FASTER_AFTER = 4
"""Round trips without back-pressure until that becomes more, with each one."""
APPROACH = 1 / 4
"""Of the way to the ceiling per round trip, at least one call."""
FIRST_LATENCY_S = 0.2
"""Taken for the round trip before there has been an answer."""
LONGEST_PAUSE_S = 2.0
"""Of our own; an endpoint's Retry-After may be longer. Others may leave it meanwhile, and nobody would know."""
ALONE_AFTER = 3
"""Pauses in a row after which calls go out one at a time, until one is answered."""
SHORTEST_PAUSE = 0.25
"""Of a round trip: so much for the first back-pressure, and twice as much each time that nothing else comes."""
FIRST_PROBE = 20
"""Round trips just below the ceiling before it is tried again."""
LAST_PROBE = 80
"""So many at most: each step that goes wrong, which costs a refusal or two, doubles the wait for the next."""
NEXT_PROBE = 3
"""Round trips between two steps beyond the ceiling that go well."""
PAUSES_PER_PROBE = 30
"""A step too far may cost a pause as long as the last one: not more than this part of the time."""


class Pace:
    """The number of calls that may be in flight at one endpoint, and until when none may go out."""

    def __init__(self, most: int, *, slow_start: bool) -> None:
        self._most = float(most)
        self._limit = min(self._most, max(FIRST, most / FIRST_SHARE)) if slow_start else self._most
        self._rising = slow_start
        self._ceiling: float | None = None
        """Calls in flight that were too many."""
        self._good: float | None = None
        """The limit that held before the step beyond the ceiling that is being tried."""
        self._step = 1.0
        self._probe_at = 0.0
        self._probe_after = FIRST_PROBE
        self._lowered_at = self._paused_at = -math.inf
        self._pressures = 0
        """Pauses in a row after which nothing but back-pressure came; each is twice as long as the last."""
        self._latency_s: float | None = None
        self.cool_until = -math.inf
        """Nothing goes out before."""

    @property
    def limit(self) -> int:
        """Calls that may be in flight."""
        return max(1, int(self._limit))

    @property
    def alone(self) -> bool:
        """True when back-pressure is all that comes: one call at a time finds out when that is over."""
        return self._pressures >= ALONE_AFTER

    @property
    def round_trip_s(self) -> float:
        """What an answer takes."""
        return FIRST_LATENCY_S if self._latency_s is None else self._latency_s

    def answered(self, now: float, latency_s: float, in_flight: int) -> None:
        """An answer came while so many calls were in flight, itself included."""
        self._latency_s = latency_s if self._latency_s is None else 0.9 * self._latency_s + 0.1 * latency_s
        if now - latency_s > self._paused_at:
            if self.alone:  # all at once would be turned away again
                self._limit = max(1.0, self._limit / 2)
            self._pressures = 0
        if in_flight < self.limit:
            return  # more than is used is not needed, and nothing is known of it
        if self._rising:
            self._limit = min(self._most, self._limit + 1.0)
            return
        if self._ceiling is not None and self._limit >= self._target() and now >= self._probe_at:
            self._probe(now)
        gap = self._target() - self._limit
        if gap > 0:
            self._limit += min(gap, self._growth(now, gap) / self._limit)

    def pressed(self, now: float, sent_at: float, among: int, retry_after_s: float | None) -> None:
        """Back-pressure came to a call that was sent as one of so many in flight."""
        self._rising = False
        if retry_after_s is not None:
            self.cool_until = max(self.cool_until, now + retry_after_s)
        if sent_at <= self._lowered_at or now - self._lowered_at <= self.round_trip_s:
            if self._ceiling is not None:
                self._ceiling = max(self._limit + 1.0, min(self._ceiling, float(among)))
            self._pause(now, sent_at)
        elif self._good is not None and among >= self._good:
            self._step_back(now, self._good, retry_after_s)
        else:
            self._lower(now, among, retry_after_s)
            self._pause(now, sent_at)

    def pause(self, until: float) -> None:
        """Nothing goes out before."""
        self.cool_until = max(self.cool_until, until)

    def _target(self) -> float:
        """Where the limit goes: just below what was too many."""
        return self._most if self._ceiling is None else min(self._most, max(1.0, self._ceiling - 1.0))

    def _growth(self, now: float, gap: float) -> float:
        """Calls more in a round trip."""
        if self._ceiling is not None:
            return max(1.0, APPROACH * gap)
        calm = (now - self._lowered_at) / self.round_trip_s / FASTER_AFTER
        return max(1.0, INCREASE * self._limit) * max(1.0, calm)

    def _probe(self, now: float) -> None:
        """The ceiling is put higher, by more each time."""
        if self._limit >= self._most:
            return
        if self._good is not None:  # the last step went well
            self._probe_after = FIRST_PROBE
        self._good = self._limit
        self._ceiling = self._limit + 1.0 + self._step
        self._step = min(2 * self._step, self._most)
        self._probe_at = now + NEXT_PROBE * self.round_trip_s

    def _step_back(self, now: float, good: float, retry_after_s: float | None) -> None:
        """A step beyond the ceiling went wrong, as it may: all is as before it, and the next one is later."""
        self._lowered_at = self._paused_at = now
        self._limit, self._ceiling, self._good = good, good + 1.0, None
        self._probe_after = min(2 * self._probe_after, LAST_PROBE)
        self._wait_for_probe(now, retry_after_s)

    def _lower(self, now: float, among: int, retry_after_s: float | None) -> None:
        self._lowered_at = now
        wrong = self._ceiling is not None and among < self._ceiling
        self._limit = max(1.0, self._limit * DECREASE)
        self._ceiling = None if wrong else max(float(among), self._limit + 1.0)
        self._good = None
        self._wait_for_probe(now, retry_after_s)

    def _pause(self, now: float, sent_at: float) -> None:
        """One for all calls that went out before it; those that went out since then make it longer."""
        if sent_at < self._paused_at or now < self.cool_until:
            return
        self._paused_at = now
        pause_s = SHORTEST_PAUSE * 2**self._pressures * random.uniform(0.5, 1.0) * self.round_trip_s
        self.cool_until = now + min(max(LONGEST_PAUSE_S, self.round_trip_s), pause_s)
        self._pressures = min(self._pressures + 1, 12)

    def _wait_for_probe(self, now: float, retry_after_s: float | None) -> None:
        self._step = 1.0
        wait_s = max(self._probe_after * self.round_trip_s, PAUSES_PER_PROBE * (retry_after_s or 0.0))
        self._probe_at = now + wait_s
