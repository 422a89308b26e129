"""Requests or tokens of the last minute: reserved by estimate, and what they really were once it is known.

    reserve(now, guess) -> Reservation      before the call is sent
    settle(reservation, now, amount)        when it is over; 0 gives all of it back

Input counts at an endpoint when a request arrives, output when the answer is sent. When that was is not known here, but
not later than the answer came: so an amount counts from the sending until a minute after the answer. Whatever minute
the endpoint looks at, when the last of its calls was sent all others were counted; so it never holds more than the
limit, however its minutes begin and however long requests and answers are on their way.
"""

from __future__ import annotations

import heapq
import itertools
import math
from dataclasses import dataclass

MINUTE_S = 60.05
"""With what two clocks may differ in a minute."""
LATE_S = 2.0
"""A request has arrived after so long, also where the answer is not there yet."""
LOOK_S = 0.02
"""Shortest time between two looks at a minute that is full: calls leave it one by one."""
SPREADS = 3.0
"""Standard deviations that are kept free above what calls in flight are expected to take together."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Tokens that a call will take, or one request."""

    mean: float
    variance: float = 0.0


@dataclass(slots=True, eq=False)
class Reservation:
    """What one call holds."""

    until: float
    """When it no longer counts, as far as that is known."""
    guess: Guess
    charged: int = 0
    settled: bool = False
    gone: bool = False
    """It no longer counts."""


class Window:
    """An amount over a sliding minute, never beyond the limit as far as the guesses hold."""

    def __init__(self, limit: int, *, by_arrival: bool) -> None:
        self.limit = limit
        self._by_arrival = by_arrival
        self._minute: list[tuple[float, int, Reservation]] = []
        """A heap by when they no longer count; one that was settled since is in it a second time."""
        self._order = itertools.count()
        self._charged = 0
        self._open = 0
        self._mean = self._variance = 0.0
        """Of the open reservations that count, together."""

    def used(self, now: float) -> float:
        """What was charged within the last minute, and what calls in flight may still take."""
        self._expire(now)
        return self._charged + self._mean + SPREADS * math.sqrt(self._variance)

    def fits(self, now: float, guess: Guess) -> bool:
        """True when the call may go; one that is beyond the limit by itself may when nothing else counts."""
        self._expire(now)
        return self._would_fit(self._charged, self._mean, self._variance, guess)

    def wait_s(self, now: float) -> float | None:
        """How long until there is more room by time alone; None when only calls in flight can make any."""
        self._expire(now)
        return max(LOOK_S, self._minute[0][0] - now) if self._minute else None

    def reserve(self, now: float, guess: Guess) -> Reservation:
        """The guess counts from now on."""
        held = Reservation(now + LATE_S + MINUTE_S if self._by_arrival else math.inf, guess)
        self._open += 1
        self._mean += guess.mean
        self._variance += guess.variance
        if self._by_arrival:
            self._push(held)
        return held

    def settle(self, held: Reservation, now: float, amount: int) -> None:
        """What the call took stands in the place of its guess; a second time changes nothing."""
        if held.settled:
            return
        self._expire(now)
        held.settled, held.charged = True, amount
        if held.gone:
            return
        self._close(held)
        self._charged += amount
        if now + MINUTE_S < held.until:
            held.until = now + MINUTE_S
            self._push(held)

    def _push(self, held: Reservation) -> None:
        heapq.heappush(self._minute, (held.until, next(self._order), held))

    def _would_fit(self, charged: int, mean: float, variance: float, guess: Guess) -> bool:
        spread = SPREADS * math.sqrt(max(0.0, variance + guess.variance))
        alone = charged <= 0 and mean < 0.5
        return alone or charged + mean + guess.mean + spread <= self.limit

    def _close(self, held: Reservation) -> None:
        self._open -= 1
        self._mean -= held.guess.mean
        self._variance -= held.guess.variance
        if not self._open:  # no dust of floating point is left
            self._mean = self._variance = 0.0

    def _expire(self, now: float) -> None:
        while self._minute and self._minute[0][0] <= now:
            until, _, held = heapq.heappop(self._minute)
            if until != held.until:
                continue
            held.gone = True
            if held.settled:
                self._charged -= held.charged
            else:
                self._close(held)
