"""What a person sees while a run goes on: a live display on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sdspec.cli.pace import Pace, PerMinute, clock, rate, roughly, thousands
from sdspec.cli.screen import Screen
from sdspec.contracts import Block
from sdspec.engine.run import Observer
from sdspec.engine.tally import Tally
from sdspec.plan.plan import Plan
from sdspec.prices import dollars
from sdspec.spec.models import BudgetSpec

FIRST_LINE_S, LONGEST_PAUSE_S = 5.0, 120.0
"""A log gets its first line after so long; then pauses double up to this, so that a day's run leaves 700 lines."""
WAITING_EVERY_S = 30.0
REASONS_SHOWN = 4
LEAST_SEEN = 50
"""So many rows, and three times those in flight, are decided before a run is called hopeless."""
LONGEST_BAR = 40
NO_BUDGET = BudgetSpec()


@contextmanager
def watcher(plan: Plan, *, quiet: bool) -> Iterator[Observer]:
    """An observer for where stderr goes."""
    if quiet:
        yield Quiet(plan)
        return
    console = Screen(stderr=True)
    # rich takes FORCE_COLOR for a terminal; in a log of a CI only the colours are wanted
    if not sys.stderr.isatty() or console.is_dumb_terminal:
        yield Plain(plan)
        return
    shown = OnTerminal(plan, console)
    live = Live(shown, console=console, refresh_per_second=5, transient=True)
    live.start(refresh=True)
    try:
        yield shown
    finally:
        with suppress(OSError):  # the terminal was closed
            live.stop()


class Quiet(Observer):
    """Says only what the user should know."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._warned = False

    def tick(self, tally: Tally, in_flight: int, elapsed_s: float) -> None:
        if not self._warned and (text := outlook(tally, self._plan)):
            self._warned = True
            self.warn(text)

    def say(self, text: str) -> None: ...

    def warn(self, text: str) -> None:
        _line(text)


class Plain(Quiet):
    """A line now and then, for logs."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan)
        self._pace = Pace(plan.max_attempts, _limits(plan))
        self._elapsed_s = 0.0
        self._next_s = self._pause_s = FIRST_LINE_S
        self._waiting_next_s = 0.0

    def tick(self, tally: Tally, in_flight: int, elapsed_s: float) -> None:
        super().tick(tally, in_flight, elapsed_s)
        self._elapsed_s = elapsed_s
        self._pace.tick(tally, elapsed_s)
        if elapsed_s >= self._next_s:
            self._pause_s = min(LONGEST_PAUSE_S, 2 * self._pause_s)
            self._next_s = elapsed_s + self._pause_s
            rejected = [f"rejected: {reasons(tally)}"] if tally.rejected else []
            said = numbers(tally, self._pace, in_flight, elapsed_s, self._plan.budget)
            parts = [f"{tally.kept}/{tally.wanted} kept", *said, *rejected]
            self.say(", ".join(parts))

    def waiting(self, text: str) -> None:
        if text and self._elapsed_s >= self._waiting_next_s:
            self._waiting_next_s = self._elapsed_s + WAITING_EVERY_S
            self.say(text)

    def say(self, text: str) -> None:
        _line(text)


