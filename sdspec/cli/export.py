"""`sdspec export`: writes a run's rows again; it calls no model."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from sdspec import api
from sdspec.catalog.card import CARD
from sdspec.catalog.card_text import STATES
from sdspec.cli.as_json import print_json
from sdspec.exporting import Exported, Watch

PLAIN_EVERY_S = 10.0


def main(args: argparse.Namespace) -> int:
    """The written files on stdout, one on a line; how many rows, and where the card is, on stderr."""
    run = api.open_run(args.run, Path(args.outputs))
    with _watching() as watch:
        exported = api.export(run, args.words, into=Path(args.output) if args.output else None, watch=watch)
    if args.json:
        print_json(_as_json(run, exported))
        return 0
    for path in exported.paths:
        print(os.path.relpath(path))
    print(_said(run, exported), file=sys.stderr)
    return 0


def _said(run: api.Run, exported: Exported) -> str:
    status = run.record()["status"]
    rows = f"{exported.rows:,} row{'s' if exported.rows != 1 else ''}"
    if status in STATES:
        more = "so far" if status == "running" else f"so far, and more after `sdspec resume {run.path.name}`"
        rows = f"{STATES[status]}: {rows} {more}"
    return f"{rows}; the card: {os.path.relpath(exported.folder / CARD)}"


def _as_json(run: api.Run, exported: Exported) -> dict[str, object]:
    files = [
        {
            "name": one.name,
            "path": os.path.relpath(exported.folder / one.path),
            "format": one.format,
            "packer": one.packer,
            "rows": one.rows,
            "size_bytes": one.size_bytes,
            "sha256": one.sha256,
        }
        for one in exported.written
    ]
    card = os.path.relpath(exported.folder / CARD)
    record = run.record()
    return {"run": record["id"], "status": record["status"], "rows": exported.rows, "card": card, "files": files}


@contextmanager
def _watching() -> Iterator[Watch]:
    """Progress for where stderr goes: a bar per export on a terminal, a line now and then elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _plain()
        return
    columns = (TextColumn("{task.description}"), BarColumn(20), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        tasks = {}

        def show(name: str, rows: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name, total=total)
            progress.update(tasks[name], completed=rows)

        yield show


def _plain() -> Watch:
    last = time.monotonic()

    def say(name: str, rows: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_EVERY_S:
            last = time.monotonic()
            print(f"{name}: {rows:,} of {total:,} rows", file=sys.stderr, flush=True)

    return say
