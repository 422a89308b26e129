"""How fast a run goes and how long it will still take, from what has been decided so far; and words for numbers."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the engine; `sdspec runs` needs the words only
    from sdspec.engine.tally import Tally, Usage

LEAST_WINDOW_S = 15.0
LEAST_SEEN_S = 3.0
LEAST_KEPT = 3
"""Before so much is seen, neither number is known."""
SAMPLE_S = 1.0


@dataclass(frozen=True, slots=True)
class PerMinute:
    """What one provider grants a minute, to all steps that ask it."""

    steps: tuple[str, ...]
    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None

    def left_s(self, used: Mapping[str, Usage], before: Mapping[str, Usage], times: float) -> float:
        """Seconds of so many times what the steps have used since then."""
        slowest = 0.0
        for limit, name in ((self.rpm, "calls"), (self.itpm, "input_tokens"), (self.otpm, "output_tokens")):
            took = sum(getattr(used[step], name) for step in self.steps if step in used)
            took -= sum(getattr(before[step], name) for step in self.steps if step in before)
            slowest = max(slowest, 60 * took * times / limit) if limit else slowest
        return slowest


class Pace:
    """Rows decided per second over the later half of the run, so that a slow start or the journal's hits fade out.

    What a minute is granted is not outrun by a quick first ten seconds.
    """

    def __init__(self, max_attempts: int, limits: Sequence[PerMinute] = ()) -> None:
        self._max_attempts = max_attempts
        self._limits = limits
        self._first: tuple[int, dict[str, Usage]] | None = None
        """Rows that were attempted, and what steps had used, when this session of the run began."""
        self._samples: deque[tuple[float, int]] = deque([(0.0, 0)])
        self.kept_per_s = 0.0
        """Rows kept in a second; 0 while unknown."""
        self.left_s: float | None = None
        """Seconds until the wanted rows are kept, or until no further row may be attempted; None while unknown."""

    def tick(self, tally: Tally, elapsed_s: float) -> None:
        """Both numbers are up to date."""
        if self._first is None:
            self._first = tally.attempted, {step: replace(used) for step, used in tally.steps.items()}
        if elapsed_s - self._samples[-1][0] >= SAMPLE_S:
            self._samples.append((elapsed_s, tally.attempted))
        while len(self._samples) > 1 and self._samples[1][0] <= elapsed_s - max(LEAST_WINDOW_S, elapsed_s / 2):
            self._samples.popleft()
        since_s, attempted_then = self._samples[0]
        seen_s = elapsed_s - since_s
        attempts_per_s = (tally.attempted - attempted_then) / seen_s if seen_s > 0 else 0.0
        share = tally.kept / tally.attempted if tally.attempted else 0.0
        known = bool(attempts_per_s) and seen_s >= LEAST_SEEN_S and tally.kept >= LEAST_KEPT
        self.kept_per_s = attempts_per_s * share if known else 0.0
        self.left_s = None
        if known:
            needed = min((tally.wanted - tally.kept) / share, self._max_attempts - tally.attempted)
            self.left_s = max(max(0.0, needed) / attempts_per_s, self._by_limits(tally, needed))

    def _by_limits(self, tally: Tally, needed: float) -> float:
        """Seconds that so many attempts take at least, if they need what those of this session have needed."""
        assert self._first is not None
        attempted, used = self._first
        times = needed / max(1, tally.attempted - attempted)
        return max((one.left_s(tally.steps, used, times) for one in self._limits), default=0.0)


def rate(per_s: float) -> str:
    """`1.4 rows/s`, `12 rows/min` or `3.0 rows/h`"""
    unit, seconds = ("s", 1) if per_s >= 1 else ("min", 60) if 60 * per_s >= 1 else ("h", 3600)
    count = per_s * seconds
    return f"{count:.1f} rows/{unit}" if count < 10 else f"{count:,.0f} rows/{unit}"


def roughly(seconds: float) -> str:
    """`40 s`, `3 min`, `2 h 10 min` or `3 d 4 h`: as exact as a forecast deserves, so that it does not flicker."""
    if seconds < 90:
        return f"{max(5, 5 * round(seconds / 5))} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minute = divmod(5 * round(minutes / 5), 60)
    if hours < 24:
        return f"{hours} h {minute} min" if minute else f"{hours} h"
    days, hour = divmod(round(minutes / 60), 24)
    return f"{days} d {hour} h" if hour else f"{days} d"


def ago(seconds: float) -> str:
    """`12 s`, `3 min`, `5 h` or `2 d`: the largest unit alone."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def clock(seconds: float) -> str:
    """`1:02` or `2:03:04`"""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def thousands(count: float) -> str:
    """`9.1k`"""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return f"{count:.0f}"
