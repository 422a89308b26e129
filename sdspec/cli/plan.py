"""`sdspec plan`: what would happen and what it would cost, and what has changed since the last run; without a call."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import asdict

from sdspec import api
from sdspec.cli.as_json import print_json
from sdspec.cli.flow import flow
from sdspec.cli.pace import roughly, thousands
from sdspec.cli.problems import tell
from sdspec.cli.screen import Screen
from sdspec.cli.words import split_words
from sdspec.plan.changes import BEHIND, SAME, Changes, KeyChange, StepChange
from sdspec.plan.estimate import HeldUp, Range, StepEstimate, held_up, outlook
from sdspec.plan.plan import WIDTH
from sdspec.prices import dollars

SEEDS_NAMED = 3
ENDED = ("done", "short")
"""A run that ended like this has asked all that its plan asks."""
LABEL = 17
"""Columns before the numbers of an estimate."""
LONGEST = 60
"""Characters of a value that a change shows."""


def main(args: argparse.Namespace) -> int:
    """The plan, its estimate and its changes on stdout."""
    target, overrides = split_words(args.words)
    plan = api.compile(api.load(target, overrides))
    estimates, changes = api.estimate(plan), api.changes(plan)
    if args.json:
        body = {
            **plan.to_json(),
            "estimate": [asdict(one) | {"price": one.price and one.price.to_json()} for one in estimates],
            "budget": {**plan.budget.model_dump(), "outlook": outlook(plan.budget, estimates)},
            "held_up": [asdict(one) for one in held_up(plan, estimates)],
            "new_calls": new_calls(estimates),
            "changes": None if changes is None else asdict(changes),
        }
        print_json(body)
        return 0
    for note in plan.notes:
        tell(f"note: {note}")
    width = min(WIDTH, Screen().room or WIDTH)
    print(plan.text(width))
    for one in estimates:
        print()
        for line in describe(one):
            print(textwrap.fill(line, width, subsequent_indent=" " * LABEL, break_on_hyphens=False))
    if found := [*map(_held_up, held_up(plan, estimates)), *outlook(plan.budget, estimates)]:
        print()
        print("\n".join(line for text in found for line in _wrapped(text, width)))
    if changes is not None:
        print()
        print("\n".join(describe_changes(changes, estimates, width)))
    return 0


def new_calls(estimates: Sequence[StepEstimate]) -> dict[str, int]:
    """Of the calls looked at, those that the journal does not hold; how many that is, and how many rows want."""
    looked_at, held = sum(one.rendered for one in estimates), sum(one.held for one in estimates)
    return {"new": looked_at - held, "looked_at": looked_at, "planned": sum(one.planned for one in estimates)}


def describe(found: StepEstimate) -> list[str]:
    """An estimate as lines."""
    lines = [
        f"{found.step}: asks {found.model} on {found.provider}",
        f"  new calls      {_new(found)}",
        f"  calls          {_range(found.calls, _count)}",
        f"  input tokens   {_range(found.input_tokens, thousands)}",
        f"  output tokens  {_range(found.output_tokens, thousands)}",
    ]
    if found.usd is None:
        unknown = f"not known: the price map has no row for this model; to count it: {found.price_example}"
        return [*lines, f"  cost           {unknown}"]
    if found.price is None:
        return [*lines, "  cost           free"]
    return [*lines, f"  cost           {_range(found.usd, _usd)}; prices of {found.price.source}"]


def _held_up(found: HeldUp) -> str:
    """`provider.limits.rpm: at 600 a minute its calls take about 34 min (34 min to 5 h).`"""
    return f"{found.key}: at {found.limit:,} a minute its calls take {_range(found.takes_s, roughly)}."


def _new(found: StepEstimate) -> str:
    new, planned = found.rendered - found.held, found.planned
    if not found.whole:
        return f"{new:,} of the first {found.rendered:,}, of {planned:,}"
    return f"{new:,} of {planned:,}" + ("; the journal holds the others" if 0 < new < planned else "")


def _range(found: Range, words: Callable[[float], str]) -> str:
    """`about 9.1k (7.8k to 1.0M)`"""
    if found.least == found.most:
        return words(found.least)
    return f"about {words(found.likely)} ({words(found.least)} to {words(found.most)})"


def _usd(usd: float) -> str:
    """Dollars, as exact as an estimate deserves: `$1,240`, `$14`, `$0.14`, `$0.0031`"""
    return f"${float(f'{usd:.3g}'):,.0f}" if usd >= 10 else dollars(float(f"{usd:.2g}"))


def _count(number: float) -> str:
    return f"{number:,.0f}"


def describe_changes(found: Changes, estimates: Sequence[StepEstimate], width: int) -> list[str]:
    """What has changed since the last run, as lines."""
    calls = new_calls(estimates)
    all_looked_at = all(one.whole for one in estimates)
    of = f"{calls['planned']:,}" if all_looked_at else f"the first {calls['looked_at']:,} of {calls['planned']:,}"
    bought = f"{calls['new']:,} new call{'' if calls['new'] == 1 else 's'} of {of}"
    if found.same and not calls["new"] and found.status in ENDED:
        held = "all answers are in the journal" if all_looked_at else f"the answers to {of} calls are in the journal"
        bought = f"{held}: nothing would be bought"
    if found.same and not found.keys:
        return _wrapped(f"as in the last run, {found.run} ({found.status}): {bought}", width)
    lines = [
        *_wrapped(f"since the last run, {found.run} ({found.status}): {bought}", width),
        *(line for change in found.keys for line in _key_lines(change, width)),
        *_seed_lines(found, width),
    ]
    if found.size[0] != found.size[1] and not any(change.key.startswith("workflow.size") for change in found.keys):
        lines.append(f"  size: {found.size[0]:,} -> {found.size[1]:,} rows")
    if found.same:
        return [*lines, "  the rows would be the same"]
    return [*lines, *_wrapped(f"  steps: {'; '.join(map(_step, found.steps))}", width)]


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width, subsequent_indent="    ", break_on_hyphens=False)


def _key_lines(change: KeyChange, width: int) -> list[str]:
    """One line where it fits, else the place on a line of its own."""
    shown = f"  {change.key}: {_differing(change.old, change.new)}"
    if not change.where:
        return _wrapped(shown, width)
    line = f"{shown}  {change.where}"
    return [line] if len(line) <= width else [*_wrapped(shown, width), *_wrapped(f"    {change.where}", width)]


def _differing(old: object, new: object) -> str:
    """Of texts with several lines the first line that differs."""
    if not isinstance(old, str) or not isinstance(new, str) or "\n" not in old.strip() + new.strip():
        return f"{_short(flow(old))} -> {_short(flow(new))}"
    was, now = old.splitlines(), new.splitlines()
    at = next(
        (at for at, pair in enumerate(zip(was, now, strict=False)) if pair[0] != pair[1]), min(len(was), len(now))
    )
    ends = [_short(flow(lines[at])) if at < len(lines) else "no such line" for lines in (was, now)]
    return f"line {at + 1}: {ends[0]} -> {ends[1]}"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _seed_lines(found: Changes, width: int) -> list[str]:
    parts = [
        f"{len(seeds):,} {what} ({', '.join(map(_short, seeds[:SEEDS_NAMED]))}{', ...' * (len(seeds) > SEEDS_NAMED)})"
        for seeds, what in ((found.seeds_added, "added"), (found.seeds_removed, "removed"))
        if seeds
    ]
    return _wrapped(f"  seeds: {', '.join(parts)}", width) if parts else []


def _step(change: StepChange) -> str:
    if change.state == SAME:
        return f"{change.step} as before"
    if change.state == BEHIND:
        return f"{change.step} only because of {change.because}" if change.because else f"{change.step} changed"
    return f"{change.step} {change.state}"
