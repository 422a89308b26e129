"""`sdspec show`: one run on one screen."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from sdspec import api
from sdspec.catalog.funnel import read_funnel
from sdspec.cli.as_json import print_json
from sdspec.cli.result import first_rows, print_show
from sdspec.errors import StoreError
from sdspec.store.tables import read_batches


def main(args: argparse.Namespace) -> int:
    """The run's funnel, reasons, samples, tokens and cost on stdout."""
    run = api.open_run(args.run, Path(args.outputs))
    if next(read_batches(run.path, "rows"), None) is None:
        raise StoreError(f"run {run.path.name} ended before its first row ({run.record()['status']}).")
    if args.json:
        funnel = asdict(read_funnel(run.path, args.n))
        body = {"run": run.record(), "funnel": funnel, "rows": first_rows(run, args.n)}
        print_json(body)
    else:
        print_show(run, args.n)
    return 0
