"""`sdspec runs`: the runs below the outputs folder, the newest first."""

from __future__ import annotations

import argparse
from pathlib import Path

import orjson
from rich.console import Console
from rich.table import Table

from sdspec.cli.run import relative
from sdspec.store.runfolder import RunFolder, list_runs


def main(args: argparse.Namespace) -> int:
    """One line a run on stdout."""
    runs = list_runs(Path(args.outputs))
    if args.json:
        body = [{**run.read_run(), "path": relative(run.path)} for run in runs]
        print(orjson.dumps(body, option=orjson.OPT_INDENT_2).decode())
        return 0
    if not runs:
        print(f"no runs in {args.outputs}; `sdspec run` makes one")
        return 0
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, right in (
        ("run", False),
        ("name", False),
        ("status", False),
        ("kept", True),
        ("of", True),
        ("USD", True),
    ):
        table.add_column(title, justify="right" if right else "left", no_wrap=title == "run")
    for run in runs:
        table.add_row(*_line(run))
    Console(highlight=False).print(table)
    return 0


def _line(run: RunFolder) -> tuple[str, ...]:
    record = run.read_run()
    counts = record.get("counts") or {}
    cost = f"{record['cost_usd']:.2f}" if "cost_usd" in record else "-"
    kept, wanted = str(counts.get("kept", "-")), str(counts.get("wanted", "-"))
    return run.id, record["name"], record["status"], kept, wanted, cost
