"""The main job from the command line on a real model: the embedded one, answers checked by a real SQL engine."""

import json
from pathlib import Path

import pytest

from tests.recipes import cli


@pytest.mark.slow
def test_text2sql_on_the_embedded_model(tmp_path: Path, model: Path) -> None:
    """`sdspec run template=text2sql` in an empty folder makes the rows it is asked for, and a second run none anew."""
    words = ["run", "template=text2sql", "workflow.size=3", "workflow.max_attempts=60", "--quiet"]
    first = cli(tmp_path, *words)
    assert first.returncode == 0, first.stderr
    record = json.loads((tmp_path / first.stdout.splitlines()[-1] / "run.json").read_text())
    assert record["counts"]["kept"] == 3
    assert record["cost_usd"] == 0
    again = cli(tmp_path, *words)
    repeated = json.loads((tmp_path / again.stdout.splitlines()[-1] / "run.json").read_text())
    assert repeated["counts"]["calls"]["made"] == 0
    assert repeated["rows_sha256"] == record["rows_sha256"]
