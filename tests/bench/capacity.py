"""An endpoint that takes 24 calls at once and refuses more with 429: how many it refuses, and how full it is kept.

    python -m tests.bench.capacity            all cases, some minutes
    python -m tests.bench.capacity plain      one of them

400 rows of two chained calls of about 200 ms, 64 allowed in flight. "mean" is what the server had in flight from the
first request to the last answer; what it refused is not in flight.
"""

from __future__ import annotations

import multiprocessing
import sys
from collections.abc import Callable

from tests.bench.load import Ran, Server, run, served, table

TARGET = "target: fewer than 100 answers 429, and more than 18 in flight on average"
HEAD = ("case", "429", "mean", "of", "wall s", "kept")
PLAIN = ("--latency", "0.2", "--limit", "24")
CASES: dict[str, tuple[str, ...]] = {
    "plain": (*PLAIN, "--sigma", "0.5"),
    "sigma 0.3": (*PLAIN, "--sigma", "0.3"),
    "sigma 0.8": (*PLAIN, "--sigma", "0.8"),
    "slow 429": (*PLAIN, "--sigma", "0.5", "--refusal", "0.2"),
    "retry-after 1": (*PLAIN, "--sigma", "0.5", "--retry-after", "1"),
    "24 12 40": (*PLAIN, "--sigma", "0.5", "--limit-then", "250:12", "--limit-then", "450:40"),
    "5 % 429": (*PLAIN, "--sigma", "0.5", "--p429", "0.05"),
}


def _line(name: str, capacity: object, server: Server, ran: Ran) -> tuple[object, ...]:
    stats, kept = server.stats(), ran.record["counts"]["kept"]
    return name, stats["statuses"].get("429", 0), stats["mean_in_flight"], capacity, stats["busy_s"], kept


def _case(name: str) -> tuple[object, ...]:
    with served(*CASES[name]) as server:
        return _line(name, "12-40" if " 12 " in name else 24, server, run(server, 400, 2, "engine.concurrency=64"))


def _slow() -> tuple[object, ...]:
    with served("--latency", "2", "--limit", "24", "--sigma", "0.5") as server:
        return _line("2 s a call", 24, server, run(server, 200, 2, "engine.concurrency=64"))


def _share(server: Server, seed: int, results: multiprocessing.Queue[Ran]) -> None:
    results.put(run(server, 400, 2, "engine.concurrency=64", f"seed={seed}"))


def _two() -> tuple[object, ...]:
    results: multiprocessing.Queue[Ran] = multiprocessing.Queue()
    with served(*CASES["plain"]) as server:
        both = [multiprocessing.Process(target=_share, args=(server, seed, results)) for seed in (1, 2)]
        for one in both:
            one.start()
        ran = [results.get() for _ in both]
        return _line("two processes", 24, server, ran[0])


OTHERS: dict[str, Callable[[], tuple[object, ...]]] = {"2 s a call": _slow, "two processes": _two}


def main() -> None:
    """The cases that were asked for, or all of them."""
    names = sys.argv[1:] or [*CASES, *OTHERS]
    table(TARGET, HEAD, [OTHERS[name]() if name in OTHERS else _case(name) for name in names])


if __name__ == "__main__":
    main()
