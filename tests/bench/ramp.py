"""What slow start costs where an endpoint has no limit: 2000 calls of 200 ms, with and without it.

    python -m tests.bench.ramp

run / ideal: the time from the first request to the last answer over calls x latency / concurrency; then the same over
the whole command. "at once" is the same run without slow start: its processor time per call is what it cannot beat.
"""

from __future__ import annotations

import sys
from unittest.mock import patch

from sdspec.providers.openai_compatible import OpenAICompatible
from tests.bench.load import Ran, Server, run, served, table

CALLS = 2000
LATENCY_S = 0.2


def _line(server: Server, ran: Ran, lanes: int, name: str) -> tuple[object, ...]:
    stats, ideal_s = server.stats(), CALLS * LATENCY_S / lanes
    cpu_ms = 1000 * ran.cpu_s / CALLS
    return lanes, name, stats["busy_s"] / ideal_s, ran.wall_s / ideal_s, cpu_ms, stats["peak_in_flight"]


def _case(lanes: int, *, slow_start: bool) -> tuple[object, ...]:
    with patch.object(OpenAICompatible, "slow_start", slow_start), served("--latency", str(LATENCY_S)) as server:
        ran = run(server, CALLS, 1, f"engine.concurrency={lanes}")
        return _line(server, ran, lanes, "slow start" if slow_start else "at once")


def main() -> None:
    """64 and 256 calls in flight, or as many as asked for."""
    lanes = [int(word) for word in sys.argv[1:]] or [64, 256]
    head = ("lanes", "start", "run/ideal", "with all", "CPU ms a call", "peak")
    with served() as server:
        run(server, 20, 1)  # imports litellm
    lines = [_case(count, slow_start=slow) for count in lanes for slow in (True, False)]
    table("target: a run with slow start takes little longer than one without", head, lines)


if __name__ == "__main__":
    main()
