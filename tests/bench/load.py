"""A server in another process, a plan of chained calls, a run of it through the engine, and a table of the figures."""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

import sdspec
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
OUTAGE_S = 60


@dataclass(frozen=True, slots=True)
class Server:
    """A test server in a process of its own."""

    base_url: str

    def stats(self) -> dict[str, Any]:
        """Its counters."""
        with urllib.request.urlopen(self.base_url.removesuffix("/v1") + "/stats") as reply:
            found: dict[str, Any] = orjson.loads(reply.read())
        return found


@contextmanager
def served(*flags: str) -> Iterator[Server]:
    """`python -m tests.servers.openai FLAGS`, running."""
    words = [sys.executable, "-m", "tests.servers.openai", *flags]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Server(process.stdout.readline().strip())
        finally:
            process.terminate()


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run went."""

    record: dict[str, Any]
    wall_s: float
    cpu_s: float


def planned(folder: Path, server: Server, rows: int, calls: int, *overrides: str) -> Plan:
    """A plan of so many rows, each a chain of so many calls."""
    spec = write_spec(folder, {**ENDPOINT, "workflow": {"size": rows}})
    said = [f"engine.outputs={folder / 'outputs'}", f"provider.base_url={server.base_url}", *overrides]
    plan = sdspec.compile(sdspec.load(spec, said, cwd=folder))
    first, *rest = plan.steps
    vary, generate = (first, rest[0]) if rest and first.name != "generate" else (None, first)
    chain = [replace(generate, name=f"{generate.name}_{n}") for n in range(calls)]
    after = [step for step in plan.steps if step is not vary and step is not generate]
    return replace(plan, steps=(*([vary] if vary else []), *chain, *after))


def run(server: Server, rows: int, calls: int, *overrides: str) -> Ran:
    """The chain has run in a folder of its own."""
    with TemporaryDirectory() as folder:
        plan = planned(Path(folder), server, rows, calls, *overrides)
        began, cpu = time.perf_counter(), time.process_time()
        ran = sdspec.run(plan)
        return Ran(ran.record(), time.perf_counter() - began, time.process_time() - cpu)


def table(title: str, head: Sequence[str], lines: Sequence[Sequence[object]]) -> None:
    """Prints lines below their head, as wide as they need."""
    texts = [[f"{cell:.2f}" if isinstance(cell, float) else str(cell) for cell in line] for line in (head, *lines)]
    widths = [max(len(line[at]) for line in texts) for at in range(len(head))]
    print(title)
    for line in texts:
        print("  " + "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)), flush=True)
