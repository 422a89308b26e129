"""Small specs for tests, and runs of them through the public surface."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import yaml

import sdspec
from sdspec.api import Run
from sdspec.cli.main import main

COLOURS: dict[str, Any] = {
    "defaults": ["/sdspec", {"override /template": "custom"}, {"override /provider": "fake"}, "_self_"],
    "name": "colours",
    "template": {
        "prompt": "{{ examples }}\nWrite a question in a {{ mood }} mood about <topic>{{ seed }}</topic>",
        "seeds": ["red", "green", "blue", "black", "white"],
        "examples": [{"question": "Which colour is grass?", "answer": "Green."}],
        "variables": {"mood": {"choice": {"calm": 3, "wild": 1}}},
        "output": {"question": "str", "answer": "str"},
        "fake": {"question": "What of {{ seed }} {{ n }}?", "answer": "{{ mood }} {{ n % 7 }}"},
        "checks": [],
    },
    "workflow": {"size": 20},
}
"""A spec without a SQL check: five seeds, one variable that is drawn per row."""


def write_spec(folder: Path, changes: Mapping[str, Any] | None = None, name: str = "colours") -> Path:
    """`<folder>/specs/<name>.yaml`: COLOURS with some keys changed, nested as in the spec."""
    path = folder / "specs" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    body = _merged(COLOURS, changes or {})
    path.write_text(yaml.safe_dump(body, sort_keys=False, allow_unicode=True))
    return path


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = dict(below)
    for key, value in above.items():
        old = both.get(key)
        replaces = key in ("output", "fake", "mood") or not isinstance(value, Mapping) or not isinstance(old, Mapping)
        both[key] = value if replaces else _merged(old, value)
    return {key: value for key, value in both.items() if value is not None}


def run_spec(path: Path, *overrides: str, outputs: Path | None = None) -> Run:
    """A run of the spec below `<folder>/outputs`, where its journal is too."""
    below = outputs or path.parent.parent / "outputs"
    plan = sdspec.compile(sdspec.load(path, [*overrides, f"engine.outputs={below}"], cwd=path.parent.parent))
    return sdspec.run(plan)


def counts(run: Run) -> dict[str, Any]:
    """`counts` of the run's run.json."""
    found: dict[str, Any] = run.record()["counts"]
    return found


def cli(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`sdspec WORDS` in the folder, to its end."""
    return subprocess.run(
        [sys.executable, "-m", "sdspec", *words],
        cwd=folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )


def cli_here(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """`sdspec WORDS` in the folder, to its end, in this process.

    It saves the second that a process of its own takes to start: for what is not about processes, streams or signals.
    """
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2))
    with chdir(folder), patch.dict(os.environ, env), redirect_stdout(out), redirect_stderr(err):
        try:
            code = main(words)
        except SystemExit as left:  # --help
            code = int(left.code or 0)
    texts = (stream.buffer.getvalue().decode() for stream in (out, err))
    return subprocess.CompletedProcess(words, code, *texts)


def start_cli(folder: Path, *words: str) -> subprocess.Popen[str]:
    """`sdspec WORDS` in the folder, started."""
    return subprocess.Popen(
        [sys.executable, "-m", "sdspec", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def requests_in(log: Path) -> Counter[str]:
    """How often provider `fake` was asked each key, by its request log."""
    lines = log.read_text().splitlines() if log.exists() else []
    return Counter(json.loads(line)["key"] for line in lines)
