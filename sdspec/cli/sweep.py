"""`sdspec run -m`: a sweep; a line for each job on stderr, at the end a table over the combinations on stdout."""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from rich.text import Text

from sdspec import api
from sdspec.cli.as_json import print_json
from sdspec.cli.pace import clock, thousands
from sdspec.cli.problems import tell
from sdspec.cli.progress import Quiet, watcher
from sdspec.cli.runs import go_on, status
from sdspec.cli.screen import NARROW, Cell, Column, Screen, table
from sdspec.engine.run import Observer
from sdspec.plan.plan import Plan
from sdspec.sweeping.job import SweepWatch
from sdspec.sweeping.results import Result, Sweep

REASONS_SHOWN = 2


def main(args: argparse.Namespace, target: str | None, overrides: list[str]) -> int:
    """Exit code of the worst job: 130 interrupted, 1 failed, 2 its spec is wrong, 3 fewer rows than wanted, 0."""
    sweep = api.sweep(target, overrides, Said(args.quiet, os.getpid()), retry_errors=args.retry_errors)
    for note in sweep.notes:
        tell(f"note: {note}")
    if args.json:
        print_json(sweep.to_json())
    elif not args.quiet:
        print_sweep(sweep)
    for line in _endings(sweep):
        print(line, file=sys.stderr)
    print(os.path.relpath(sweep.path))
    return sweep.exit_code


@dataclass(frozen=True)
class Said(SweepWatch):
    """What a person sees while a sweep goes on."""

    quiet: bool
    process: int
    """Only a job that runs in this one has the terminal for itself."""

    def say(self, text: str) -> None:
        _line(text)

    @contextmanager
    def job(self, result: Result, total: int | None, plan: Plan) -> Iterator[Observer]:
        if os.getpid() != self.process:
            yield OneOfMany(plan, _label(result, total))
            return
        if not self.quiet:
            _line(_label(result, total))
        with watcher(plan, quiet=self.quiet) as observer:
            yield observer

    def ended(self, result: Result, total: int | None) -> None:
        if self.quiet and result.exit_code == 0:
            return
        alone = os.getpid() == self.process and not self.quiet and result.plan is not None
        start = "     " if alone else f"{_label(result, total)}:"
        _line(f"{start} {', '.join(_outcome(result))}")


class OneOfMany(Quiet):
    """Of a job beside others: what the user should know, with its name; that it stops the sweep itself has said."""

    def __init__(self, plan: Plan, label: str) -> None:
        super().__init__(plan)
        self._label = label

    def warn(self, text: str) -> None:
        if not text.startswith("stopping"):
            _line(f"{self._label}: {text}")


def _line(text: str) -> None:
    with suppress(OSError):  # nobody reads it any more: no reason to end a run
        print(text, file=sys.stderr, flush=True)


def _label(result: Result, total: int | None) -> str:
    """`[2/4] model.temperature=0.2 model.top_p=1.0`"""
    number = f"[{result.number}/{total}]" if total is not None else f"[{result.number}]"
    return " ".join([number, *(f"{key}={value}" for key, value in result.swept.items())])


def _outcome(result: Result) -> list[str]:
    parts = [f"{result.status}: {result.why}" if result.why not in ("", result.status) else result.status]
    if result.counts:
        parts.append(f"{result.counts['kept']}/{result.counts['wanted']} kept")
        if result.counts["rejected"]:
            parts.append(f"rejected: {_reasons(result)}")
    if result.elapsed_s is not None:
        parts.append(clock(result.elapsed_s))
    return parts


def print_sweep(sweep: Sweep) -> None:
    """The table over the combinations; the swept keys that differ, then how each job went."""
    screen = Screen()
    keys = _differing(sweep.results)
    titles = _short(keys)
    screen.print()
    if screen.room is not None and screen.room < NARROW:
        for result in sweep.results:
            screen.print(_stacked(result, keys, titles))
        return
    columns, rows = _table(sweep.results, keys, titles)
    lines = table(columns, rows, None)
    fits = screen.room is None or max(line.cell_len for line in lines) <= screen.room
    screen.show(lines if fits else table(columns[:-1], [row[:-1] for row in rows], screen.room))
    if not fits:
        screen.print()
        values = (" ".join(f"{titles[key]}={result.swept.get(key, '')}" for key in keys) for result in sweep.results)
        runs = [(result.run_id or "-", value) for result, value in zip(sweep.results, values, strict=True)]
        screen.show(table([Column("run"), Column("", least=8)], runs, screen.room))


