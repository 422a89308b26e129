"""`sdspec run`: runs a spec; progress on stderr, the result on stdout, the run folder on its last line."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

import orjson

from sdspec import api
from sdspec.cli.progress import watcher
from sdspec.cli.result import print_result
from sdspec.cli.words import split_words

EXIT = {"done": 0, "failed": 1, "short": 3, "interrupted": 130}


def main(args: argparse.Namespace) -> int:
    """Exit code by the run's status."""
    target, overrides = split_words(args.words)
    plan = api.compile(api.load(target, overrides))
    for note in plan.notes:
        print(f"note: {note}", file=sys.stderr)
    with watcher(plan, quiet=args.quiet) as observer:
        run = asyncio.run(api.arun(plan, observer, retry_errors=args.retry_errors))
    return report(run, args)


def report(run: api.Run, args: argparse.Namespace) -> int:
    """The result is on stdout, its last line the run folder."""
    assert run.summary is not None
    if args.json:
        print(orjson.dumps(run.record(), option=orjson.OPT_INDENT_2).decode())
    elif not args.quiet:
        print_result(run)
    if run.summary.status != "done":
        print(_ending(run.summary.status, run.summary.why, run.path), file=sys.stderr)
    print(relative(run.path))
    return EXIT[run.summary.status]


def relative(path: Path) -> str:
    """The path as one would type it from here."""
    return os.path.relpath(path)


def _ending(status: str, why: str, path: Path) -> str:
    if status == "short":
        again = f"sdspec run {relative(path / 'spec.yaml')} workflow.max_attempts=..."
        return f"sdspec: fewer rows than wanted: {why}.\nLook why: sdspec show {path.name}. Go on with more: {again}"
    return f"sdspec: {why}\nAll that was paid for is kept. Go on with: sdspec resume {relative(path)}"
