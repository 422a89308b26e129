"""How full an endpoint is kept: 20,000 calls of 200 ms, 64 and 256 at once, beside bare aiohttp and bare litellm.

    python -m tests.bench.throughput [--calls 20000] [--litellm 2000] [--runs 3] [--lanes 0] [KEY=VALUE ...]

"ideal" is calls x latency / lanes over the time from the first request to the last answer, by the server's clock: what
comes before and after is not in it, slow start is. "CPU" is the client's processor time a call; for sdspec that is over
the whole run, from the first row rendered to the last file written. Each driver runs in a process of its own, in turns,
and makes a few calls before it is measured: what it imports is not counted.
"""

from __future__ import annotations

from tests.bench.bare import drive
from tests.bench.load import Ran, Server, alone, asked, fast, run, spread, table

LATENCY_S = 0.2
LEAST = {64: 0.97, 256: 0.85}
"""What is to be reached."""
WARMING = 20


def one(driver: str, server: Server, calls: int, lanes: int, overrides: list[str]) -> Ran:
    """A driver's run, with all it needs imported before."""

    def go(count: int, seed: int) -> Ran:
        if driver != "sdspec":
            return drive(driver, server, count, 1, lanes)
        return run(server, count, 1, f"engine.concurrency={lanes}", f"seed={seed}", *overrides)

    server.reset(latency=0.0)
    go(WARMING, 1)
    server.reset(latency=LATENCY_S)
    return go(calls, 0)


def main() -> None:
    """Prints a line for each driver and number of lanes."""
    said = asked(__doc__, calls=20_000, litellm=2_000, runs=3, lanes=0)
    calls = {"sdspec": said.calls, "aiohttp": said.calls, "litellm": said.litellm}
    lines: list[tuple[object, ...]] = []
    with fast() as server:
        for lanes in [said.lanes] if said.lanes else LEAST:
            runs: dict[str, list[Ran]] = {driver: [] for driver, count in calls.items() if count}
            for _ in range(said.runs):
                for driver, found in runs.items():
                    found.append(alone(one, driver, server, calls[driver], lanes, said.overrides))
            for driver, found in runs.items():
                ideal = [calls[driver] * LATENCY_S / lanes / ran.stats["busy_s"] for ran in found]
                cpu = [1000 * ran.cpu_s / calls[driver] for ran in found]
                least = LEAST.get(lanes, "") if driver == "sdspec" else ""
                mean = sorted(ran.stats["mean_in_flight"] for ran in found)[len(found) // 2]
                lines.append((lanes, driver, calls[driver], spread(ideal), least, mean, spread(cpu, ".2f")))
    head = ("lanes", "driver", "calls", "of ideal", "target", "in flight", "CPU ms")
    table(f"{said.runs} runs, median (lowest-highest)", head, lines)


if __name__ == "__main__":
    main()
