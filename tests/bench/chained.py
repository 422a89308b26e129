"""Three dependent calls a row: the time of sdspec over that of a bare aiohttp driver that makes the same chains.

    python -m tests.bench.chained [--rows 1000] [--calls 3] [--lanes 64] [--runs 3] [KEY=VALUE ...]

Latencies are log-normal with a median of 200 ms and sigma 0.8, and follow from the prompt: both drivers send the same
prompts and meet the same latencies. Their time is the server's, from the first request to the last answer, slow start
included. "bound" is what the latencies take where every lane is always full.
"""

from __future__ import annotations

from tests.bench.bare import drive
from tests.bench.load import Ran, Server, alone, asked, fast, run, spread, table

LOAD = {"latency": 0.2, "sigma": 0.8}
MOST = 1.05
"""What is to be reached."""
WARMING = 20


def one(driver: str, server: Server, rows: int, chain: tuple[int, int], overrides: list[str]) -> Ran:
    """A driver's run of chains (calls in each, lanes), with all it needs imported before."""
    calls, lanes = chain

    def go(count: int) -> Ran:
        if driver == "aiohttp":
            return drive(driver, server, count, calls, lanes)
        return run(server, count, calls, f"engine.concurrency={lanes}", *overrides)

    server.reset(latency=0.0)
    go(WARMING)
    server.reset(**LOAD)
    return go(rows)


def main() -> None:
    """Prints a line for each driver, and the ratio."""
    said = asked(__doc__, rows=1_000, calls=3, lanes=64, runs=3)
    runs: dict[str, list[Ran]] = {"sdspec": [], "aiohttp": []}
    with fast() as server:
        for _ in range(said.runs):
            for driver, found in runs.items():
                found.append(alone(one, driver, server, said.rows, (said.calls, said.lanes), said.overrides))
    times = {driver: [ran.stats["busy_s"] for ran in found] for driver, found in runs.items()}
    lines: list[tuple[object, ...]] = []
    for driver, found in runs.items():
        stats = found[0].stats
        bound = stats["latency_s"] / said.lanes
        lines.append((driver, stats["requests"], f"{bound:.2f}", spread(times[driver], ".2f"), stats["mean_in_flight"]))
    title = f"{said.rows} rows of {said.calls} calls, {said.lanes} at once, {said.runs} runs: median (lowest-highest)"
    table(title, ("driver", "requests", "bound s", "seconds", "in flight"), lines)
    ratios = [ours / theirs for ours, theirs in zip(times["sdspec"], times["aiohttp"], strict=True)]
    print(f"  sdspec / aiohttp: {spread(ratios)}, at most {MOST}")


if __name__ == "__main__":
    main()
