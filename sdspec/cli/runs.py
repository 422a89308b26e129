"""`sdspec runs`: the runs below the outputs folder, the newest first; those of a sweep stand below its own line."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any

import orjson
from rich.text import Text

from sdspec.cli.as_json import print_json
from sdspec.cli.pace import ago
from sdspec.cli.screen import NARROW, Cell, Column, Screen, table
from sdspec.errors import StoreError
from sdspec.store.runfolder import RunFolder, list_runs

SHOWN = 20
"""Runs that a terminal shows when it is not asked for more."""
INDENT = "  "
STAMP = len("2026-11-21_15-15-33")
COLUMNS = (
    Column("run"),
    Column("name", least=12, spare=1),
    Column("status", at_last=6),
    Column("kept", right=True),
    Column("age", right=True, spare=2),
    Column("USD", right=True, spare=3),
)

Record = Mapping[str, Any]


def main(args: argparse.Namespace) -> int:
    """One line a run on stdout."""
    runs = list_runs(Path(args.outputs))
    if args.json:
        body = [{**_read(run), "path": os.path.relpath(run.path)} for run in runs]
        print_json(body)
        return 0
    if not runs:
        print(f"no runs in {args.outputs}; `sdspec run` makes one")
        return 0
    screen = Screen()
    most = args.n or (SHOWN if sys.stdout.isatty() else len(runs))
    groups = _grouped(runs, Path(args.outputs), most)
    now = datetime.now().astimezone()
    short = screen.room is not None and screen.room < NARROW
    names = [run.id for run in runs] if short else []
    screen.show(table(COLUMNS, list(_lines(groups, names, now)), screen.room))
    hidden = len(runs) - sum(map(len, groups.values()))
    if hidden:
        screen.print(Text(f"and {hidden} older: sdspec runs -n {len(runs)}", style="dim"))
    return 0


def status(record: Mapping[str, Any]) -> tuple[str, str]:
    """How the run stands, with the reason, and its colour."""
    colours = {"done": "green", "running": "cyan", "short": "yellow", "budget": "yellow", "interrupted": "yellow"}
    why = f": {record['why']}" if record.get("why") else ""
    return record["status"] + why, colours.get(record["status"], "red")


def go_on(record: Record, run: str) -> str:
    """How a run that was cut is finished: `go on with: sdspec resume RUN`; empty where there is nothing to finish."""
    if record["status"] in ("interrupted", "failed"):
        return f"go on with: sdspec resume {run}"
    if record["status"] != "budget":
        return ""
    key = str(record.get("why")).partition(":")[0]
    name = key.removeprefix("budget.")
    limit, spent = (record.get("budget") or {}).get(name), record.get("spent") or {}
    more = 2 * max(limit or 0, spent.get("wall_s" if name == "wall" else name) or 0)
    told = f"{more:.3g}" if more < 100 else str(round(more))
    return f"go on with more: sdspec resume {run} {key}={told if more else '...'}"


def _grouped(runs: Sequence[RunFolder], outputs: Path, most: int) -> dict[Path, list[RunFolder]]:
    """The newest runs, those of a sweep together below its folder's path; about as many as asked for."""
    groups: dict[Path, list[RunFolder]] = {}
    shown = 0
    for run in runs:
        key = run.path.parent if run.path.parent.parent != outputs else run.path
        if key in groups or shown < most:
            groups.setdefault(key, []).append(run)
            shown += 1
    return groups


def _lines(groups: Mapping[Path, Sequence[RunFolder]], names: Sequence[str], now: datetime) -> Iterator[Sequence[Cell]]:
    """The cells of each line; a sweep has one too, above those of its runs. With names, ids are cut."""
    for folder, runs in groups.items():
        records = [_read(run) for run in runs]
        swept = folder != runs[0].path
        if swept:
            yield _sweep_line(folder.name[:STAMP] if names else folder.name, folder.parent.name, records, now)
        for run, record in zip(runs, records, strict=True):
            name = _shown(run.id, names) if names else run.id
            cells = _line(run, record, now)
            yield (f"{INDENT[bool(names) :]}{name}", "", *cells[1:]) if swept else (name, *cells)


def _sweep_line(sweep: str, name: str, records: Sequence[Record], now: datetime) -> Sequence[Cell]:
    statuses = sorted(str(record["status"]) for record in records)
    said = ", ".join(f"{len(list(same))} {one}" for one, same in groupby(statuses))
    counts = [record.get("counts") or {} for record in records]
    kept = f"{sum(one.get('kept', 0) for one in counts)}/{sum(one.get('wanted', 0) for one in counts)}"
    cost = sum(record.get("cost_usd", 0.0) for record in records)
    return sweep, name, said, kept, _age(records[-1], now), f"{cost:.2f}"


def _line(run: RunFolder, record: Record, now: datetime) -> Sequence[Cell]:
    counts = record.get("counts")
    kept = f"{counts['kept']}/{counts['wanted']}" if counts else _kept_so_far(run)
    cost = f"{record['cost_usd']:.2f}" if "cost_usd" in record else "-"
    _, colour = status(record)
    return str(record["name"]), Text(record["status"], style=colour), kept, _age(record, now), cost


def _kept_so_far(run: RunFolder) -> str:
    """Of a run that goes on, or was killed: the rows that can be read."""
    from sdspec.store.tables import count_rows  # pyarrow; a list of ended runs does without

    plan = run.path / "plan.json"
    wanted = orjson.loads(plan.read_bytes())["size"] if plan.is_file() else "?"
    return f"{count_rows(run.path, 'rows')}/{wanted}"


def _age(record: Record, now: datetime) -> str:
    started = record.get("started_at")
    return ago((now - datetime.fromisoformat(started)).total_seconds()) if started else "-"


def _shown(name: str, names: Sequence[str]) -> str:
    """As much of a run's id as no other run begins with, from its time on: enough to name it in a command."""
    for length in range(STAMP, len(name)):
        if sum(other.startswith(name[:length]) for other in names) == 1:
            return name[:length]
    return name


def _read(run: RunFolder) -> Record:
    """`run.json`; of a damaged one, that it is."""
    try:
        return run.read_run()
    except StoreError:
        return {"name": run.path.parent.name, "status": "damaged"}
