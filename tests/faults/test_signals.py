"""What asks a run to end: Ctrl-C at any time and more than once, SIGTERM, a closed terminal, a reader that is gone."""

import os
import pty
import random
import signal
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
ROWS = 60


@pytest.fixture(scope="module")
def calm(zygote: Zygote, at: At, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The outcome of a run that nothing disturbs."""
    made = project(tmp_path_factory.mktemp("calm"), at, ROWS)
    return outcome(made.folder / zygote.run(made.folder, made.words).folder)


def wait_for_answers(made: Project, process: subprocess.Popen[Any], count: int) -> None:
    """Returns when the server has delivered so many, and fails when the run ends before."""
    while len(made.server.books.delivered) < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("signals", "most"),
    [
        ([signal.SIGINT], 0),
        ([signal.SIGTERM], 0),
        ([signal.SIGHUP], 0),
        ([signal.SIGINT] * 2, LANES),
        ([signal.SIGINT] * 3, LANES),
    ],
    ids=["SIGINT", "SIGTERM", "SIGHUP", "SIGINT twice", "SIGINT three times"],
)
def test_a_run_that_is_asked_to_end(
    signals: list[signal.Signals], most: int, zygote: Zygote, calm: dict[str, Any], at: At, tmp_path: Path
) -> None:
    """Law 3: exit 130 without a traceback; asked once it keeps what is in flight, and asked again it ends now."""
    made = project(tmp_path, at, ROWS)
    run = start_cli(made.folder, *made.words)
    wait_for_answers(made, run, 10)
    for number in signals:
        run.send_signal(number)
        time.sleep(0.01)  # signals of one kind that are not yet heard are one
    _, err = run.communicate()
    assert (130, "interrupted") == (run.returncode, record(made.runs()[0])["status"]), err
    assert "Traceback" not in err
    assert [calm, calm] == gone_on(zygote, made, resume_first=True)
    assert made.twice <= most


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_ctrl_c_at_any_time(seed: int, zygote: Zygote, calm: dict[str, Any], at: At, tmp_path: Path) -> None:
    """While it starts, imports, runs or makes its files: no traceback, and the folder says the truth."""
    made = project(tmp_path, at, ROWS)
    run = start_cli(made.folder, *made.words)
    time.sleep(0.3 + random.Random(seed).random() * 3.0)  # before, the interpreter itself is interrupted
    run.send_signal(signal.SIGINT)
    _, err = run.communicate()
    assert run.returncode in (0, 130), err
    assert "Traceback" not in err
    for path in made.runs():
        assert record(path)["status"] in ("done", "interrupted")
    assert all(found == calm for found in gone_on(zygote, made, resume_first=True))
    assert made.twice == 0


@pytest.mark.slow
def test_a_terminal_that_is_closed(zygote: Zygote, calm: dict[str, Any], at: At, tmp_path: Path) -> None:
    """SIGHUP with a terminal that takes nothing any more ends a run as Ctrl-C does."""
    made = project(tmp_path, at, ROWS)
    words = [word for word in made.words if word != "--quiet"]
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(made.folder)
        os.execv(sys.executable, [sys.executable, "-m", "sdspec", *words])
    while len(made.server.books.delivered) < 10:
        os.read(terminal, 65536)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert (130, "interrupted") == (os.waitstatus_to_exitcode(status), record(made.runs()[0])["status"])
    assert [calm, calm] == gone_on(zygote, made, resume_first=True)
    assert made.twice == 0


@pytest.mark.slow
def test_a_reader_that_goes_away(zygote: Zygote, calm: dict[str, Any], at: At, tmp_path: Path) -> None:
    """`sdspec run 2>&1 | head -1` runs to its end."""
    made = project(tmp_path, at, ROWS)
    read, write = os.pipe()
    command = [sys.executable, "-m", "sdspec", *(word for word in made.words if word != "--quiet")]
    with subprocess.Popen(command, cwd=made.folder, stdout=write, stderr=write) as run:
        os.close(write)
        os.read(read, 1)
        os.close(read)
    assert (0, calm) == (run.returncode, outcome(made.runs()[0]))
    assert [calm, calm] == gone_on(zygote, made, resume_first=True)
    assert made.twice == 0