def _table(
    results: Sequence[Result], keys: Sequence[str], titles: Mapping[str, str]
) -> tuple[list[Column], list[list[Cell]]]:
    """The columns, those without anything to say left out, with their cells; the run is the last one."""
    told: list[tuple[Column, list[Cell]]] = [
        *((Column(titles[key], least=6), list[Cell](one.swept.get(key, "-") for one in results)) for key in keys),
        (Column("kept", right=True), [_kept(result) for result in results]),
        (Column("rate", right=True, spare=2), [_rate(result) for result in results]),
        (Column("rejected", least=16, spare=1, style="yellow"), [_reasons(result) for result in results]),
        (Column("calls", right=True, spare=4), [_calls(result) for result in results]),
        (Column("tokens", right=True, spare=5), [_tokens(result) for result in results]),
        (Column("USD", right=True, spare=3), [_cost(result) for result in results]),
        (Column("s", right=True, spare=6), [_seconds(result) for result in results]),
        (Column("status"), [_status(result) for result in results]),
        (Column("run"), [result.run_id or "-" for result in results]),
    ]
    shown = [(column, cells) for column, cells in told if any(map(str, cells))]
    return [column for column, _ in shown], [list(row) for row in zip(*(cells for _, cells in shown), strict=True)]


def _stacked(result: Result, keys: Sequence[str], titles: Mapping[str, str]) -> Text:
    """A block for a narrow screen, wrapped at words."""
    name = " ".join(f"{titles[key]}={result.swept.get(key, '-')}" for key in keys) or f"job {result.number}"
    lines = [Text(name, style="bold"), Text.assemble("  ", _status(result))]
    if result.counts:
        lines[1].append(f", {_kept(result)} kept ({_rate(result)})")
        cost = [f"${_cost(result)}"] if _cost(result) else []
        parts = [f"{_calls(result)} calls", f"{_tokens(result)} tokens", *cost, f"{_seconds(result)} s"]
        lines.append(Text(f"  {', '.join(parts)}"))
    if _reasons(result):
        lines.append(Text(f"  rejected: {_reasons(result)}", style="yellow"))
    if result.run_id:
        lines.append(Text(f"  {result.run_id}"))
    return Text("\n").join(lines)


def _differing(results: Sequence[Result]) -> list[str]:
    """The swept keys that are not the same in all jobs."""
    keys = dict.fromkeys(key for result in results for key in result.swept)
    return [key for key in keys if len({result.swept.get(key) for result in results}) > 1]


def _short(keys: Sequence[str]) -> dict[str, str]:
    """`model.temperature` -> `temperature`, or as many of its last parts as tell it from the other keys."""

    def end(key: str, parts: int) -> str:
        return ".".join(key.split(".")[-parts:])

    def clear(key: str, parts: int) -> bool:
        return end(key, parts) == key or [end(other, parts) for other in keys].count(end(key, parts)) == 1

    return {key: end(key, next(parts for parts in itertools.count(1) if clear(key, parts))) for key in keys}


def _kept(result: Result) -> str:
    return f"{result.counts['kept']}/{result.counts['wanted']}" if result.counts else "-"


def _rate(result: Result) -> str:
    return "-" if result.kept_rate is None else f"{100 * result.kept_rate:.0f} %"


def _reasons(result: Result) -> str:
    found = sorted((result.counts or {}).get("rejected", {}).items(), key=lambda pair: -pair[1])
    more = f" and {len(found) - REASONS_SHOWN} more" if len(found) > REASONS_SHOWN else ""
    return ", ".join(f"{reason} {count}" for reason, count in found[:REASONS_SHOWN]) + more


def _calls(result: Result) -> str:
    return str(result.counts["calls"]["made"]) if result.counts else "-"


def _tokens(result: Result) -> str:
    return thousands(result.tokens["input"] + result.tokens["output"]) if result.tokens else "-"


def _cost(result: Result) -> str:
    if result.unpriced_calls:
        return f"{result.cost_usd:.4f}+?" if result.cost_usd else "?"
    return f"{result.cost_usd:.4f}" if result.cost_usd else ""


def _seconds(result: Result) -> str:
    return "-" if result.elapsed_s is None else f"{result.elapsed_s:.1f}"


def _status(result: Result) -> Text:
    return Text(result.status, style=status({"status": result.status})[1])


def _endings(sweep: Sweep) -> Iterator[str]:
    """How to go on with what is not done; why it is not, each job has said when it ended."""
    for result in sweep.results:
        if result.path and (how := go_on({"status": result.status, "why": result.why}, result.path)):
            yield how
    if sweep.exit_code == 130:
        yield "All that was paid for is kept: the same command again runs the rest, and takes answers from the journal."
