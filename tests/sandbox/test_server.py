"""The server process that forks for others: what happens to it, or to who asks it, leaves nothing behind."""

import fcntl
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sdspec.sandbox.child import Limits
from sdspec.sandbox.execute import execute, strongest
from sdspec.sandbox.outcome import failure

LIMITS = Limits(timeout_s=6.0, memory_mb=512)
ENDLESS = b"while True: pass"

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture
def below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the folders of the code are made."""
    strongest()  # tried out before, elsewhere
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def until(true: Callable[[], object]) -> None:
    """Returns when it is true; an error after a minute."""
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def servers_of(parent: int) -> list[int]:
    """The server processes of a process."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words, stat = (folder / "cmdline").read_bytes(), (folder / "stat").read_text()
        except OSError:
            continue
        if b"sdspec.sandbox.serve" in words and int(stat.rpartition(")")[2].split()[1]) == parent:
            found.append(int(folder.name))
    return found


class Interrupted(Exception):
    """Raised by a signal."""


def test_an_interrupted_ask_is_not_answered_to_the_next(below: Path) -> None:
    """Ctrl-C amid a run of code: its answer is nobody's, what it ran is gone, and the next code has its own answer."""

    def interrupt(signum: int, frame: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(Interrupted):
            execute(b"print('first')\n" + ENDLESS, LIMITS, strongest())
    finally:
        signal.signal(signal.SIGALRM, before)
    assert execute(b"print('second')", LIMITS, strongest()).output == b"second\n"
    assert list(below.iterdir()) == []


def test_a_killed_server_costs_one_answer(below: Path) -> None:
    """Who waits for it is told, and the next one finds another server."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(execute, ENDLESS, LIMITS, strongest())
        until(lambda: list(below.iterdir()))
        for pid in servers_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(EOFError):
            waiting.result()
        assert execute(b"print('second')", LIMITS, strongest()).output == b"second\n"


def test_what_a_killed_server_left_is_taken_away_by_the_next(below: Path) -> None:
    """SIGKILL leaves the folder of the code, which no other process would ever look for; a folder in use stays."""
    in_use = below / "sdspec-code-in-use"
    in_use.mkdir()
    lock = os.open(in_use, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    (below / "sdspec-of-somebody-else").mkdir()
    stays = ["sdspec-code-in-use", "sdspec-of-somebody-else"]
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(execute, ENDLESS, LIMITS, strongest())
        until(lambda: len(list(below.iterdir())) == 3)
        (left,) = [
            path for path in below.iterdir() if path.name not in ("sdspec-code-in-use", "sdspec-of-somebody-else")
        ]
        for pid in servers_of(os.getpid()):
            os.kill(pid, signal.SIGKILL)
        with pytest.raises(EOFError):
            waiting.result()
    assert left.exists()
    execute(b"", LIMITS, strongest())
    assert sorted(path.name for path in below.iterdir()) == stays
    os.close(lock)


def test_threads_that_ask_at_once_have_their_own_answers(below: Path) -> None:
    """Also when the thread that started the server is gone."""
    with ThreadPoolExecutor(1) as pool:
        pool.submit(execute, b"", LIMITS, strongest()).result()
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda n: execute(f"print({n})".encode(), LIMITS, strongest()), range(8)))
    assert [one.output for one in ended] == [f"{n}\n".encode() for n in range(8)]
    assert [failure(one, LIMITS) for one in ended] == [None] * 8


def test_a_killed_asker_leaves_nothing(below: Path) -> None:
    """Its server ends what runs, takes the folder away and ends."""
    program = (
        "from sdspec.sandbox.child import Limits\nfrom sdspec.sandbox.execute import execute, strongest\n"
        f"strongest()\nprint('ready', flush=True)\nexecute({ENDLESS!r}, Limits(600.0, 512), strongest())"
    )
    env = {**os.environ, "TMPDIR": str(below)}
    asker = subprocess.Popen([sys.executable, "-c", program], env=env, stdout=subprocess.PIPE)
    assert asker.stdout is not None
    assert asker.stdout.readline() == b"ready\n"
    until(lambda: list(below.iterdir()))
    (server,) = servers_of(asker.pid)
    asker.kill()
    asker.wait()
    asker.stdout.close()
    until(lambda: not list(below.iterdir()))
    until(lambda: not Path(f"/proc/{server}").exists())
