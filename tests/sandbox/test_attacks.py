"""Code that means harm, or takes too much, run for real: it is refused or ended, and nothing of it is left.

Each isolation that can do without another is attacked by itself, as in a container that allows no namespaces.
"""

import os
import socket
import threading
from pathlib import Path

import pytest

from sdspec.sandbox.child import Limits
from sdspec.sandbox.execute import execute, strongest
from sdspec.sandbox.isolation import Isolation
from sdspec.sandbox.outcome import failure

LIMITS = Limits(timeout_s=20.0, memory_mb=512)
SHORT = Limits(timeout_s=0.6, memory_mb=512)
WITHOUT_NAMESPACES = Isolation(namespaces=False, landlock=True, seccomp=True)
BARE = Isolation(namespaces=False, landlock=False, seccomp=False)


@pytest.fixture(params=["strongest", "without namespaces"])
def isolation(request):
    """What this machine allows at most; then the same without namespaces, which many a container refuses."""
    best = strongest()
    if not (best.landlock and best.seccomp):
        pytest.skip(f"this machine keeps code apart only so far: {best.words()}")
    if request.param == "without namespaces":
        return WITHOUT_NAMESPACES
    if not best.namespaces:
        pytest.skip(f"no namespaces here: {best.words()}")
    return best


def ended(code: str, isolation: Isolation, limits: Limits = LIMITS) -> str:
    """`ok: what it printed`, or `reason: detail`."""
    end = execute(code.encode(), limits, isolation)
    failed = failure(end, limits)
    return f"{failed.reason}: {failed.detail}" if failed else f"ok: {end.output.decode()}"


FORK_BOMB = "import os\nwhile True:\n    os.fork()"
DAEMON = "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        while True: pass"
PROGRAM = "import subprocess\nsubprocess.run(['true'])"
SIGNAL_PARENT = "import os, signal\nos.kill(os.getppid() or {parent}, signal.SIGKILL)"
SIGNAL_ALL = "import os, signal\nos.kill(-1, signal.SIGKILL)"
SIGNAL_GROUP = "import os, signal\nos.killpg(0, signal.SIGKILL)"
OUTLIVE = "import ctypes\nprint(ctypes.CDLL(None).prctl(1, 0, 0, 0, 0))"


@pytest.mark.parametrize(
    "code",
    [FORK_BOMB, DAEMON, PROGRAM, SIGNAL_PARENT, SIGNAL_ALL, SIGNAL_GROUP],
    ids=["fork bomb", "daemon", "program", "signal to the parent", "to all", "to its group"],
)
def test_no_other_process_is_started_or_reached(code, isolation):
    """Forks, daemons, programs and signals to others are refused at once; there is nothing to clean up."""
    said = ended(code.replace("{parent}", str(os.getpid())), isolation)
    assert said.startswith("error: PermissionError: [Errno 1] Operation not permitted")


def test_code_ends_with_its_worker(isolation):
    """The order to the kernel to end it with its parent cannot be taken back."""
    assert ended(OUTLIVE, isolation) == "ok: -1\n"


def test_the_network_is_out_of_reach(isolation):
    """Not even a server on this machine is reached, by name or by number."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = ended(f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 5)", isolation)
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()
    assert said.startswith("error: PermissionError")
    assert ended("import socket\nsocket.socket(socket.AF_UNIX)", isolation).startswith("error: PermissionError")


@pytest.mark.parametrize(
    "code",
    [
        "open('/etc/passwd').read()",
        "open('{secret}').read()",
        "open('/proc/{pid}/environ').read()",
        "open('/proc/self/status').read()",
        "import os; os.listdir('/')",
        "open('{secret}', 'w')",
        "open('{folder}/new', 'w')",
        "import os; os.remove('{secret}')",
        "import os; os.rename('{secret}', 'mine')",
        "import os; os.symlink('{secret}', 'mine'); open('mine').read()",
        "import os; os.link('{secret}', 'mine')",
        "import os; os.truncate('{secret}', 0)",
        "import os; os.open('{secret}', os.O_RDONLY | os.O_TRUNC)",
        "import os; os.chown('{secret}', 1, 1)",
        "import os; os.setxattr('{secret}', 'user.x', b'x')",
        "import os; os.mkdir('{folder}/new')",
        "import shutil; shutil.rmtree('{folder}')",
        "import sys; open(sys.prefix + '/evil', 'w')",
        "import os; os.open(os.__file__, os.O_RDONLY | os.O_TRUNC)",
        "import os; os.remove(os.__file__)",
    ],
)
def test_files_outside_are_out_of_reach(code, isolation, tmp_path):
    """Neither read nor written, created, removed, renamed, linked, emptied or given away."""
    secret = tmp_path / "secret"
    secret.write_text("kept")
    marks = {"{secret}": str(secret), "{folder}": str(tmp_path), "{pid}": str(os.getpid())}
    for mark, text in marks.items():
        code = code.replace(mark, text)
    said = ended(code, isolation)
    assert said.startswith(("error: PermissionError", "error: OSError: [Errno 18]"))  # 18: to another file system
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("secret", "kept")]
    assert Path(os.__file__).stat().st_size > 0


def test_modes_and_times_outside_do_not_change(isolation, tmp_path):
    """chmod and utime, which Landlock does not hold, seem to succeed and do nothing."""
    secret = tmp_path / "secret"
    secret.touch(mode=0o600)
    before = secret.stat()
    assert ended(f"import os\nos.chmod({str(secret)!r}, 0o777)\nos.utime({str(secret)!r}, (1, 1))", isolation) == "ok: "
    assert (secret.stat().st_mode, secret.stat().st_mtime_ns) == (before.st_mode, before.st_mtime_ns)


def test_the_environment_is_empty(isolation, monkeypatch):
    """No variable of this process is there, neither by name nor in what the process was before."""
    monkeypatch.setenv("MY_API_KEY", "sk-12345")
    said = ended("import os\nprint(sorted(os.environ), os.getcwd(), os.listdir('.'))", isolation)
    assert said == (
        "ok: ['LC_CTYPE', 'OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'PYTHONHASHSEED'] /answer ['answer.py']\n"
    )


def test_open_files_of_this_process_are_closed(isolation, tmp_path):
    """What this process has open is not open in the other one."""
    with (tmp_path / "open").open("w") as file:
        os.set_inheritable(file.fileno(), True)
        said = ended(f"import os\nos.fstat({file.fileno()})", isolation)
    assert said.startswith("error: OSError: [Errno 9] Bad file descriptor")


@pytest.mark.parametrize(
    "code",
    ["import shutil, os\nshutil.rmtree(os.getcwd(), ignore_errors=True)", "import os\nos.remove('answer.py')"],
)
def test_its_own_folder_is_its_own(code, isolation):
    """It may remove what is in there; nobody minds."""
    assert ended(code, isolation) == "ok: "


def test_what_it_leaves_in_its_folder_is_removed(isolation, monkeypatch, tmp_path):
    """Folders without rights, and hundreds in one another, which Python's own removal does not manage."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    code = "import os\nos.mkdir('none', 0)\nfor _ in range(1100):\n    os.mkdir('d')\n    os.chdir('d')"
    assert ended(code, isolation) == "ok: "
    assert list(tmp_path.iterdir()) == []


