"""Several processes with one journal, or with one run folder, at once."""

import json
import os
import signal
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.bench.mix import BookedOpenAI
from tests.faults.project import LANES, Project, project, record
from tests.faults.zygote import Zygote
from tests.recipes import cli, start_cli

At = tuple[BookedOpenAI, str]
ROWS = 60


def together(made: Project, count: int, *words: str) -> list[subprocess.Popen[str]]:
    """So many runs of the project, started at once."""
    return [start_cli(made.folder, *made.words, *words) for _ in range(count)]


def hashes(made: Project, processes: list[subprocess.Popen[str]]) -> set[str]:
    """The rows' hashes of runs that end well."""
    found = set()
    for process in processes:
        out, err = process.communicate()
        assert process.returncode == 0, err
        found.add(record(made.folder / out.splitlines()[-1])["rows_sha256"])
    return found


def wait_for_answers(made: Project, count: int) -> None:
    """Returns when the server has delivered so many."""
    while len(made.server.books.delivered) < count:
        time.sleep(0.005)


def stop_between_commits(process: subprocess.Popen[str], journal: Path) -> None:
    """The process stands still, and not in the middle of a commit: nobody could write to the journal then."""
    while True:
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.05)
        with closing(sqlite3.connect(journal, timeout=0, isolation_level=None)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError:
                process.send_signal(signal.SIGCONT)
        time.sleep(0.02)


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_runs_of_one_spec_at_once_buy_each_answer_once(count: int, at: At, tmp_path: Path) -> None:
    """Law 3: what one process is buying the others wait for; all have the same rows."""
    made = project(tmp_path, at, ROWS)
    assert 1 == len(hashes(made, together(made, count)))
    assert 0 == made.twice


@pytest.mark.slow
def test_one_of_three_runs_is_killed(at: At, tmp_path: Path) -> None:
    """Law 3: the others buy what it was buying, and nothing else again."""
    made = project(tmp_path, at, ROWS)
    killed, *others = together(made, 3)
    wait_for_answers(made, 10)
    killed.kill()
    killed.communicate()
    assert 1 == len(hashes(made, others))
    assert made.twice <= LANES


@pytest.mark.slow
def test_one_of_two_runs_hangs(at: At, tmp_path: Path) -> None:
    """Law 3: a process that is stopped with calls in flight holds no other one up for ever."""
    made = project(tmp_path, at, ROWS)
    stopped, other = together(made, 2, "engine.timeout_s=2")
    wait_for_answers(made, 10)
    stop_between_commits(stopped, made.folder / "outputs" / "journal.sqlite")
    try:
        assert 1 == len(hashes(made, [other]))
    finally:
        stopped.kill()
        stopped.communicate()
    assert made.twice <= LANES


@pytest.mark.slow
def test_two_resumes_of_one_run_at_once(zygote: Zygote, at: At, tmp_path: Path) -> None:
    """One finishes the run; the other one says which process does, or that there is nothing left to do."""
    made = project(tmp_path, at, ROWS)
    assert zygote.run(made.folder, made.words, ("sqlite: COMMIT", 12)).killed
    (run,) = made.runs()
    both = [start_cli(made.folder, "resume", str(run), "--quiet") for _ in range(2)]
    said = {process.returncode: err for process in both for _, err in [process.communicate()]}
    assert 0 in said
    assert said.keys() == {0} or "is still running, as process" in said[1]
    assert record(run)["status"] == "done"
    assert made.twice <= LANES, "what the killed run had in flight"


def test_a_run_of_another_host_is_there_while_it_is_heard_of(tmp_path: Path) -> None:
    """A run on a shared disk whose host went down reads as interrupted in time."""
    run = tmp_path / "outputs" / "colours" / "2026-01-01_00-00-00-abcd"
    run.mkdir(parents=True)
    process = {"host": "elsewhere", "pid": 7, "started": "before"}
    (run / "run.json").write_text(json.dumps({"id": run.name, "status": "running", "process": process}))
    shown = json.loads(cli(tmp_path, "runs", "--json").stdout)
    assert [one["status"] for one in shown] == ["running"]
    long_ago = time.time() - 3600
    os.utime(run / "run.json", (long_ago, long_ago))
    shown = json.loads(cli(tmp_path, "runs", "--json").stdout)
    assert [one["status"] for one in shown] == ["interrupted"]
