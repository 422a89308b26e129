"""`report.html` of a run: one self-contained page with the funnel, reasons, lengths, latency and samples."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import duckdb

from sdspec.catalog.funnel import Funnel, read_funnel
from sdspec.catalog.views import ask
from sdspec.prices import dollars
from sdspec.store.disk import write_whole
from sdspec.store.tables import iter_rows

SAMPLES = 10
SEEDS = 60
BINS = 12
PRICED = ("input", "output", "cached", "cache_write")
TEXT = 2000
"""Characters of a value that the page shows."""

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #222 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } th { text-align: left }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .6rem .25rem 0; vertical-align: top }
.n { text-align: right; font-variant-numeric: tabular-nums } pre { margin: 0; white-space: pre-wrap }
.bar { background: #4a7ebb; display: inline-block; height: .8em } .muted { color: #777 } .why { color: #a15c00 }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd } th, td { border-color: #444 } }
"""


def write_report(folder: Path, record: Mapping[str, Any]) -> Path:
    """The page in the run folder, written whole; `record` is run.json."""
    funnel = read_funnel(folder, samples=3)
    parts = [
        f"<h1>{escape(record['name'])} <span class=muted>{escape(record['id'])}</span></h1>",
        _summary(record),
        *_usage(record),
        "<h2>Funnel</h2>",
        _funnel(funnel),
        "<h2>Rejected</h2>",
        _reasons(funnel),
        "<h2>Seeds</h2>",
        _seeds(funnel),
        *ask(folder, _histograms),
        "<h2>Kept rows</h2>",
        _samples(folder),
    ]
    page = f"<!doctype html><meta charset=utf-8><title>{escape(record['id'])}</title><style>{STYLE}</style>"
    path = folder / "report.html"
    write_whole(path, (page + "\n".join(parts) + "\n").encode())
    return path


def _summary(record: Mapping[str, Any]) -> str:
    counts, tokens = record["counts"], record["tokens"]
    models = ", ".join(f"{model['id']} on {model['provider']['kind']}" for model in record["models"].values())
    priced = "" if not record["unpriced_calls"] else f" and {record['unpriced_calls']} calls without a known price"
    aside = [("cached", "cached"), ("cache_write", "written to the cache"), ("reasoning", "reasoning")]
    apart = "".join(f", {tokens[name]:,} {words}" for name, words in aside if tokens.get(name))
    lines = [
        ("status", record["status"] + (f": {record['why']}" if record.get("why") else "")),
        ("model", models),
        ("rows", f"{counts['kept']} of {counts['wanted']} kept, {counts['attempted']} attempted"),
        ("calls", f"{counts['calls']['made']} made, {counts['calls']['from_journal']} from the journal"),
        ("tokens", f"{tokens['input']:,} in, {tokens['output']:,} out{apart}"),
        ("cost", f"{dollars(record['cost_usd'])}{priced}"),
        ("repairs", f"{counts['reasked']} asked again, {counts['repaired']} JSON repaired"),
        ("took", f"{record['elapsed_s']:.1f} s"),
        ("rows_sha256", record["rows_sha256"]),
    ]
    return _table((), [(name, value) for name, value in lines])


