"""Tokens of the last minute: reserved by estimate while a call is out, and what they really were once it is known.

    reserve(now, guess) -> Reservation      before the call is sent
    settle(reservation, now, tokens)        when it is over; 0 gives all of it back

Input tokens are charged by an endpoint when a request arrives, output tokens when the answer is sent. So a reservation
of input counts from its beginning, known or not, and one of output counts until it is settled and a minute longer.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

STRETCH = 1.02
"""A minute is taken for 61.2 s, which keeps 2 % under a limit: the endpoint's minutes do not begin with ours, and a
request arrives, as an answer does, some tenths of a second after it was sent; a connection must be made first."""
MINUTE_S = 60.0 * STRETCH
SPREADS = 3.0
"""Standard deviations that are kept free above what calls in flight are expected to take together."""


@dataclass(frozen=True, slots=True)
class Guess:
    """Tokens that a call will take."""

    mean: float
    variance: float = 0.0


@dataclass(slots=True, eq=False)
class Reservation:
    """Tokens that one call holds."""

    at: float
    guess: Guess
    charged: int = 0
    settled: bool = False
    gone: bool = False
    """It has left the minute."""


class TokenWindow:
    """Tokens of one kind over a sliding minute, never beyond the limit as far as the guesses hold."""

    def __init__(self, limit: int, *, by_arrival: bool) -> None:
        self.limit = limit
        self._by_arrival = by_arrival
        self._minute: deque[Reservation] = deque()
        """In the order of their time."""
        self._charged = 0
        self._open = 0
        self._mean = self._variance = 0.0
        """Of the open reservations that count, together."""

    def used(self, now: float) -> float:
        """Tokens charged within the last minute and those that calls in flight may still take."""
        self._expire(now)
        return self._charged + self._mean + SPREADS * math.sqrt(self._variance)

    def fits(self, now: float, guess: Guess) -> bool:
        """True when the call may go; one that is beyond the limit by itself may when nothing else counts."""
        self._expire(now)
        return self._would_fit(self._charged, self._mean, self._variance, guess)

    def wait_s(self, now: float, guess: Guess) -> float | None:
        """How long until it fits by time alone; None when only calls in flight can make room."""
        charged, mean, variance = self._charged, self._mean, self._variance
        for held in self._minute:
            if held.settled:
                charged -= held.charged
            else:
                mean, variance = mean - held.guess.mean, variance - held.guess.variance
            if self._would_fit(charged, mean, variance, guess):
                return max(0.0, held.at + MINUTE_S - now)
        return None

    def reserve(self, now: float, guess: Guess) -> Reservation:
        """The guess counts from now on."""
        held = Reservation(now, guess)
        self._open += 1
        self._mean += guess.mean
        self._variance += guess.variance
        if self._by_arrival:
            self._minute.append(held)
        return held

    def settle(self, held: Reservation, now: float, tokens: int) -> None:
        """What the call took stands in the place of its guess; a second time changes nothing."""
        if held.settled:
            return
        self._expire(now)
        held.settled, held.charged = True, tokens
        if held.gone:
            return
        self._close(held)
        self._charged += tokens
        if not self._by_arrival:
            held.at = now
            self._minute.append(held)

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
        while self._minute and self._minute[0].at + MINUTE_S <= now:
            held = self._minute.popleft()
            held.gone = True
            if held.settled:
                self._charged -= held.charged
            else:
                self._close(held)
