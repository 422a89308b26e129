"""How long commands take that only look: help, and check and plan of a spec with a hundred seeds.

    python -m tests.bench.startup [--runs 7]

Wall time and processor time of whole processes; the first run of each, which may write bytecode, is not counted. On a
machine that does something else the processor time is the one to believe.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.bench.load import ENDPOINT, asked, spread, table
from tests.recipes import write_spec

SEEDS = [f"topic number {n}" for n in range(100)]
COMMANDS = {
    "sdspec --help": (["--help"], 0.2),
    "sdspec check": (["check", "colours"], ""),
    "sdspec plan": (["plan", "colours"], 1.0),
}
"""The words of each, and the seconds that are allowed."""


def timed(folder: Path, words: list[str]) -> tuple[float, float]:
    """Seconds and processor seconds of a command."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "sdspec", *words], cwd=folder, stdout=subprocess.DEVNULL, check=True)
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Prints a line for each command."""
    said = asked(__doc__, runs=7)
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    with TemporaryDirectory() as name:
        folder = Path(name)
        provider = {"base_url": "http://127.0.0.1:9/v1"}
        write_spec(folder, {**ENDPOINT, "provider": provider, "template": {"seeds": SEEDS}, "workflow": {"size": 1000}})
        for _ in range(said.runs + 1):
            for command, (words, _) in COMMANDS.items():
                found[command].append(timed(folder, words))
    lines = [
        (command, spread([wall for wall, _ in times[1:]]), COMMANDS[command][1], spread([cpu for _, cpu in times[1:]]))
        for command, times in found.items()
    ]
    head = ("command", "seconds", "at most", "CPU seconds")
    table(f"a spec with {len(SEEDS)} seeds, {said.runs} runs: median (lowest-highest)", head, lines)


if __name__ == "__main__":
    main()