def test_a_full_folder_is_its_own_problem(isolation):
    """One file has its limit; where the folder is a file system of its own, so have all files together."""
    one = "open('big', 'wb').write(bytes(20 * 2**20))"
    many = "for n in range(20):\n    open(str(n), 'wb').write(bytes(10 * 2**20))"
    assert ended(one, isolation) == "error: OSError: [Errno 27] File too large (line 1)"
    if isolation.namespaces:
        assert ended(many, isolation) == "error: OSError: [Errno 28] No space left on device (line 2)"


def test_ordinary_programs_run(isolation):
    """Threads, asyncio, temporary files, copies, its own files, its own signals."""
    code = """\
import asyncio, concurrent.futures, json, os, shutil, signal, tempfile
async def wait(): await asyncio.sleep(0.001); return 1
with concurrent.futures.ThreadPoolExecutor(4) as pool:
    total = sum(pool.map(int, "123"))
with tempfile.NamedTemporaryFile("w", delete=False) as file:
    json.dump([1], file)
shutil.copy(file.name, "copy.json")
os.makedirs("a/b"); os.rename("copy.json", "a/b/c.json")
signal.signal(signal.SIGUSR1, lambda *_: print("signal"))
os.kill(os.getpid(), signal.SIGUSR1)
print(total, asyncio.run(wait()), open("a/b/c.json").read(), len(os.urandom(4)))
"""
    assert ended(code, isolation) == "ok: signal\n6 1 [1] 4\n"


def test_the_same_code_prints_the_same(isolation):
    """The order of sets does not differ from run to run."""
    code = "print(set('abcdefgh'), hash('x'))"
    assert ended(code, isolation) == ended(code, isolation)


# ------------------------------------------------------------------------------------- limits, which hold everywhere


@pytest.fixture(params=["strongest", "bare"])
def apart(request):
    """What this machine allows at most; then nothing of it."""
    return strongest() if request.param == "strongest" else BARE


@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "while True: print('x' * 1000)",
        "import time\ntime.sleep(3600)",
        "import threading\nthreading.Thread(target=threading.Event().wait).start()",
        "import os, time\nos.close(1), os.close(2)\ntime.sleep(3600)",
        "import signal\nfor n in set(signal.Signals) - {9, 19}: signal.signal(n, signal.SIG_IGN)\nwhile True: pass",
    ],
)
def test_endless_code_is_ended(code, apart):
    """Loops, floods, sleeps and threads that do not end, whatever they do about signals and output."""
    assert ended(code, apart, SHORT) == "timeout: took more than 0.6 s"


@pytest.mark.parametrize(
    "code", ["x = bytearray(10 * 2**30)", "x = []\nwhile True: x.append(bytearray(2**20))", "x = 'x' * 10**10"]
)
def test_memory_is_limited(code, apart):
    """Taken at once or little by little."""
    assert ended(code, apart) == "memory: needs more than 512 MB"


def test_output_is_cut(apart):
    """Of much output the beginning is kept, of many errors the end, with the exception."""
    code = "import sys\nprint('a' * 10**7)\nprint('b' * 10**7, file=sys.stderr)\n1 / 0"
    end = execute(code.encode(), LIMITS, apart)
    assert (len(end.output), len(end.errors) > 16000, len(end.errors) <= 16384) == (16384, True, True)
    assert failure(end, LIMITS).detail == "ZeroDivisionError: division by zero (line 4)"


def test_nothing_waits_on_a_process_that_was_left_behind():
    """Where nothing stops code from starting a daemon that holds its output, the verdict comes all the same."""
    code = "import os, time\nif os.fork() == 0:\n    time.sleep(5)\n    os._exit(0)\nprint('parent')"
    assert ended(code, BARE) == "ok: parent\n"


def test_threads_of_this_process_go_on():
    """The fork leaves the process that asked as it was."""
    done = threading.Event()
    thread = threading.Timer(0.01, done.set)
    thread.start()
    assert ended("print(1)", strongest()) == "ok: 1\n"
    assert done.wait(60)
