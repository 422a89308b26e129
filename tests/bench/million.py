"""A million rows of one step by provider `fake`, journal on: rows a second, and memory as the rows grow.

    python -m tests.bench.million [--rows 1000000] [--dedup exact|near|null] [KEY=VALUE ...]

"peak" is the most memory that the process ever had, in MB of 1,000,000 bytes (VmHWM); the lines above it show what it
had when so many rows were attempted, so that growth per row can be told from what a run takes anyway. All is written
below a temporary folder (TMPDIR), some 3 GB, and deleted.
"""

from __future__ import annotations

import time
from pathlib import Path
from tempfile import TemporaryDirectory

import sdspec
from sdspec.engine.run import Silent
from sdspec.engine.tally import Tally
from tests.bench.load import alone, asked, faked, peak_mb, resident_mb, table, warm

LEAST = 3_000
"""Rows a second that are to be reached."""
MOST_MB = {"exact": 500, "near": 1200}
"""Memory that is to be kept to."""
LOOKS = 10


class Scale(Silent):
    """Weighs the process each time that another tenth of the rows is decided."""

    def __init__(self, rows: int) -> None:
        self._each, self._next = rows / LOOKS, rows / LOOKS
        self._began = self._last = (time.perf_counter(), 0)
        self.lines: list[tuple[object, ...]] = []

    def tick(self, tally: Tally, in_flight: int, elapsed_s: float) -> None:
        """Called a few times a second."""
        if tally.attempted < self._next:
            return
        self._next = (tally.attempted // self._each + 1) * self._each
        now = (time.perf_counter(), tally.attempted)
        rate = (now[1] - self._last[1]) / (now[0] - self._last[0])
        self._last = now
        seconds = now[0] - self._began[0]
        self.lines.append((tally.attempted, tally.kept, f"{seconds:.0f}", f"{rate:.0f}", f"{resident_mb():.0f}", ""))


def one(folder: Path, rows: int, dedup: str, overrides: list[str]) -> list[tuple[object, ...]]:
    """The lines of a run."""
    kind = "null" if dedup == "null" else f"{{kind: {dedup}, columns: [question]}}"
    warm()
    plan = faked(folder, rows, f"workflow.dedup={kind}", *overrides)
    scale = Scale(rows)
    began, cpu = time.perf_counter(), time.process_time()
    counts = sdspec.run(plan, scale).record()["counts"]
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - cpu
    target = f"at least {LEAST} rows/s, at most {MOST_MB.get(dedup, '-')} MB"
    rate = f"{counts['attempted'] / seconds:.0f}"
    last = ("whole run", counts["kept"], f"{seconds:.0f}", rate, f"{peak_mb():.0f} peak", target)
    cost = f"{1e6 * cpu_s / counts['attempted']:.0f} us CPU a row; rejected: {counts['rejected'] or 'none'}"
    return [*scale.lines, last, ("", "", "", "", "", cost)]


def main() -> None:
    """Prints the table."""
    said = asked(__doc__, rows=1_000_000, dedup="exact")
    with TemporaryDirectory() as name:
        lines = alone(one, Path(name), said.rows, said.dedup, said.overrides)
    table(f"{said.rows} rows, dedup {said.dedup}", ("attempted", "kept", "s", "rows/s", "MB", ""), lines)


if __name__ == "__main__":
    main()