def _usage(record: Mapping[str, Any]) -> list[str]:
    """Tokens and cost by step, and the prices that they were counted with."""
    steps, prices = record.get("usage", {}).get("steps", {}), record.get("prices", ())
    numbers = ("calls", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens")
    lines = [
        (step, one["model"], *(one[name] for name in numbers), dollars(one["cost_usd"])) for step, one in steps.items()
    ]
    priced = [
        (
            one["name"],
            one["model"],
            *(_mtok(one[f"{kind}_usd_per_mtok"]) for kind in PRICED),
            one["source"],
            one["date"],
        )
        for one in prices
    ]
    found = ["<h2>Cost</h2>", _table(("step", "model", *(n.replace("_", " ") for n in numbers), "USD"), lines)]
    if priced:
        titles = ("model", "id", "input", "output", "cached", "cache write", "source", "date")
        found += ["<p class=muted>USD per million tokens:</p>", _table(titles, priced)]
    return found if lines else []


def _mtok(usd: float | None) -> str:
    return "-" if usd is None else f"{usd:g}"


def _funnel(funnel: Funnel) -> str:
    left = funnel.kept + sum(reason.count for reason in funnel.reasons)
    most = max(1, left)
    lines: list[tuple[object, ...]] = [("attempted", left, _bar(left / most))]
    for reason in funnel.reasons:
        left -= reason.count
        lines.append((f"after {reason.step}: {reason.reason}", left, _bar(left / most)))
    lines.append(("kept", funnel.kept, _bar(funnel.kept / most)))
    return _table(("", "rows", ""), lines)


def _reasons(funnel: Funnel) -> str:
    lines = []
    for reason in funnel.reasons:
        shown = "".join(
            f"<div class=why>{escape(detail)}</div><pre class=muted>{escape((raw or '')[:TEXT])}</pre>"
            for _, detail, raw in reason.samples
        )
        lines.append((reason.count, reason.step, reason.reason, _Html(shown)))
    return _table(("rows", "step", "reason", "for example"), lines) if lines else "<p>nothing</p>"


def _seeds(funnel: Funnel) -> str:
    lines = [(line.seed or "-", line.kept, line.attempted, line.reasons) for line in funnel.seeds[:SEEDS]]
    more = len(funnel.seeds) - SEEDS
    return _table(("seed", "kept", "of", "rejected"), lines) + (f"<p>and {more} more seeds</p>" if more > 0 else "")


def _histograms(db: duckdb.DuckDBPyConnection) -> list[str]:
    """Lengths of each text column in characters, and seconds per answer bought."""
    parts = []
    columns = db.execute("SELECT column_name, column_type FROM (DESCRIBE rows)").fetchall()
    for name in [name for name, kind in columns if kind == "VARCHAR" and not name.startswith("_")]:
        quoted = '"' + name.replace('"', '""') + '"'
        lengths = _histogram(db, f"SELECT length({quoted})::DOUBLE AS value FROM rows", whole=True)  # noqa: S608
        parts += [f"<h2>Length of {escape(name)}, characters</h2>", lengths]
    latencies = _histogram(db, "SELECT latency_s AS value FROM calls WHERE NOT from_journal")
    return [*parts, "<h2>Seconds per answer</h2>", latencies]


def _histogram(db: duckdb.DuckDBPyConnection, values: str, *, whole: bool = False) -> str:
    """The counts of the numbers that the query `values` gives as `value`, in bins of one width."""
    low, high = db.execute(f"SELECT min(value), max(value) FROM ({values})").fetchall()[0]  # noqa: S608
    if low is None:
        return "<p>none</p>"
    width = (high - low) / BINS or 1.0
    width = math.ceil(width) if whole else width
    counted = f"""
        SELECT least($last, floor((value - $low) / $width))::INTEGER AS bin, count(*)
        FROM ({values}) WHERE value IS NOT NULL GROUP BY bin ORDER BY bin
    """  # noqa: S608
    bins = db.execute(counted, {"last": BINS - 1, "low": low, "width": width}).fetchall()
    most = max(count for _, count in bins)
    shown = [(f"{low + at * width:,.3g}", count, _bar(count / most)) for at, count in bins]
    return _table(("from", "count", ""), shown)


def _samples(folder: Path) -> str:
    lines: list[tuple[object, ...]] = []
    for row in itertools.islice(iter_rows(folder), SAMPLES):
        shown = "".join(
            f"<b>{escape(name)}</b><pre>{escape(str(value)[:TEXT])}</pre>"
            for name, value in row.items()
            if not name.startswith("_")
        )
        lines.append((_Html(f"<code>{row['_row_id']}</code><br>{escape(row['_seed'])}"), _Html(shown)))
    return _table((), lines) if lines else "<p>none</p>"


class _Html(str):
    """Text that is markup already."""

    __slots__ = ()


def _bar(share: float) -> _Html:
    return _Html(f'<span class=bar style="width:{18 * share:.2f}rem"></span>')


def _table(titles: Sequence[str], lines: Iterable[Sequence[object]]) -> str:
    cells = list(lines)
    numbers = {at for at in range(len(titles)) if cells and all(isinstance(line[at], int) for line in cells)}
    head = "".join(f"<th{' class=n' if at in numbers else ''}>{escape(title)}" for at, title in enumerate(titles))
    body = "".join("<tr>" + "".join(map(_cell, line)) for line in cells)
    return f"<table>{'<tr>' + head if titles else ''}{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, _Html):
        return f"<td>{value}"
    number = isinstance(value, int)
    return f"<td class=n>{value:,}" if number else f"<td>{escape(str(value))}"
