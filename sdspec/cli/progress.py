"""What a person sees while a run goes on: a live display on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sdspec.engine.run import Observer, Silent
from sdspec.engine.tally import Tally
from sdspec.plan.plan import Plan

PLAIN_EVERY_S = 10.0
REASONS_SHOWN = 4


@contextmanager
def watcher(plan: Plan, *, quiet: bool) -> Iterator[Observer]:
    """An observer for where stderr goes."""
    if quiet:
        yield Silent()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Plain(plan)
        return
    shown = OnTerminal(plan)
    with Live(shown.view(), console=console, refresh_per_second=5, transient=True) as live:
        shown.live = live
        yield shown


class Plain(Observer):
    """A line every ten seconds, for logs."""

    def __init__(self, plan: Plan) -> None:
        self._size = plan.size
        self._last = time.monotonic()

    def tick(self, tally: Tally, in_flight: int, elapsed_s: float) -> None:
        if time.monotonic() - self._last >= PLAIN_EVERY_S:
            self._last = time.monotonic()
            self.say(summary_line(tally, in_flight, elapsed_s))

    def say(self, text: str) -> None:
        with suppress(OSError):  # nobody reads it any more: no reason to end a run
            print(text, file=sys.stderr, flush=True)


class OnTerminal(Observer):
    """A bar, a line of numbers, the reasons of rejects as they come, and what was said last."""

    def __init__(self, plan: Plan) -> None:
        self._name = plan.name
        self._tally = Tally(wanted=plan.size)
        self._line = "starting"
        self._said = ""
        self.live: Live | None = None

    def tick(self, tally: Tally, in_flight: int, elapsed_s: float) -> None:
        self._tally = tally
        self._line = summary_line(tally, in_flight, elapsed_s)
        if not tally.made + tally.from_journal + tally.failed:
            self._line = f"{'waiting for the first answers' if in_flight else 'starting'}, {clock(elapsed_s)}"
        if tally.attempted:
            self._said = ""
        self._show()

    def say(self, text: str) -> None:
        self._said = text
        self._show()

    def view(self) -> Group:
        """What is on the screen now."""
        bar = Table.grid(padding=(0, 1))
        bar.add_row(Text(self._name, style="bold"), ProgressBar(self._tally.wanted, self._tally.kept, width=40))
        lines: list[Table | Text] = [bar, Text(self._line)]
        if self._tally.rejected:
            lines.append(Text(f"rejected: {reasons(self._tally)}", style="yellow"))
        if self._said:
            lines.append(Text(self._said, style="cyan"))
        return Group(*lines)

    def _show(self) -> None:
        if self.live is not None:
            self.live.update(self.view())


def summary_line(tally: Tally, in_flight: int, elapsed_s: float) -> str:
    """`12/100 kept, 3 rejected, 15 calls (4 in flight), 9.1k tokens, $0.02, 1.4 rows/s, 1:02 left`"""
    rate = tally.kept / elapsed_s if elapsed_s > 0 else 0.0
    parts = [
        f"{tally.kept}/{tally.wanted} kept",
        f"{tally.attempted - tally.kept} rejected",
        f"{tally.made} calls ({in_flight} in flight)",
    ]
    if tally.from_journal:
        parts.append(f"{tally.from_journal} from the journal")
    if tally.retried:
        parts.append(f"{tally.retried} retried")
    parts.append(f"{thousands(tally.input_tokens + tally.output_tokens)} tokens")
    if tally.cost_usd:
        parts.append(f"${tally.cost_usd:.4f}")
    parts.append(f"{rate:.1f} rows/s" if rate >= 1 else f"{60 * rate:.1f} rows/min")
    left = tally.wanted - tally.kept
    if rate and left:
        parts.append(f"{clock(left / rate)} left")
    return ", ".join(parts)


def reasons(tally: Tally) -> str:
    """`sql_error 3, duplicate 1`, the most frequent first."""
    most = tally.rejected.most_common(REASONS_SHOWN)
    more = len(tally.rejected) - len(most)
    return ", ".join(f"{reason} {count}" for reason, count in most) + (f" and {more} more" if more else "")


def thousands(count: float) -> str:
    """`9.1k`"""
    for unit, size in (("M", 1e6), ("k", 1e3)):
        if count >= size:
            return f"{count / size:.1f}{unit}"
    return f"{count:.0f}"


def clock(seconds: float) -> str:
    """`1:02` or `2:03:04`"""
    whole = round(seconds)
    minutes, second = divmod(whole, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"
