"""A run for people: what was kept, what was rejected and why, samples, tokens and cost."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rich.text import Text

from sdspec import api
from sdspec.catalog.funnel import Funnel, Reason, read_funnel
from sdspec.cli.pace import clock, thousands
from sdspec.cli.runs import go_on, status
from sdspec.cli.screen import GAP, NARROW, Column, Screen, table
from sdspec.prices import dollars
from sdspec.store.tables import iter_rows

CELL = 320
"""Characters of a value that a sample shows."""
SEEDS_SHOWN = 12
INDENT = 4
USAGE = (
    Column("calls", right=True),
    Column("in", right=True, spare=1),
    Column("out", right=True, spare=1),
    Column("cost", right=True),
)

FUNNEL = (
    Column("funnel"),
    Column("rows", right=True),
    Column("share", right=True, spare=2),
    Column("", least=16, spare=1),
)
SEEDS = (
    Column("seed (fewest kept first)", least=16),
    Column("kept", right=True),
    Column("of", right=True),
    Column("rejected", least=20, spare=1, style="yellow"),
)


def print_result(run: api.Run) -> None:
    """What a run's end shows: a few rows, why others were rejected, tokens and cost; nothing where nothing was done."""
    screen = Screen()
    if run.summary is not None and not run.summary.tally.attempted:
        return
    _print_samples(screen, run, 3)
    funnel = read_funnel(run.path, samples=1)
    _print_reasons(screen, funnel.reasons)
    screen.gap()
    _print_pairs(screen, totals(run.record()))
    screen.print(Text("more: sdspec show last, and report.html in the folder", style="dim"))


def print_show(run: api.Run, samples: int) -> None:
    """`sdspec show`: all of it."""
    screen = Screen()
    record = run.record()
    funnel = read_funnel(run.path, samples)
    screen.print(Text.assemble((record["id"], "bold"), f"  {record['name']}  ", status(record)))
    for name, model in record.get("models", {}).items():
        screen.print(f"{name}: {model['id']} on {model['provider']['kind']}")
    screen.gap()
    _print_funnel(screen, run, funnel)
    _print_seeds(screen, funnel)
    _print_reasons(screen, funnel.reasons)
    _print_samples(screen, run, samples)
    screen.gap()
    _print_pairs(screen, totals(record))
    _print_usage(screen, record)
    if how := go_on(record, run.path.name):
        screen.print(Text(how, style="dim"))


def first_rows(run: api.Run, count: int) -> list[dict[str, Any]]:
    """The first kept rows with all their columns."""
    return list(itertools.islice(iter_rows(run.path), count))


def _print_funnel(screen: Screen, run: api.Run, funnel: Funnel) -> None:
    counts = run.record().get("counts") or {}
    left = attempted = funnel.kept + sum(reason.count for reason in funnel.reasons)
    rows = [("attempted", str(attempted), _share(attempted, attempted), "")]
    for step, reasons in itertools.groupby(_in_step_order(run, funnel), key=lambda reason: reason.step):
        lost = list(reasons)
        gone = sum(reason.count for reason in lost)
        left -= gone
        why = ", ".join(f"{reason.reason} {reason.count}" for reason in lost)
        rows.append((f"after {step}", str(left), _share(left, attempted), f"-{gone}: {why}"))
    wanted = f"of {counts['wanted']} wanted" if counts else ""
    rows.append(("kept", str(funnel.kept), _share(funnel.kept, attempted), wanted))
    screen.show(table(FUNNEL, rows, screen.room))
    if counts.get("surplus"):
        screen.print(f"and {counts['surplus']} surplus rows, started ahead and finished behind the cut")


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else ""


def _in_step_order(run: api.Run, funnel: Funnel) -> list[Reason]:
    """Reasons in the order of the plan's steps."""
    steps = [step["name"] for step in run.plan_record()["steps"]]
    return sorted(funnel.reasons, key=lambda reason: (steps.index(reason.step), -reason.count, reason.reason))


def _print_seeds(screen: Screen, funnel: Funnel) -> None:
    if not funnel.seeds:
        return
    lines = [(one.seed or "-", str(one.kept), str(one.attempted), one.reasons) for one in funnel.seeds[:SEEDS_SHOWN]]
    columns = SEEDS if any(one.reasons for one in funnel.seeds[:SEEDS_SHOWN]) else SEEDS[:-1]
    screen.gap()
    screen.show(table(columns, lines, screen.room))
    if len(funnel.seeds) > SEEDS_SHOWN:
        screen.print(f"and {len(funnel.seeds) - SEEDS_SHOWN} more seeds")


