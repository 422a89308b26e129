"""Runs that go on: after a kill, an interrupt, a doubt; each was a bug once."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sdspec.api
from sdspec.engine.controller import ALIKE_REFUSALS, Controller
from sdspec.engine.tally import Tally, Usage
from sdspec.errors import RowFatal
from tests.engine.callers import load
from tests.engine.test_endpoints import ENDPOINT, run_on
from tests.recipes import cli, run_spec, write_spec
from tests.servers.openai import Behaviour, openai_server_in_thread

SLOW_FINISH = """
import sys, time
from sdspec.cli.main import main
from sdspec.store.tables import TableWriter
finish = TableWriter.finish
def slow(self):
    print("finishing", file=sys.stderr, flush=True)
    time.sleep(1)
    finish(self)
TableWriter.finish = slow
sys.exit(main(["run", "colours"]))
"""


SLOW_IMPORT = """
import sys, time
from sdspec.cli.main import main
from sdspec.providers.openai_compatible import OpenAICompatible
def slow(self, ask, endpoint):
    print("importing", file=sys.stderr, flush=True)
    time.sleep(600)
OpenAICompatible.request = slow
sys.exit(main(["run", "colours", "provider.base_url=http://127.0.0.1:9/v1"]))
"""


def marked_running(folder: Path, change: Callable[[dict[str, object]], object]) -> None:
    """run.json as a process that was killed leaves it."""
    path = folder / "run.json"
    record = json.loads(path.read_text())
    record["status"] = "running"
    record["process"]["started"] = "before"
    change(record)
    path.write_text(json.dumps(record))


async def test_doubt_ends_when_the_journal_shows_that_the_endpoint_answers() -> None:
    """Law 7: refusals in doubt hold back no call for ever, also when the journal proves the endpoint meanwhile."""
    controller = Controller(4, None, 60.0)
    refusal = RowFatal("content_filter", "filtered")
    async with controller.slot((0, 0), load()):
        async with controller.slot((0, 1), load()):
            for _ in range(ALIKE_REFUSALS):
                controller.refused(refusal)
        controller.proven = True
        controller.refused(refusal)
    async with asyncio.timeout(1):
        async with controller.slot((0, 2), load()):
            pass


def test_a_run_killed_before_it_began_can_be_resumed(tmp_path: Path) -> None:
    """Law 3: run.json without what `begin` adds (killed while inputs were copied) is no traceback."""
    done = run_spec(write_spec(tmp_path))
    marked_running(done.path, lambda record: record.pop("journal"))
    resumed = cli(tmp_path, "resume", "last")
    assert "Traceback" not in resumed.stderr
    assert resumed.returncode == 0


def test_resume_without_its_journal_keeps_the_rows_there_are(tmp_path: Path) -> None:
    """Law 4: a run that was cut, whose journal and endpoint are gone, still has its rows after a vain resume."""
    with openai_server_in_thread() as server:
        cut = run_on(server, tmp_path)
    marked_running(cut.path, lambda record: None)
    for path in (tmp_path / "outputs").glob("journal*"):
        path.unlink()
    assert cli(tmp_path, "resume", str(cut.path)).returncode == 1
    assert cut.rows().num_rows == 20


def test_an_interrupt_while_tables_are_finished_is_an_interrupt(tmp_path: Path) -> None:
    """Ctrl-C after the last call: exit 130 and status interrupted or done, never `failed: KeyboardInterrupt`."""
    write_spec(tmp_path)
    run = subprocess.Popen(
        [sys.executable, "-c", SLOW_FINISH], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert run.stderr is not None
    while "finishing" not in run.stderr.readline():
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    run.communicate()
    status = json.loads(cli(tmp_path, "runs", "--json").stdout)[0]["status"]
    assert (run.returncode, status) in ((130, "interrupted"), (0, "done"))


def test_an_interrupt_does_not_wait_for_a_library(tmp_path: Path) -> None:
    """Ctrl-C while the first request is made up, which imports for seconds, ends the run in order, and now."""
    write_spec(tmp_path, ENDPOINT)
    run = subprocess.Popen([sys.executable, "-c", SLOW_IMPORT], cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    assert run.stderr is not None
    while "importing" not in run.stderr.readline():
        assert run.poll() is None
    run.send_signal(signal.SIGINT)
    try:
        run.communicate(timeout=60)
    finally:
        run.kill()
    assert (run.returncode, json.loads(cli(tmp_path, "runs", "--json").stdout)[0]["status"]) == (130, "interrupted")


def test_a_resumed_run_remembers_how_long_answers_take() -> None:
    """Law 3: calls in flight get three mean latencies: a resume that counts calls on counts their time on too."""
    first = Tally(10, latency_s=200.0, steps={"generate": Usage(calls=10)}, bill=Usage(calls=10))
    again = Tally.carried(10, {"spent": first.spent(300.0, whole=True)})
    assert again.latency_s / again.made == 20.0


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0])
def test_a_clock_that_is_set_in_mid_run_counts_no_answer_twice(
    jump_s: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 3: which answers a killed run had counted hangs on their order, not on what the clock was set to."""
    real, asked = time.time, [0]

    def answer(body: dict[str, Any]) -> str:
        asked[0] += 1
        if asked[0] == 10:
            monkeypatch.setattr(time, "time", lambda: real() + jump_s)
        return json.dumps({"question": f"q{asked[0]}", "answer": "a"})

    with openai_server_in_thread(Behaviour(answer=answer)) as server:
        cut = run_on(server, tmp_path, "engine.concurrency=1")
        counted = cut.record()["counts"]["calls"]["made"]
        marked_running(cut.path, lambda record: record["spent"].update(whole=False))
        resumed = sdspec.api.resume(sdspec.api.open_run(str(cut.path), tmp_path / "outputs"))
    assert (20, 20) == (counted, resumed.record()["counts"]["calls"]["made"])