class OnTerminal(Quiet):
    """A bar, a line of numbers, the reasons of rejects as they come, and what is waited for: each on one line."""

    def __init__(self, plan: Plan, console: Console) -> None:
        super().__init__(plan)
        self._console = console
        self._tally = Tally(wanted=plan.size)
        self._pace = Pace(plan.max_attempts, _limits(plan))
        self._numbers = ["starting"]
        self._said = ""
        self._waiting = ""

    def tick(self, tally: Tally, in_flight: int, elapsed_s: float) -> None:
        super().tick(tally, in_flight, elapsed_s)
        self._tally = tally
        self._pace.tick(tally, elapsed_s)
        if in_flight or tally.made + tally.failed:
            self._said = ""  # it was about the way to the first call
        self._numbers = numbers(tally, self._pace, in_flight, elapsed_s, self._plan.budget)
        if self._waiting and not _under_way(tally, in_flight):
            self._numbers = [clock(elapsed_s), *self._numbers[1:]]  # it says enough

    def waiting(self, text: str) -> None:
        self._waiting = text

    def say(self, text: str) -> None:
        self._said = text

    def warn(self, text: str) -> None:
        with suppress(OSError):  # the terminal was closed
            self._console.print(Text(text, style="yellow"))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width - 1  # a full line would make some terminals begin another
        yield self._bar(width)
        lines = [Text(fitting(self._numbers, width))]
        if self._tally.rejected:
            lines.append(Text(f"rejected: {reasons(self._tally)}", style="yellow"))
        lines += [Text(text, style="cyan") for text in (self._waiting, self._said) if text]
        for line in lines:
            line.truncate(width, overflow="ellipsis")
            yield line

    def _bar(self, width: int) -> Table:
        name, kept = Text(self._plan.name, style="bold"), f"{self._tally.kept}/{self._tally.wanted}"
        name.truncate(max(8, width // 3), overflow="ellipsis")
        room = width - name.cell_len - len(kept) - 2
        bar = ProgressBar(self._tally.wanted, self._tally.kept, width=max(4, min(LONGEST_BAR, room)))
        line = Table.grid(padding=(0, 1))
        line.add_row(name, bar, kept)
        return line


def outlook(tally: Tally, plan: Plan) -> str:
    """A warning when so many rows are rejected that the run will not get what it wants; empty otherwise."""
    seen = max(LEAST_SEEN, 3 * plan.engine.concurrency)
    if not seen <= tally.attempted < plan.max_attempts:
        return ""
    if not tally.kept:
        return f"none of the first {tally.attempted} rows was kept: {reasons(tally)}. Look why: sdspec show last"
    expected = round(plan.max_attempts * tally.kept / tally.attempted)
    if 2 * expected > tally.wanted:
        return ""
    few = f"{tally.kept} of the first {tally.attempted} rows were kept: {reasons(tally)}."
    most = f"workflow.max_attempts={plan.max_attempts} ends this run with about {expected} of {tally.wanted}."
    return f"{few} {most} Look why: sdspec show last"


def numbers(tally: Tally, pace: Pace, in_flight: int, elapsed_s: float, budget: BudgetSpec = NO_BUDGET) -> list[str]:
    """`1.4 rows/s`, `40 s left`, `4 in flight`, ...: the most wanted first."""
    found = []
    under_way = _under_way(tally, in_flight)
    if not under_way:
        doing = "waiting for the first answers" if in_flight else "starting"
        found = [f"{doing}, {clock(elapsed_s)}"]
    elif pace.kept_per_s:
        found = [rate(pace.kept_per_s)]
        if pace.left_s and tally.kept < tally.wanted:
            found.append(f"{roughly(pace.left_s)} left")
    if in_flight:
        found.append(f"{in_flight} in flight")
    found += limited(tally, budget, elapsed_s)
    if tally.cost_usd and budget.usd is None:
        found.append(dollars(tally.cost_usd))
    if under_way and budget.wall is None:
        found.append(clock(elapsed_s))
    counts = [
        (tally.from_journal, f"{tally.from_journal} from the journal"),
        (tally.bill.unpriced_calls, f"{tally.bill.unpriced_calls} of unknown price"),
        (budget.calls is None and tally.made, f"{tally.made} {'call' if tally.made == 1 else 'calls'}"),
        (budget.tokens is None and tally.made, f"{thousands(tally.tokens)} tokens"),
        (tally.retried, f"{tally.retried} retried"),
    ]
    return found + [text for count, text in counts if count]


def _under_way(tally: Tally, in_flight: int) -> bool:
    """True once a call has ended, and while rows come out of the journal alone."""
    return bool(tally.made + tally.failed or (tally.from_journal and not in_flight))


def limited(tally: Tally, budget: BudgetSpec, elapsed_s: float) -> list[str]:
    """What is spent of what may be: `$1.20 of $5.00`, `120 of 500 calls`, `1.2M of 2.0M tokens`, `4:10 of 30:00`."""
    found = []
    if budget.usd is not None:
        found.append(f"{dollars(tally.cost_usd)} of {dollars(budget.usd)}")
    if budget.calls is not None:
        found.append(f"{tally.made} of {budget.calls} calls")
    if budget.tokens is not None:
        found.append(f"{thousands(tally.tokens)} of {thousands(budget.tokens)} tokens")
    if budget.wall is not None:
        found.append(f"{clock(tally.earlier_s + elapsed_s)} of {clock(budget.wall)}")
    return found


def fitting(parts: Sequence[str], width: int) -> str:
    """As many of the parts, from the first on, as fit; at least one."""
    line = parts[0]
    for part in parts[1:]:
        if cell_len(line) + cell_len(part) + 2 > width:
            break
        line += f", {part}"
    return line


def reasons(tally: Tally) -> str:
    """`sql_error 3, duplicate 1`, the most frequent first."""
    most = tally.rejected.most_common(REASONS_SHOWN)
    more = len(tally.rejected) - len(most)
    return ", ".join(f"{reason} {count}" for reason, count in most) + (f" and {more} more" if more else "")


def _line(text: str) -> None:
    with suppress(OSError):  # nobody reads it any more: no reason to end a run
        print(text, file=sys.stderr, flush=True)


def _limits(plan: Plan) -> tuple[PerMinute, ...]:
    """The minutes of the plan's providers."""
    steps: dict[str, list[str]] = {}
    for step in plan.steps:
        if isinstance(step.part, Block) and (name := step.part.asks()) is not None:
            steps.setdefault(plan.models[name].provider_name, []).append(step.name)
    limits = {model.provider_name: model.provider.limits for model in plan.models.values()}
    return tuple(
        PerMinute(tuple(names), limits[provider].rpm, limits[provider].itpm, limits[provider].otpm)
        for provider, names in steps.items()
    )