def _print_reasons(screen: Screen, reasons: Sequence[Reason]) -> None:
    """Each reason with its count, its step and what was wrong, below each other: messages are long."""
    if not reasons:
        return
    screen.gap()
    screen.print(Text("rejected", style="bold"))
    digits = max(len(str(reason.count)) for reason in reasons)
    for reason in reasons:
        title = Text.assemble(f"{reason.count:>{digits}} ", (reason.reason, "yellow"), f" in {reason.step}")
        screen.block(title, INDENT // 2)
        for _, detail, raw in reason.samples:
            screen.block(_short(detail), INDENT)
            if raw:
                screen.block(Text(_short(raw), style="dim"), INDENT + 2)


def _print_samples(screen: Screen, run: api.Run, count: int) -> None:
    for row in first_rows(run, count):
        screen.gap()
        screen.print(Text(f"{row['_row_id']}  {row['_seed']}", style="dim"))
        _print_pairs(screen, ((name, _short(str(row[name]))) for name in row if not name.startswith("_")))


def _print_pairs(screen: Screen, pairs: Iterator[tuple[str, str]]) -> None:
    """Name and value side by side, the value's further lines below it; one below the other where that is narrow."""
    named = list(pairs)
    widest = max((len(name) for name, _ in named), default=0)
    side_by_side = screen.width >= NARROW and widest <= screen.width // 3
    for name, value in named:
        if side_by_side:
            screen.block(value, widest + len(GAP), Text(name, style="bold"))
        elif len(name) + len(": ") + len(value) <= screen.width and "\n" not in value:
            screen.print(Text.assemble((f"{name}: ", "bold"), value))
        else:
            screen.print(Text(f"{name}:", style="bold"))
            screen.block(value, len(GAP))


def totals(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(`rows`, `14 of 30 kept, 300 attempted`), calls, tokens, cost and time; only the status while it runs."""
    counts = record.get("counts")
    if not counts:
        yield "rows", "no totals yet, it goes on" if record["status"] == "running" else "no totals, it was killed"
        return
    calls, tokens = counts["calls"], record["tokens"]
    extra = [
        (calls["retried"], "retried"),
        (calls["failed"], "failed"),
        (counts["reasked"], "asked again"),
        (counts["repaired"], "with repaired JSON"),
    ]
    more = "".join(f", {number} {what}" for number, what in extra if number)
    yield "rows", f"{counts['kept']} of {counts['wanted']} kept, {counts['attempted']} attempted"
    yield "calls", f"{calls['made']} made, {calls['from_journal']} from the journal{more}"
    yield "tokens", _tokens(tokens)
    yield "cost", _cost(record)
    yield "time", clock(record["elapsed_s"])
    if told := of_budget(record):
        yield "budget", told


def _tokens(tokens: Mapping[str, int]) -> str:
    """`9.1k in (2.0k cached), 1.2k out (800 reasoning)`"""
    parts = {
        "in": [("cached", "cached"), ("cache_write", "written to the cache")],
        "out": [("reasoning", "reasoning")],
    }
    found = []
    for side, names in parts.items():
        inner = ", ".join(f"{thousands(tokens[name])} {words}" for name, words in names if tokens.get(name))
        found.append(f"{thousands(tokens[f'{side}put'])} {side}{f' ({inner})' if inner else ''}")
    return ", ".join(found)


def _cost(record: Mapping[str, Any]) -> str:
    unpriced, cost = record["unpriced_calls"], record["cost_usd"]
    if unpriced:
        unknown = f"{unpriced} call{'' if unpriced == 1 else 's'} without a known price"
        return f"{dollars(cost)} and {unknown}" if cost else f"not known: {unknown}"
    if not cost:
        return "none"
    sources = dict.fromkeys(f"{one['source']}, {one['date']}" for one in record.get("prices", ()))
    return f"{dollars(cost)} (prices of {'; '.join(sources)})" if sources else dollars(cost)


def of_budget(record: Mapping[str, Any]) -> str:
    """`$4.98 of $5.00, 412 of 500 calls`; empty where nothing is limited."""
    limits, spent = record.get("budget") or {}, record.get("spent") or {}
    words: dict[str, tuple[str, Callable[[float], str], str]] = {
        "usd": ("usd", dollars, ""),
        "calls": ("calls", lambda count: f"{count:,}", " calls"),
        "tokens": ("tokens", thousands, " tokens"),
        "wall": ("wall_s", clock, ""),
    }
    told = ((spent.get(key), limits.get(name), show, unit) for name, (key, show, unit) in words.items())
    return ", ".join(
        f"{show(used)} of {show(limit)}{unit}"
        for used, limit, show, unit in told
        if used is not None and limit is not None
    )


def _print_usage(screen: Screen, record: Mapping[str, Any]) -> None:
    """What each step bought, and each model; nothing where one step asks one model, for the totals say that."""
    usage = record.get("usage") or {"steps": {}, "models": {}}
    if len(usage["steps"]) < 2:
        return
    for title, named in (("step", usage["steps"]), ("model", usage["models"])):
        rows = [
            (
                name,
                f"{one['calls']:,}",
                thousands(one["input_tokens"]),
                thousands(one["output_tokens"]),
                "?" if one["unpriced_calls"] else dollars(one["cost_usd"]),
            )
            for name, one in named.items()
        ]
        if len(rows) > 1:
            screen.print()
            screen.show(table([Column(title, least=8), *USAGE], rows, screen.room))


def _short(text: str) -> str:
    shown = re.sub(r"\n{3,}", "\n\n", text.strip("\n"))
    return shown if len(shown) <= CELL else f"{shown[:CELL]} ... ({len(text)} characters)"
