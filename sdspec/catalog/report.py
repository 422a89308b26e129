"""`report.html` of a run: one self-contained page with the funnel, reasons, lengths, latency and samples."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import duckdb

from sdspec.catalog.funnel import Funnel, read_funnel
from sdspec.store.disk import write_whole
from sdspec.store.tables import iter_rows, read_table

SAMPLES = 10
SEEDS = 60
BINS = 12
TEXT = 2000
"""Characters of a value that the page shows."""

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; color: #222 }
h1 { font-size: 1.4rem } h2 { font-size: 1.1rem; margin-top: 2rem }
table { border-collapse: collapse; width: 100% } th { text-align: left }
th, td { border-bottom: 1px solid #ddd; padding: .25rem .6rem .25rem 0; vertical-align: top }
td.n { text-align: right; font-variant-numeric: tabular-nums } pre { margin: 0; white-space: pre-wrap }
.bar { background: #4a7ebb; display: inline-block; height: .8em } .muted { color: #777 } .why { color: #a15c00 }
@media (prefers-color-scheme: dark) { body { background: #1b1b1b; color: #ddd } th, td { border-color: #444 } }
"""


def write_report(folder: Path, record: Mapping[str, Any]) -> Path:
    """The page in the run folder, written whole; `record` is run.json."""
    funnel = read_funnel(folder, samples=3)
    parts = [
        f"<h1>{escape(record['name'])} <span class=muted>{escape(record['id'])}</span></h1>",
        _summary(record),
        "<h2>Funnel</h2>",
        _funnel(funnel),
        "<h2>Rejected</h2>",
        _reasons(funnel),
        "<h2>Seeds</h2>",
        _seeds(funnel),
        *_histograms(folder),
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
    lines = [
        ("status", record["status"] + (f": {record['why']}" if record.get("why") else "")),
        ("model", models),
        ("rows", f"{counts['kept']} of {counts['wanted']} kept, {counts['attempted']} attempted"),
        ("calls", f"{counts['calls']['made']} made, {counts['calls']['from_journal']} from the journal"),
        ("tokens", f"{tokens['input']:,} in, {tokens['output']:,} out"),
        ("cost", f"${record['cost_usd']:.4f}{priced}"),
        ("repairs", f"{counts['reasked']} asked again, {counts['repaired']} JSON repaired"),
        ("took", f"{record['elapsed_s']:.1f} s"),
        ("rows_sha256", record["rows_sha256"]),
    ]
    return _table((), [(name, value) for name, value in lines])


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


def _histograms(folder: Path) -> list[str]:
    """Lengths of each text column in characters, and seconds per answer bought."""
    parts = []
    with duckdb.connect() as db:
        rows, calls = read_table(folder, "rows"), read_table(folder, "calls")
        db.register("kept", rows)
        db.register("calls", calls)
        texts = [
            name
            for name in rows.column_names
            if not name.startswith("_") and str(rows.schema.field(name).type) == "string"
        ]
        for name in texts:
            quoted = '"' + name.replace('"', '""') + '"'
            found = db.execute(f"SELECT length({quoted}) FROM kept WHERE {quoted} IS NOT NULL").fetchall()  # noqa: S608
            parts += [f"<h2>Length of {escape(name)}, characters</h2>", _histogram([float(one) for (one,) in found])]
        found = db.execute("SELECT latency_s FROM calls WHERE latency_s IS NOT NULL AND NOT from_journal").fetchall()
        parts += ["<h2>Seconds per answer</h2>", _histogram([float(one) for (one,) in found])]
    return parts


def _histogram(values: Sequence[float]) -> str:
    if not values:
        return "<p>none</p>"
    low, high = min(values), max(values)
    width = (high - low) / BINS or 1.0
    bins = [0] * BINS
    for value in values:
        bins[min(BINS - 1, int((value - low) / width))] += 1
    most = max(bins)
    shown = [(f"{low + at * width:,.3g}", count, _bar(count / most)) for at, count in enumerate(bins) if count]
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
    head = "".join(f"<th>{escape(title)}" for title in titles)
    body = "".join("<tr>" + "".join(map(_cell, line)) for line in lines)
    return f"<table>{'<tr>' + head if titles else ''}{body}</table>"


def _cell(value: object) -> str:
    if isinstance(value, _Html):
        return f"<td>{value}"
    number = isinstance(value, int)
    return f"<td class=n>{value:,}" if number else f"<td>{escape(str(value))}"
