"""Tables of a run for people: what was kept, what was rejected and why, samples, tokens and cost."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sdspec import api
from sdspec.catalog.funnel import Funnel, Reason, read_funnel
from sdspec.cli.progress import clock, thousands
from sdspec.store.tables import iter_rows

CELL = 320
"""Characters of a value that a sample shows."""
SEEDS_SHOWN = 12


def print_result(run: api.Run) -> None:
    """What a run's end shows: a few rows, the funnel in short, tokens and cost."""
    console = Console(highlight=False)
    _print_samples(console, run, 3)
    funnel = read_funnel(run.path, samples=1)
    console.print(_totals(run.record()))
    if funnel.reasons:
        _print_reasons(console, funnel.reasons)


def print_show(run: api.Run, samples: int) -> None:
    """`sdspec show`: all of it."""
    console = Console(highlight=False)
    record = run.record()
    funnel = read_funnel(run.path, samples)
    console.print(Text.assemble((record["id"], "bold"), f"  {record['name']}  ", _status(record)))
    for name, model in record.get("models", {}).items():
        console.print(f"{name}: {model['id']} on {model['provider']['kind']}")
    console.print()
    _print_funnel(console, run, funnel)
    _print_seeds(console, funnel)
    if funnel.reasons:
        _print_reasons(console, funnel.reasons)
    _print_samples(console, run, samples)
    console.print(_totals(record))


def first_rows(run: api.Run, count: int) -> list[dict[str, Any]]:
    """The first kept rows with all their columns."""
    return list(itertools.islice(iter_rows(run.path), count))


def _status(record: Mapping[str, Any]) -> tuple[str, str]:
    colours = {"done": "green", "running": "cyan", "short": "yellow", "interrupted": "yellow"}
    why = f": {record['why']}" if record.get("why") else ""
    return record["status"] + why, colours.get(record["status"], "red")


def _print_funnel(console: Console, run: api.Run, funnel: Funnel) -> None:
    counts = run.record().get("counts") or {}
    left = funnel.kept + sum(reason.count for reason in funnel.reasons)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("funnel", "rows", "share", ""):
        table.add_column(title, justify="right" if title in ("rows", "share") else "left")
    attempted = max(1, left)
    table.add_row("attempted", str(left), "100 %", "")
    for step, reasons in itertools.groupby(_in_step_order(run, funnel), key=lambda reason: reason.step):
        lost = list(reasons)
        gone = sum(reason.count for reason in lost)
        left -= gone
        why = ", ".join(f"{reason.reason} {reason.count}" for reason in lost)
        table.add_row(f"after {step}", str(left), f"{100 * left / attempted:.0f} %", f"-{gone}: {why}")
    wanted = f"of {counts['wanted']} wanted" if counts else ""
    table.add_row("kept", str(funnel.kept), f"{100 * funnel.kept / attempted:.0f} %", wanted)
    console.print(table)
    if counts.get("surplus"):
        console.print(f"and {counts['surplus']} surplus rows, started ahead and finished behind the cut")


def _in_step_order(run: api.Run, funnel: Funnel) -> list[Reason]:
    """Reasons in the order of the plan's steps."""
    steps = [step["name"] for step in run.plan_record()["steps"]]
    return sorted(funnel.reasons, key=lambda reason: (steps.index(reason.step), -reason.count, reason.reason))


def _print_seeds(console: Console, funnel: Funnel) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("seed (fewest kept first)", ratio=3, overflow="fold")
    table.add_column("kept", justify="right")
    table.add_column("of", justify="right")
    table.add_column("rejected", ratio=2, overflow="fold", style="yellow")
    for line in funnel.seeds[:SEEDS_SHOWN]:
        table.add_row(Text(line.seed or "-"), str(line.kept), str(line.attempted), line.reasons)
    console.print()
    console.print(table)
    if len(funnel.seeds) > SEEDS_SHOWN:
        console.print(f"and {len(funnel.seeds) - SEEDS_SHOWN} more seeds")


def _print_reasons(console: Console, reasons: tuple[Reason, ...]) -> None:
    console.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("rejected", justify="right")
    table.add_column("step")
    table.add_column("reason", style="yellow")
    table.add_column("for example", overflow="fold")
    for reason in reasons:
        for position, (_, detail, raw) in enumerate(reason.samples or (("", "", None),)):
            first = position == 0
            cells = (str(reason.count), reason.step, reason.reason) if first else ("", "", "")
            example = Text(_short(detail))
            if raw:
                example.append(f"\n{_short(raw)}", style="dim")
            table.add_row(*cells, example)
    console.print(table)


def _print_samples(console: Console, run: api.Run, count: int) -> None:
    for row in first_rows(run, count):
        console.print()
        console.print(Text(f"{row['_row_id']}  {row['_seed']}", style="dim"))
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, value in row.items():
            if not name.startswith("_"):
                table.add_row(name, Text(_short(str(value))))
        console.print(table)
    console.print()


def _totals(record: Mapping[str, Any]) -> str:
    counts = record.get("counts")
    if not counts:
        return "no totals yet: the run has not ended"
    calls, tokens = counts["calls"], record["tokens"]
    parts = [
        f"{counts['kept']} of {counts['wanted']} rows kept, {counts['attempted']} attempted",
        f"{calls['made']} calls made, {calls['from_journal']} from the journal",
        f"{thousands(tokens['input'])} tokens in, {thousands(tokens['output'])} out",
        _cost(record),
        clock(record["elapsed_s"]),
    ]
    extra = [(counts["reasked"], "asked again"), (counts["repaired"], "JSON repaired"), (calls["retried"], "retried")]
    return "; ".join(parts + [f"{number} {what}" for number, what in extra if number])


def _cost(record: Mapping[str, Any]) -> str:
    if record["unpriced_calls"]:
        return f"${record['cost_usd']:.4f} and {record['unpriced_calls']} calls without a known price"
    return f"${record['cost_usd']:.4f}" if record["cost_usd"] else "no cost"


def _short(text: str) -> str:
    return text if len(text) <= CELL else f"{text[:CELL]} ... ({len(text)} characters)"
