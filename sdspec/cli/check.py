"""`sdspec check`: every problem of one spec or of several, and nothing else."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict

from sdspec.cli.as_json import print_json
from sdspec.cli.problems import tell
from sdspec.cli.screen import Screen
from sdspec.cli.words import split_specs
from sdspec.errors import Problem, SpecError
from sdspec.plan.compile import compile_all
from sdspec.plan.plan import Plan, kind_of
from sdspec.spec.load import load_spec


def main(args: argparse.Namespace) -> int:
    """0 when every spec is right, with a line on each; else all problems of all of them, and 2."""
    targets, overrides = split_specs(args.words)
    problems: list[Problem] = []
    for target in dict.fromkeys(targets) or [None]:
        found, line = _checked(target, overrides)
        problems += [problem for problem in found if problem not in problems]
        if line and not args.json:
            Screen().say(line)
    if args.json:
        print_json([asdict(problem) for problem in problems])
        return 2 if problems else 0
    if problems:
        raise SpecError(problems)
    return 0


def _checked(target: str | None, overrides: Sequence[str]) -> tuple[Sequence[Problem], str]:
    """A spec's problems, or what it is, in a line."""
    try:
        spec = load_spec(target, overrides)
    except SpecError as wrong:
        return wrong.problems, ""
    compiled = compile_all(spec)
    plan = compiled.plan
    for note in spec.notes if plan is None else plan.notes:
        tell(f"note: {note}")
    return compiled.problems, "" if plan is None else f"{target or 'default config'}: no problems. {describe(plan)}"


def describe(plan: Plan) -> str:
    """`200 rows of 26 seeds by smollm2-135m-instruct on local; steps: vary, generate, sql, dedup.`"""
    models = ", ".join(f"{model.call.id} on {kind_of(model.provider)}" for model in plan.models.values())
    seeds = f" of {len(plan.items):,} seeds" if len(plan.items) > 1 else ""
    steps = ", ".join(step.name for step in plan.steps)
    return f"{plan.size:,} rows{seeds} by {models}; steps: {steps}."
