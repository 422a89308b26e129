"""`sdspec resume`: finishes an interrupted run in its own folder."""

from __future__ import annotations

import argparse
from pathlib import Path

from sdspec import api
from sdspec.cli.progress import watcher
from sdspec.cli.run import report


def main(args: argparse.Namespace) -> int:
    """Exit code by the run's status."""
    run = api.open_run(args.run, Path(args.outputs))
    plan = api.plan_of(run)
    with watcher(plan, quiet=args.quiet) as observer:
        resumed = api.resume(run, observer, retry_errors=args.retry_errors)
    return report(resumed, args)
