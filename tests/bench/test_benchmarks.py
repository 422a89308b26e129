"""The benchmarks run: what they print is for people, and depends on the machine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SMALL = (
    "throughput --calls 60 --litellm 10 --lanes 8 --runs 1",
    "cpu --calls 40 --lanes 8 --runs 1",
    "chained --rows 20 --lanes 8 --runs 1",
    "killed --calls 120 --lanes 8 --runs 1",
    "again --rows 300 --runs 1",
    "million --rows 300 --dedup near",
    "startup --runs 1",
)


@pytest.mark.slow
@pytest.mark.parametrize("words", SMALL, ids=lambda words: words.partition(" ")[0])
def test_a_benchmark_prints_its_table(words: str) -> None:
    """Each one runs to its end, and says how busy the machine was."""
    name, *flags = words.split()
    done = subprocess.run(
        [sys.executable, "-m", f"tests.bench.{name}", *flags],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert "load of the machine" in done.stdout
    if name == "killed":
        assert [line.split()[-1] for line in done.stdout.splitlines()[2:4]] == ["True", "True"]
