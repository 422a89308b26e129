"""`sdspec check`: every problem of a spec, and nothing else."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict

import orjson

from sdspec import api
from sdspec.cli.words import split_words
from sdspec.errors import SpecError
from sdspec.spec.load import load_spec


def main(args: argparse.Namespace) -> int:
    """0 when the spec is right; else its problems, and 2."""
    target, overrides = split_words(args.words)
    spec = load_spec(target, overrides)
    problems = api.check(spec)
    if args.json:
        print(orjson.dumps([asdict(problem) for problem in problems], option=orjson.OPT_INDENT_2).decode())
        return 2 if problems else 0
    for note in spec.notes:
        print(f"note: {note}", file=sys.stderr)
    if problems:
        raise SpecError(problems)
    plan = api.compile(spec)
    steps = ", ".join(step.name for step in plan.steps)
    print(f"{target or 'default config'}: no problems. {plan.size} rows of {len(plan.items)} seeds; steps: {steps}.")
    return 0
