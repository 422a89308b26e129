"""`sdspec run`: runs a spec; progress on stderr, the result on stdout, the run folder on its last line."""

from __future__ import annotations

import argparse
import asyncio
import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sdspec import api
from sdspec.cli.as_json import print_json
from sdspec.cli.problems import tell
from sdspec.cli.progress import watcher
from sdspec.cli.result import print_result
from sdspec.cli.runs import go_on
from sdspec.cli.sweep import main as sweep
from sdspec.cli.words import split_words
from sdspec.sweeping.results import EXIT_CODES

OTHERWISE = (
    "`sdspec doctor` looks at all that a run needs. Where the spec has to change (address, region, model), run it "
    "again: no answer is bought twice."
)
"""A resume takes no other key than a budget."""


def main(args: argparse.Namespace) -> int:
    """Exit code by the run's status."""
    target, overrides = split_words(args.words)
    if args.multirun:
        return sweep(args, target, overrides)
    plan = api.compile(api.load(target, overrides))
    for note in plan.notes:
        tell(f"note: {note}")
    with watcher(plan, quiet=args.quiet) as observer:
        run = asyncio.run(api.arun(plan, observer, retry_errors=args.retry_errors))
    return report(run, args)


def report(run: api.Run, args: argparse.Namespace) -> int:
    """The result is on stdout, its last line the run folder; the exit code tells of the run, read or not."""
    assert run.summary is not None
    with _unread():
        if args.json:
            print_json(run.record())
        elif not args.quiet:
            print_result(run)
    if run.summary.status != "done":
        tell(_ending(run.record(), run.path))
    with _unread():
        print(relative(run.path))
    return EXIT_CODES[run.summary.status]


@contextmanager
def _unread() -> Iterator[None]:
    """The reader of stdout may have gone, or the terminal been closed."""
    try:
        yield
    except BrokenPipeError:
        return
    except OSError as error:
        if error.errno != errno.EIO:
            raise


def relative(path: Path) -> str:
    """The path as one would type it from here."""
    return os.path.relpath(path)


def _ending(record: Mapping[str, Any], path: Path) -> str:
    why = record["why"]
    if record["status"] == "short":
        again = f"sdspec run {relative(path / 'spec.yaml')} workflow.max_attempts=..."
        return f"sdspec: fewer rows than wanted: {why}.\nLook why: sdspec show {path.name}. Go on with more: {again}"
    kept = f"All that was paid for is kept; {go_on(record, relative(path))}"
    if record["status"] == "budget":
        counts = record["counts"]
        return f"sdspec: stopped at {why}.\n{counts['kept']} of {counts['wanted']} rows are kept. {kept}"
    otherwise = f"\n{OTHERWISE}" if record["status"] == "failed" else ""
    return f"sdspec: {why}\n{kept}{otherwise}"
