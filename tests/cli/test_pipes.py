"""Where the output goes: a closed pipe, a full disk, a file, a terminal without colours or of another encoding."""

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.recipes import cli, cli_here, write_spec

NOTHING_KEPT = ("provider.pnonsense=1", "workflow.reasks=0", "workflow.max_attempts=9")
ERASE = "\x1b[2K"
PLAIN = {"NO_COLOR": "", "FORCE_COLOR": "", "TERM": "xterm"}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with specs/colours.yaml and one run of it."""
    folder = tmp_path_factory.mktemp("project")
    write_spec(folder)
    cli_here(folder, "run", "colours", "--quiet")
    return folder


def into(project: Path, stdout: int, *words: str) -> subprocess.CompletedProcess[bytes]:
    """`sdspec WORDS` with its stdout there."""
    command = [sys.executable, "-m", "sdspec", *words]
    return subprocess.run(command, cwd=project, stdout=stdout, stderr=subprocess.PIPE, check=False, timeout=300)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["runs"], 0),
        (["runs", "--json"], 0),
        (["show"], 0),
        (["plan", "colours"], 0),
        (["preview", "colours"], 0),
        (["--help"], 0),
        (["run", "colours"], 0),
        (["run", "colours", *NOTHING_KEPT], 3),
    ],
)
def test_a_closed_pipe_ends_quietly(project: Path, words: list[str], code: int) -> None:
    """`sdspec ... | head -1` ends without a complaint, and a run's exit code still tells of the run."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = into(project, write, *words)
    finally:
        os.close(write)
    assert done.returncode == code
    for complaint in (b"Traceback", b"ignored", b"roken pipe"):
        assert complaint not in done.stderr


def test_problems_into_a_closed_pipe(project: Path) -> None:
    """`sdspec check 2>&1 | head -1`: the exit code is that of the problems."""
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, "-m", "sdspec", "check", "a=1"]
    try:
        assert subprocess.run(command, cwd=project, stdout=write, stderr=write, check=False).returncode == 2
    finally:
        os.close(write)


def test_a_full_disk_is_one_sentence(project: Path) -> None:
    """What cannot be written is said once, with exit 1."""
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        done = into(project, full, "runs")
    finally:
        os.close(full)
    assert (done.returncode, done.stderr) == (1, b"sdspec: cannot write the output: No space left on device\n")


def test_closed_streams_are_no_error(project: Path) -> None:
    """`sdspec run ... >&- 2>&-` runs all the same."""
    command = f"exec {sys.executable} -m sdspec run colours workflow.size=2 >&- 2>&-"
    assert subprocess.run(["bash", "-c", command], cwd=project, check=False).returncode == 0


def test_another_encoding_ends_no_command(tmp_path: Path) -> None:
    """What an old terminal cannot show is escaped."""
    write_spec(tmp_path, {"template": {"fake": {"question": "Größe {{ n }}", "answer": "→ {{ n }}"}}})
    cli_here(tmp_path, "run", "colours", "--quiet")
    shown = cli(tmp_path, "show", PYTHONIOENCODING="ascii")
    assert shown.returncode == 0, shown.stderr
    assert "Gr\\xf6\\xdfe" in shown.stdout


@pytest.mark.parametrize(
    ("env", "coloured"),
    [({}, False), ({"FORCE_COLOR": "1"}, True), ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False)],
)
def test_colours_in_a_file(project: Path, env: dict[str, str], coloured: bool) -> None:
    """A file gets colours only where FORCE_COLOR asks for them, and NO_COLOR does not forbid them."""
    assert coloured == ("\x1b[32mdone" in cli(project, "runs", **{**PLAIN, **env}).stdout)


def test_progress_in_a_file_has_no_control_codes(project: Path) -> None:
    """A CI sets FORCE_COLOR: its log gets plain lines all the same."""
    assert "\x1b" not in cli(project, "run", "colours", "workflow.size=2", **{**PLAIN, "FORCE_COLOR": "1"}).stderr


@pytest.mark.parametrize(("env", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_colours_on_a_terminal(project: Path, env: dict[str, str], coloured: bool) -> None:
    """A terminal gets colours, unless NO_COLOR or TERM=dumb say that it has none."""
    assert coloured == ("\x1b[32mdone" in on_terminal(project, ["runs"], {"COLUMNS": "80", **env}))


def test_a_run_on_a_narrow_terminal(project: Path) -> None:
    """At 40 columns no line is longer than that but the run's folder, and progress leaves no trace."""
    shown = on_terminal(project, ["run", "colours"], {"COLUMNS": "40", "NO_COLOR": "1"})
    left = re.sub(r"\x1b\[[?0-9;]*[A-Za-z]", "", shown.rsplit(ERASE, 1)[-1])
    *lines, folder = left.replace("\r", "").splitlines()
    assert max(map(len, lines)) <= 40
    assert folder.startswith("outputs/colours/")


def on_terminal(project: Path, words: list[str], env: dict[str, str]) -> str:
    """What `sdspec WORDS` writes to a terminal."""
    ours, theirs = pty.openpty()
    full = {**{name: value for name, value in os.environ.items() if name not in PLAIN}, "TERM": "xterm", **env}
    command = [sys.executable, "-m", "sdspec", *words]
    process = subprocess.Popen(command, cwd=project, env=full, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 65536):
            written += chunk
    except OSError:  # Linux says so when the last writer is gone
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0
    return written.decode()
