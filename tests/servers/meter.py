"""Counts requests and tokens as a provider does, over every minute that slides, and says what is beyond its limits."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

MINUTE_S = 60.0


class Sliding:
    """An amount over the last minute, with the most that there ever was in one."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._events: deque[tuple[float, int]] = deque()
        self._now = 0
        self._first: float | None = None
        self.peak = 0
        """The most within any 60 s: a minute that holds more than all others ends with an event."""
        self.minutes: list[int] = []
        """Amount per minute since the first event."""

    def now(self) -> int:
        """The amount of the last 60 s."""
        while self._events and self._events[0][0] <= self._clock() - MINUTE_S:
            self._now -= self._events.popleft()[1]
        return self._now

    def add(self, amount: int) -> None:
        """The amount counts from now on."""
        now = self._clock()
        self._first = now if self._first is None else self._first
        minute = int((now - self._first) / MINUTE_S)
        self.minutes += [0] * (minute + 1 - len(self.minutes))
        self.minutes[minute] += amount
        self._events.append((now, amount))
        self._now += amount
        self.peak = max(self.peak, self.now())


class Busy:
    """How many requests were in flight, over the time from the first one's arrival to the last one's answer."""

    def __init__(self) -> None:
        self.first = self.last = 0.0
        self._area = 0.0

    def change(self, before: int) -> None:
        """The number in flight, so far `before`, changes now."""
        now = time.monotonic()
        self.first = self.first or now
        self._area += before * (now - (self.last or now))
        self.last = now

    def mean(self) -> float:
        """In flight on average."""
        return self._area / (self.last - self.first) if self.last > self.first else 0.0


@dataclass(frozen=True, slots=True)
class MinuteLimits:
    """What a provider allows a minute."""

    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None


NO_LIMITS = MinuteLimits()


class Meter:
    """Requests, input tokens (charged when a request arrives) and output tokens (when its answer is sent)."""

    def __init__(self, limits: MinuteLimits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self.requests, self.input, self.output = Sliding(clock), Sliding(clock), Sliding(clock)
        self.refused = 0
        """Requests beyond a limit."""

    def arrived(self, input_tokens: int) -> str:
        """What is exceeded by this request; empty where it is charged and may be answered."""
        limits = self.limits
        self.requests.add(1)
        if limits.rpm is not None and self.requests.now() > limits.rpm:
            return self._refused("requests")
        if limits.itpm is not None and self.input.now() + input_tokens > limits.itpm:
            return self._refused("input tokens")
        if limits.otpm is not None and self.output.now() >= limits.otpm:
            return self._refused("output tokens")
        self.input.add(input_tokens)
        return ""

    def answered(self, output_tokens: int) -> None:
        """The answer is sent."""
        self.output.add(output_tokens)

    def _refused(self, name: str) -> str:
        self.refused += 1
        return name

    def stats(self) -> dict[str, object]:
        """Peaks over any 60 s and amounts per minute, for people and scripts elsewhere."""
        kinds = {"requests": self.requests, "input": self.input, "output": self.output}
        return {
            "peaks": {name: kind.peak for name, kind in kinds.items()},
            "minutes": {name: kind.minutes for name, kind in kinds.items()},
            "refused": self.refused,
        }
