"""A run whose answers all lie in the journal: rows a second.

    python -m tests.bench.again [--rows 100000] [--runs 3] [KEY=VALUE ...]

The first run buys the rows from provider `fake`; each further one is a process of its own and a new run folder. Its
time goes from the plan to the last file, what it imports and compiles is not counted.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import sdspec
from tests.bench.load import Ran, alone, asked, faked, peak_mb, spread, table, warm

LEAST = 10_000
"""Rows a second that are to be reached."""


def one(folder: Path, rows: int, overrides: list[str]) -> tuple[Ran, float]:
    """A run below the folder, and the most memory it had."""
    warm()
    plan = faked(folder, rows, *overrides)
    began, cpu = time.perf_counter(), time.process_time()
    record = sdspec.run(plan).record()
    return Ran(record, time.perf_counter() - began, time.process_time() - cpu), peak_mb()


def main() -> None:
    """Prints a line for the first run, and one for those after it."""
    said = asked(__doc__, rows=100_000, runs=3)
    with TemporaryDirectory() as name:
        runs = [alone(one, Path(name), said.rows, said.overrides) for _ in range(said.runs + 1)]
    lines: list[tuple[object, ...]] = []
    for title, least, found in (("first", "", runs[:1]), ("again", LEAST, runs[1:])):
        rate = spread([said.rows / ran.wall_s for ran, _ in found], ".0f")
        cpu = spread([1e6 * ran.cpu_s / said.rows for ran, _ in found], ".0f")
        calls = found[-1][0].record["counts"]["calls"]
        peak = max(peak for _, peak in found)
        lines.append((title, rate, least, cpu, calls["made"], calls["from_journal"], f"{peak:.0f}"))
    head = ("run", "rows/s", "at least", "CPU us a row", "bought", "from journal", "peak MB")
    table(f"{said.rows} rows, {said.runs} runs after the first: median (lowest-highest)", head, lines)


if __name__ == "__main__":
    main()
