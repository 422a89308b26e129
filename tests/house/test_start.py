"""sdspec is light to start (law 10): what a command does not need, it does not import."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"hydra", "omegaconf", "litellm", "datasets", "torch", "pyarrow", "pandas", "duckdb", "sqlglot", "xllamacpp"}
CALLING = {"litellm", "datasets", "torch", "openai", "aiohttp", "xllamacpp"}
"""What only a run needs."""


def imports(folder: Path, *words: str) -> set[str]:
    """The top-level packages that `python -m sdspec words` imports in a fresh interpreter; it must exit 0."""
    command = [sys.executable, "-X", "importtime", "-m", "sdspec", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    lines = done.stderr.splitlines()
    timed = [line for line in lines if line.startswith("import time:")]
    said = [line for line in lines if line not in timed]
    assert (0, []) == (done.returncode, said)
    return {line.rpartition("|")[2].strip().partition(".")[0] for line in timed}


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_help_loads_nothing_heavy(words: list[str], tmp_path: Path) -> None:
    """Help and version import no config library, no table library, no database, no model client."""
    loaded = imports(tmp_path, *words)
    assert "sdspec" in loaded
    assert set() == loaded & HEAVY


@pytest.mark.parametrize("provider", ["fake", "local"])
@pytest.mark.parametrize("verb", ["check", "plan"])
def test_looking_loads_no_client(verb: str, provider: str, tmp_path: Path) -> None:
    """`check` and `plan` import no model client, datasets or torch, whatever the provider."""
    loaded = imports(tmp_path, verb, f"provider={provider}")
    assert "hydra" in loaded
    assert set() == loaded & CALLING
