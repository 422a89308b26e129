"""Commands in forks of one process that has imported everything: hundreds of runs, without two seconds of imports each.

    with Zygote.started() as zygote:
        ended = zygote.run(folder, ["run", "colours"], kill_at=("sqlite: COMMIT", 3))

`python -m tests.faults.zygote` is the process itself: a line of JSON for each command in, one for each end out.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sdspec import api
from sdspec.cli.main import main as sdspec
from sdspec.contracts import Endpoint
from tests.faults.deaths import Deaths, Point, bring

IMPORTED = ("litellm", "aiohttp", "duckdb", "sdspec.running", "sdspec.catalog.life", "sdspec.engine.run")
"""What takes long to import; and what imports further libraries as a whole."""
URL = "http://127.0.0.1:1/v1"
"""Nothing is sent there."""
VERBS = ("run", "resume", "show", "row", "runs", "export", "plan")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    code: int
    """As subprocess has it: negative for a signal."""
    out: str
    err: str
    operations: tuple[str, ...]
    """On the disk, in order; see `deaths`."""

    @property
    def killed(self) -> bool:
        """True when it was ended by SIGKILL."""
        return self.code == -9

    @property
    def folder(self) -> str:
        """The last line of stdout."""
        return self.out.splitlines()[-1]


class Zygote:
    """The process that forks."""

    def __init__(self, process: subprocess.Popen[str], scratch: Path) -> None:
        self._process = process
        self._scratch = scratch

    @classmethod
    @contextmanager
    def started(cls, scratch: Path) -> Iterator[Self]:
        """The process, with everything imported; `scratch` is a folder for its own files."""
        command = [sys.executable, "-m", "tests.faults.zygote"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            assert process.stdin is not None
            assert process.stdout.readline() == "ready\n"
            yield cls(process, scratch)
            process.stdin.close()

    def run(self, folder: Path, words: Sequence[str], kill_at: Point | None = None, by: int = signal.SIGKILL) -> Ended:
        """`sdspec WORDS` in the folder, to its end; at the operation `kill_at` on the disk it gets the signal `by`."""
        assert self._process.stdout is not None
        assert self._process.stdin is not None
        files = {name: str(self._scratch / name) for name in ("out", "err", "operations")}
        for path in files.values():
            Path(path).unlink(missing_ok=True)
        order = {"folder": str(folder), "words": list(words), "kill_at": kill_at, "by": by, **files}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = json.loads(self._process.stdout.readline())
        out, err, operations = (Path(path).read_text() if Path(path).exists() else "" for path in files.values())
        return Ended(code, out, err, tuple(operations.splitlines()))


def _serve() -> None:
    for name in (*IMPORTED, *(f"sdspec.cli.{verb}" for verb in VERBS)):
        importlib.import_module(name)
    _make_a_request()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _run(json.loads(line))
        _, status = os.waitpid(child, 0)
        sys.stdout.write(f"{os.waitstatus_to_exitcode(status)}\n")
        sys.stdout.flush()


def _make_a_request() -> None:
    """The first one imports more than all commands."""
    words = ["provider=openai_compatible", f"provider.base_url={URL}", "model=default", "model.id=any"]
    plan = api.compile(api.load(None, words))
    (model,) = plan.asked
    model.provider.request(api.preview(plan, 1)[0].ask, Endpoint(URL))


def _run(order: dict[str, Any]) -> None:
    code = 70
    try:
        os.chdir(order["folder"])
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(order[name], os.O_WRONLY | os.O_CREAT), number)
        name, which = order["kill_at"] or ("", 0)
        bring(Deaths(Path(order["folder"]), (name, which), Path(order["operations"]), order["by"]))
        code = sdspec(order["words"])
        sys.stdout.flush()
    except BaseException:  # noqa: BLE001  # the fork must end here, whatever happened
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    _serve()
