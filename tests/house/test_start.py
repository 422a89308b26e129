"""sdspec is light to start (law 10): what a command does not need, it does not import."""

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"hydra", "omegaconf", "litellm", "datasets", "torch", "pyarrow", "pandas", "duckdb", "sqlglot", "xllamacpp"}
CALLING = {"litellm", "botocore", "datasets", "torch", "openai", "aiohttp", "xllamacpp"}
"""What only a run needs."""
READING = {"pyarrow", "numpy", "pandas", "duckdb", "rensa", "py3langid", "argcomplete"}
"""What only rows need, that there are or that are written."""
LOOKING = ["check", "plan", "preview", "explain model.temperature", "new mine", "schema", "runs"]
"""Commands that call no model and read no row."""


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


@pytest.mark.parametrize("command", LOOKING)
def test_looking_loads_no_client_and_no_tables(command: str, tmp_path: Path) -> None:
    """What only looks at a spec or lists runs imports no model client, table library or database, and no engine."""
    assert set() == imports(tmp_path, *command.split()) & (CALLING | READING)


@pytest.mark.parametrize("provider", ["bedrock", "fake", "local", "openai_compatible"])
def test_no_provider_brings_its_client(provider: str, tmp_path: Path) -> None:
    """`check` imports no model client, datasets or torch, whatever the provider."""
    loaded = imports(tmp_path, "check", f"provider={provider}", *_NEEDS.get(provider, ()))
    assert "hydra" in loaded
    assert set() == loaded & (CALLING | READING)


@pytest.mark.parametrize("export", ["jsonl", "json", "csv", "parquet", "hf", "alpaca", "sharegpt", "messages"])
def test_no_export_brings_its_library(export: str, tmp_path: Path) -> None:
    """A plan with an export of any format imports no table library: that is for whoever writes it."""
    assert set() == imports(tmp_path, "check", f"export={export}") & READING


def test_a_run_loads_no_pandas(tmp_path: Path) -> None:
    """From its first row to its exports a run imports none, which pyarrow would do for itself where it is installed."""
    done = subprocess.run([sys.executable, "-c", RUN], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "done False\n"


RUN = """
import sys, sdspec
run = sdspec.run(sdspec.compile(sdspec.load(None, ["provider=fake", "workflow.size=3"])))
print(run.record()["status"], "pandas" in sys.modules)
"""
_NEEDS = {
    "bedrock": ("model=claude_haiku",),
    "openai_compatible": ("provider.base_url=http://127.0.0.1:9/v1", "model.id=m"),
}
"""Provider -> what it cannot do without."""
