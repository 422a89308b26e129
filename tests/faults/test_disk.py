"""A disk that is full, and a journal that is locked, read-only, damaged or gone."""

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.bench.mix import BookedOpenAI
from tests.faults.project import LANES, Project, gone_on, outcome, project, record
from tests.faults.zygote import Zygote
from tests.recipes import start_cli

At = tuple[BookedOpenAI, str]
ROWS = 40
LIMITED = """
import resource, signal, sys
from sdspec.cli.main import main
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), resource.RLIM_INFINITY))
sys.exit(main(sys.argv[2:]))
"""
IMPATIENT = """
import sys
from sdspec.cli.main import main
from sdspec.store import journal, ledger
journal.Journal.open.__func__.__defaults__ = (journal.MOUNTS, 1.0)
sys.exit(main(sys.argv[1:]))
"""
"""It waits a second for a lock."""
ON_A_SMALL_DISK = """
set -e
mount -t tmpfs -o size=$SIZE tmpfs "$DISK"
"$@" || echo "exit $?"
[ -d "$DISK/outputs" ] && cp -r "$DISK/outputs/." "$KEPT"
"""


@pytest.fixture(scope="module")
def calm(zygote: Zygote, at: At, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome of a run that nothing disturbs."""
    made = project(tmp_path_factory.mktemp("calm"), at, ROWS)
    return outcome(made.folder / zygote.run(made.folder, made.words).folder)


@pytest.mark.slow
@pytest.mark.parametrize("limit", [6_000, 140_000])
def test_a_file_that_cannot_grow(limit: int, zygote: Zygote, calm: dict[str, Any], at: At, tmp_path: Path) -> None:
    """Law 3: exit 1 with the file and the reason, no traceback; with room again all goes on."""
    made = project(tmp_path, at, ROWS)
    command = [sys.executable, "-c", LIMITED, str(limit), *made.words]
    full = subprocess.run(command, cwd=made.folder, capture_output=True, text=True, check=False)
    assert full.returncode == 1, full.stderr
    assert "journal" in full.stderr or "cannot write" in full.stderr
    assert "disk" in full.stderr or "beyond the allowed size" in full.stderr
    assert "Traceback" not in full.stderr
    assert all(record(run)["status"] in ("failed", "interrupted") for run in made.runs())
    assert all(found == calm for found in gone_on(zygote, made, resume_first=True))
    assert made.twice <= LANES


@pytest.mark.slow
@pytest.mark.parametrize("size_kb", [60, 140, 200, 260])
def test_a_full_disk(size_kb: int, zygote: Zygote, calm: dict[str, Any], at: At, tmp_path: Path) -> None:
    """Law 3 on a real file system that fills up, wherever that happens."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
        pytest.skip("this user may not mount a tmpfs of its own (unshare -rm)")
    made = project(tmp_path, at, ROWS)
    disk, kept = tmp_path / "disk", tmp_path / "outputs"
    disk.mkdir()
    kept.mkdir()
    env = {**os.environ, "SIZE": f"{size_kb}k", "DISK": str(disk), "KEPT": str(kept)}
    command = ["unshare", "-rm", "bash", "-c", ON_A_SMALL_DISK, "_", sys.executable, "-m", "sdspec", *made.words]
    words = [*command, f"engine.outputs={disk / 'outputs'}"]
    full = subprocess.run(words, cwd=made.folder, env=env, capture_output=True, text=True, check=False)
    assert "exit 1" in full.stdout, full.stdout + full.stderr
    assert "disk is full" in full.stderr
    assert "Traceback" not in full.stderr
    ended = zygote.run(made.folder, made.words)
    assert (0, calm) == (ended.code, outcome(made.folder / ended.folder)), ended.err
    assert made.twice <= LANES


def wait_for_answers(made: Project, process: subprocess.Popen[str], count: int) -> None:
    """Returns when the server has delivered so many, and fails when the run ends before."""
    while len(made.server.books.delivered) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


@pytest.mark.slow
def test_a_journal_that_is_locked_for_a_while(calm: dict[str, Any], at: At, tmp_path: Path) -> None:
    """The run waits, says why, and goes on."""
    made = project(tmp_path, at, ROWS)
    run = start_cli(made.folder, *(word for word in made.words if word != "--quiet"))
    wait_for_answers(made, run, 10)
    other = sqlite3.connect(tmp_path / "outputs" / "journal.sqlite", isolation_level=None, timeout=30)
    other.execute("BEGIN IMMEDIATE")
    assert run.stderr is not None
    said = ""
    while "the journal is locked" not in said:
        said = run.stderr.readline()
        assert said, run.communicate()
    other.execute("COMMIT")
    other.close()
    _, err = run.communicate()
    assert (0, calm) == (run.returncode, outcome(made.runs()[0])), err
    assert made.twice == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", ["locked for ever", "damaged", "gone"])
def test_a_journal_that_fails_in_mid_run(
    how: str, zygote: Zygote, calm: dict[str, Any], at: At, tmp_path: Path
) -> None:
    """Exit 1 or 0, one sentence; what could not be kept is at most what was in flight, where the journal is there."""
    made = project(tmp_path, at, ROWS)
    path = tmp_path / "outputs" / "journal.sqlite"
    command = [sys.executable, "-c", IMPATIENT, *made.words]
    run = subprocess.Popen(command, cwd=made.folder, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    wait_for_answers(made, run, 10)
    other = sqlite3.connect(path, isolation_level=None, timeout=30)
    if how == "locked for ever":
        other.execute("BEGIN IMMEDIATE")
    elif how == "damaged":
        with path.open("r+b") as file:
            file.seek(4096)
            file.write(bytes(200) * 100)
    else:
        for one in path.parent.glob("journal*"):
            one.unlink()
    _, err = run.communicate()
    other.close()
    assert "Traceback" not in err
    assert run.returncode in (0, 1), err
    if how == "locked for ever":
        assert (1, True) == (run.returncode, "another process keeps it locked" in err)
        assert [calm, calm] == gone_on(zygote, made, resume_first=True)
        assert made.twice <= LANES
    elif how == "damaged":
        again = zygote.run(made.folder, made.words)
        assert again.code == 0 or "the file is damaged; move it away" in again.err
    else:
        assert [calm] == gone_on(zygote, made, resume_first=False)[:1]
