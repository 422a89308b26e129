"""`sdspec plan`: what would happen and what it would cost, without a call."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

import orjson

from sdspec import api
from sdspec.cli.words import split_words
from sdspec.plan.estimate import Range, StepEstimate


def main(args: argparse.Namespace) -> int:
    """The plan and its estimate on stdout."""
    target, overrides = split_words(args.words)
    plan = api.compile(api.load(target, overrides))
    estimates = api.estimate(plan)
    if args.json:
        body = {**plan.to_json(), "estimate": [asdict(one) for one in estimates]}
        print(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
        return 0
    for note in plan.notes:
        print(f"note: {note}", file=sys.stderr)
    print(plan)
    for one in estimates:
        print()
        print("\n".join(describe(one)))
    return 0


def describe(found: StepEstimate) -> list[str]:
    """An estimate as lines."""
    known = f"{found.held} of the first {found.rendered} calls are in the journal"
    lines = [
        f"{found.step}: asks {found.model} on {found.provider}; {known}",
        f"  calls          {_range(found.calls)}",
        f"  input tokens   {_range(found.input_tokens)}",
        f"  output tokens  {_range(found.output_tokens)}",
    ]
    if found.usd is None:
        return [*lines, "  cost           not known: the price map has no row for this model"]
    if found.price is None:
        return [*lines, "  cost           free"]
    return [*lines, f"  cost           ${found.usd.least:,.2f} to ${found.usd.most:,.2f}  ({found.price.source})"]


def _range(found: Range) -> str:
    return f"{found.least:,.0f} to {found.most:,.0f}"
