"""`sdspec resume`: finishes an interrupted run in its own folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdspec import api
from sdspec.cli.progress import watcher
from sdspec.cli.run import relative, report


def main(args: argparse.Namespace) -> int:
    """Exit code by the run's status."""
    run = api.open_run(args.run, Path(args.outputs))
    plan = api.plan_of(run, args.words)
    with watcher(plan, quiet=args.quiet) as observer:
        resumed = api.resume(run, observer, overrides=args.words, retry_errors=args.retry_errors)
    if resumed.summary is None:
        print(f"{run.path.name} is done; there is nothing to resume", file=sys.stderr)
        print(relative(run.path))
        return 0
    return report(resumed, args)
