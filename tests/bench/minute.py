"""Limits per minute: how near a run keeps to them, and whether it ever goes beyond, as the server counts.

    python -m tests.bench.minute              all three, each in a process: four minutes
    python -m tests.bench.minute rpm          one of them

The server counts over every 60 s that slide: requests and input tokens when they arrive, output tokens when the answer
is sent. "most" is the highest amount that any 60 s held; "used" is the share of the limit from the second minute on.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import sdspec
from tests.bench.load import planned, served, table

MINUTES = 3
WARMING_S = 45
"""Until the first request is out."""
LIMITS = {"rpm": 600, "itpm": 60_000, "otpm": 12_000}
KINDS = {"rpm": "requests", "itpm": "input", "otpm": "output"}


def _case(name: str) -> tuple[object, ...]:
    limit = LIMITS[name]
    with (
        served("--latency", "0.2", "--sigma", "0.5", f"--{name}", str(limit)) as server,
        TemporaryDirectory() as folder,
    ):
        words = [f"provider.limits.{name}={limit}", "engine.concurrency=64", "model.max_tokens=200"]
        plan = planned(Path(folder), server, 100_000, 1, *words)
        with suppress(TimeoutError):
            asyncio.run(asyncio.wait_for(sdspec.arun(plan), 60 * MINUTES + WARMING_S))
        meter = server.stats()["meter"]
    most, minutes = meter["peaks"][KINDS[name]], meter["minutes"][KINDS[name]]
    used = sum(minutes[1:MINUTES]) / limit / (MINUTES - 1)
    return name, limit, most, f"{100 * used:.1f} %", meter["refused"], " ".join(map(str, minutes))


def main() -> None:
    """The limits that were asked for, or all of them."""
    names = sys.argv[1:] or list(LIMITS)
    with ProcessPoolExecutor(len(names)) as pool:
        lines = list(pool.map(_case, names))
    head = ("limit", "a minute", "most", "used", "429", "by minute")
    table("target: never exceeded in any 60 s, and at least 95 % used from the second minute on", head, lines)


if __name__ == "__main__":
    main()
