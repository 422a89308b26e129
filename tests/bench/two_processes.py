"""Two processes that run one spec at the same time over one journal: how many answers both of them buy.

    python -m tests.bench.two_processes [--rows 400] [--apart 2]

The journal is shared, so what one process has bought the other finds; but both begin with the same rows, and what is
in flight in one of them is not in the journal yet.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from tests.bench.faults import PROMPT, VARIABLES, Stand, sdspec
from tests.bench.mix import BookedOpenAI
from tests.recipes import write_spec
from tests.servers.http import running
from tests.servers.openai import Behaviour


def ran(rows: int, lanes: int, apart_s: float, latency_s: float) -> tuple[int, int, bool, float]:
    """Answers delivered, those of them that were bought twice, whether both have the same rows, and the seconds."""
    server = BookedOpenAI(Behaviour(latency_s=latency_s, latency_sigma=0.4))
    with tempfile.TemporaryDirectory() as name, running(server.handle) as url:
        folder = Path(name)
        write_spec(folder, {"template": {"prompt": PROMPT, "variables": VARIABLES}, "workflow": {"size": rows}})
        words = ["provider=openai_compatible", f"provider.base_url={url}/v1", "model=default", "model.id=any"]
        stand = Stand(server.books, {}, words)
        began, processes = time.monotonic(), []
        for pause_s in (0.0, apart_s):
            time.sleep(pause_s)
            processes.append(sdspec(folder, stand, "run", "colours", *words, f"engine.concurrency={lanes}"))
        hashes = set()
        for process in processes:
            out, err = process.communicate()
            assert process.returncode == 0, err
            hashes.add(json.loads((folder / out.splitlines()[-1] / "run.json").read_text())["rows_sha256"])
    delivered = server.books.delivered
    seconds = time.monotonic() - began
    return sum(delivered.values()), sum(delivered.values()) - len(delivered), len(hashes) == 1, seconds


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=400)
    parser.add_argument("--apart", type=float, default=2.0, help="seconds between the two starts of the last lines")
    said = parser.parse_args()
    print(f"{'rows':>6} {'lanes':>6} {'apart':>6} {'delivered':>10} {'twice (0)':>12} {'same rows':>10} {'seconds':>8}")
    for lanes, apart_s in ((16, 0.0), (64, 0.0), (16, said.apart), (64, said.apart)):
        delivered, twice, same, seconds = ran(said.rows, lanes, apart_s, latency_s=0.2)
        share = f"{twice} ({twice / said.rows:.0%})"
        print(f"{said.rows:>6} {lanes:>6} {apart_s:>6g} {delivered:>10} {share:>12} {same!s:>10} {seconds:>8.1f}")


if __name__ == "__main__":
    main()
