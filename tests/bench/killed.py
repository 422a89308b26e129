"""SIGKILL in the middle of a run, and the run resumed: how many calls are made twice, by the server's count.

    python -m tests.bench.killed [--calls 2000] [--lanes 64] [--runs 3] [KEY=VALUE ...]

Once with one call a row, and once with three of which each asks about the answer before it. The run is killed once half
of the calls were answered, and goes on in another process, in its own folder. "again" counts all requests whose prompt
had come before; what was in flight at the kill has to be asked again, nothing else: at most as many as there are lanes.
"sent" are those among them whose answer was on its way when nobody was there any more. The rows are to be those of a
run that nobody killed.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import sdspec
from sdspec.api import journal_path
from sdspec.engine.run import Silent
from sdspec.running import run_on
from sdspec.store.runfolder import find_run
from tests.bench.load import Server, alone, asked, fast, planned, table

LOAD = {"latency": 0.2, "sigma": 0.5}
CHAINS = (1, 3)
LOOK_S = 0.005
"""Between two looks at the server's counters."""


def one(folder: Path, server: Server, rows: int, calls: int, overrides: list[str]) -> dict[str, Any]:
    """run.json of a run below the folder: of the one that is there, finished, or of a new one."""
    plan = planned(folder, server, rows, calls, *overrides)
    outputs = folder / "outputs"
    if not outputs.exists():
        return sdspec.run(plan).record()
    begun = find_run(outputs, "last")
    asyncio.run(run_on(plan, begun, journal_path(plan), Silent(), retry_errors=False))
    return begun.read_run()


def killed(folder: Path, server: Server, rows: int, calls: int, overrides: list[str]) -> dict[str, Any]:
    """The server's counters just after a run was killed at half of its calls."""
    process = multiprocessing.get_context("spawn").Process(target=one, args=(folder, server, rows, calls, overrides))
    process.start()
    while server.stats()["ended"].get("answered", 0) < rows * calls // 2:
        assert process.is_alive()
        time.sleep(LOOK_S)
    process.kill()
    process.join()
    return server.stats()


def _case(server: Server, rows: int, calls: int, overrides: list[str]) -> tuple[object, ...]:
    hashes: list[str] = []
    at_kill: dict[str, Any] = {}
    for kill in (False, True):
        server.reset(**LOAD)
        with TemporaryDirectory() as name:
            folder = Path(name)
            if kill:
                at_kill = killed(folder, server, rows, calls, overrides)
            hashes.append(alone(one, folder, server, rows, calls, overrides)["rows_sha256"])
    repeated = server.stats()["repeated"]
    sent = repeated.get("after_answer", 0)
    return calls, rows * calls, at_kill["ended"]["answered"], sum(repeated.values()), sent, len(set(hashes)) == 1


def main() -> None:
    """Prints a line for each kill."""
    said = asked(__doc__, calls=2_000, lanes=64, runs=3)
    words = [f"engine.concurrency={said.lanes}", *said.overrides]
    with fast() as server:
        lines = [_case(server, said.calls // chain, chain, words) for _ in range(said.runs) for chain in CHAINS]
    head = ("calls a row", "calls", "answered", "again", "sent", "same rows")
    title = f"target: at most {said.lanes} calls again, those in flight at the kill, and the same rows"
    table(title, head, lines)


if __name__ == "__main__":
    main()
