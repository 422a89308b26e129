"""What benchmarks share: a server, a plan of chained calls, runs in processes of their own, and a table of figures."""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

import orjson

import sdspec
from sdspec.blocks.generate import Generate
from sdspec.plan.plan import Plan
from tests.recipes import write_spec

ENDPOINT: dict[str, Any] = {
    "defaults": ["/sdspec", {"override /template": "custom"}, {"override /provider": "openai_compatible"}, "_self_"],
    "template": {
        "prompt": "Ask about {{ seed }}, {{ mood }}, number {{ number }}. {{ examples }}",
        "variables": {"mood": {"choice": ["calm", "wild"]}, "number": {"range": [0, 10**9]}},
    },
    "model": {"id": "any"},
}
FAKED: dict[str, Any] = {
    "defaults": ["/sdspec", {"override /template": "custom"}, {"override /provider": "fake"}, "_self_"],
    "template": {
        **ENDPOINT["template"],
        "fake": {
            "question": "On {{ number }}, {{ number * 7919 % 1000003 }}, {{ number * 104729 % 1000033 }}, {{ n }}?",
            "answer": "{{ mood }} {{ number }}: amber basin cedar delta ember field grain harbor island jasper kernel",
        },
    },
}
"""Questions that differ, also for a dedup that looks for alike ones."""
FOLLOW_UP = "Say it in other words: "
"""What the second and each later call of a chain asks, before the answer so far."""
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Server:
    """A test server in a process of its own."""

    base_url: str

    @property
    def url(self) -> str:
        """Its address, for Bedrock."""
        return self.base_url.removesuffix("/v1")

    def stats(self) -> dict[str, Any]:
        """Its counters."""
        with urllib.request.urlopen(f"{self.url}/stats") as reply:
            found: dict[str, Any] = orjson.loads(reply.read())
        return found

    def reset(self, **load: float | str) -> None:
        """Its counters are at nothing, and it answers as `tests.servers.fast.Load` says."""
        asked = urllib.request.Request(f"{self.url}/reset", data=orjson.dumps(load), method="POST")
        urllib.request.urlopen(asked).close()


@contextmanager
def served(*flags: str, module: str = "tests.servers.openai") -> Iterator[Server]:
    """`python -m MODULE FLAGS`, running."""
    with subprocess.Popen([sys.executable, "-m", module, *flags], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip())
        finally:
            process.terminate()


def fast(*flags: str) -> AbstractContextManager[Server]:
    """`python -m tests.servers.fast FLAGS`, running."""
    return served(*flags, module="tests.servers.fast")


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run went."""

    record: dict[str, Any]
    wall_s: float
    cpu_s: float
    stats: dict[str, Any] = field(default_factory=dict)
    """The server's, at the end."""


def planned(folder: Path, server: Server, rows: int, calls: int, *overrides: str) -> Plan:
    """A plan of so many rows, each a chain of so many calls of which each asks about the answer before it."""
    spec = write_spec(folder, {**ENDPOINT, "workflow": {"size": rows}})
    at_server = (
        [] if any(word.startswith("provider=") for word in overrides) else [f"provider.base_url={server.base_url}"]
    )
    said = [f"engine.outputs={folder / 'outputs'}", *at_server, *overrides]
    plan = sdspec.compile(sdspec.load(spec, said, cwd=folder))
    at = next(at for at, step in enumerate(plan.steps) if isinstance(step.part, Generate))
    first = plan.steps[at]
    assert isinstance(first.part, Generate)
    column = next(iter(first.part.columns))
    asks_on = first.part.model_copy(update={"prompt": f"{FOLLOW_UP}{{{{ {column} }}}}", "needs": (column,)})
    chain = [replace(first, name=f"{first.name}_{n}", part=asks_on) for n in range(1, calls)]
    return replace(plan, steps=(*plan.steps[: at + 1], *chain, *plan.steps[at + 1 :]))


def faked(folder: Path, rows: int, *overrides: str) -> Plan:
    """A plan of so many rows by provider `fake`, one call each, without a check."""
    spec = write_spec(folder, {**FAKED, "workflow": {"size": rows}})
    return sdspec.compile(sdspec.load(spec, [f"engine.outputs={folder / 'outputs'}", *overrides], cwd=folder))


def warm() -> None:
    """What a run by provider `fake` needs is imported."""
    with TemporaryDirectory() as folder:
        sdspec.run(faked(Path(folder), 10))


def run(server: Server, rows: int, calls: int, *overrides: str) -> Ran:
    """The chain has run in a folder of its own."""
    with TemporaryDirectory() as folder:
        plan = planned(Path(folder), server, rows, calls, *overrides)
        began, cpu = time.perf_counter(), time.process_time()
        ran = sdspec.run(plan)
        return Ran(ran.record(), time.perf_counter() - began, time.process_time() - cpu, server.stats())


def alone(function: Callable[..., _T], *words: object) -> _T:
    """What the function returns in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *words).result()


def asked(doc: str | None, **flags: int | str) -> argparse.Namespace:
    """What the command line says: these flags with their defaults, and overrides of the spec behind them."""
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    for name, default in flags.items():
        parser.add_argument(f"--{name}", type=type(default), default=default, help=f"default {default}")
    parser.add_argument("overrides", nargs="*", help="of the spec, e.g. template.parse=raw")
    return parser.parse_intermixed_args()


def middle(runs: Sequence[_T], figure: Callable[[_T], float]) -> _T:
    """The run whose figure is the median's."""
    return sorted(runs, key=figure)[len(runs) // 2]


def spread(figures: Sequence[float], form: str = ".3f") -> str:
    """The median, and how far the figures lie apart: `0.871 (0.860-0.874)`."""
    low, high = (format(one, form) for one in (min(figures), max(figures)))
    return f"{statistics.median(figures):{form}} ({low}-{high})"


def peak_mb() -> float:
    """The most memory that this process had, in MB of 1,000,000 bytes; pages of files and libraries included."""
    return _memory_mb("VmHWM")


def resident_mb() -> float:
    """The memory that it has."""
    return _memory_mb("VmRSS")


def _memory_mb(name: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith(f"{name}:"))


def table(title: str, head: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    """Prints lines below their head, as wide as they need, and how busy the machine was."""
    texts = [[f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in line] for line in (head, *lines)]
    widths = [max(len(line[at]) for line in texts) for at in range(len(head))]
    print(title)
    for line in texts:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"  load of the machine over the last 1, 5 and 15 minutes: {load} on {os.cpu_count()} cores", flush=True)
