"""The engine under faults: of disks, endpoints, check processes, readers and people; each was a bug once."""

import asyncio
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import sdspec
from sdspec.api import Run
from sdspec.cli import progress
from sdspec.contracts import Check, Verdict
from sdspec.engine import runner
from sdspec.engine.workers import Workers
from sdspec.errors import StoreError
from sdspec.plan.plan import Plan
from sdspec.store.ledger import Call, Judged, Ledger
from tests.bench.mix import BEDROCK, OPENAI, SHARES, BookedBedrock, BookedOpenAI, Mix
from tests.engine.test_endpoints import ENDPOINT, run_on
from tests.recipes import cli, counts, requests_in, run_spec, start_cli, write_spec
from tests.servers.bedrock import Behaviour as BedrockBehaviour
from tests.servers.http import Reply, Request, running
from tests.servers.openai import Behaviour, Fault, OpenAIServer, openai_server_in_thread


def planned(folder: Path, *overrides: str, changes: Mapping[str, Any] | None = None) -> Plan:
    spec = write_spec(folder, changes)
    return sdspec.compile(sdspec.load(spec, [*overrides, f"engine.outputs={folder / 'outputs'}"], cwd=folder))


async def within(seconds: float, plan: Plan) -> Run:
    """The run; TimeoutError where it goes on for ever."""
    return await asyncio.wait_for(sdspec.arun(plan), seconds)


def asked_twice(log: Path) -> int:
    return sum(times - 1 for times in requests_in(log).values())


class Uneven(OpenAIServer):
    """Answers some prompts after a while, and fails the others at once."""

    def __init__(self, quick: Fault, lanes: int = 10**6, filtered: str = "\0") -> None:
        super().__init__(Behaviour())
        self.quick, self.lanes, self.filtered, self.slow = quick, lanes, filtered, 0

    async def _replied(self, request: Request) -> Reply:
        body = json.loads(request.body)
        if self.slow >= self.lanes or self.filtered in body["messages"][-1]["content"]:
            await asyncio.sleep(0.01)
            error = {"message": self.quick.message, "type": self.quick.code, "code": self.quick.code}
            return Reply(self.quick.status, json.dumps({"error": error}).encode())
        self.slow += 1
        try:
            await asyncio.sleep(1.5)
        finally:
            self.slow -= 1
        return Reply(200, self._completion(body, Fault()))


class Deadly(Check):
    """Kills its process when it meets the word."""

    in_process = False

    def examine(self, value: Any) -> Verdict:
        if value == "die":
            os._exit(9)
        time.sleep(0.1)
        return Verdict(True, "", "")


def test_a_plain_script_runs_once(tmp_path: Path) -> None:
    """interface.md's Python example works as it stands: worker processes do not run the user's script again."""
    write_spec(tmp_path)
    words = ["template=text2sql", "provider=fake", "workflow.size=1", "workflow.max_attempts=1"]
    script = tmp_path / "script.py"
    script.write_text(
        f"import sdspec\nspec = sdspec.load(None, overrides={words!r})\nrun = sdspec.run(sdspec.compile(spec))\n"
        "print(run.summary.tally.rejected)\n"
    )
    ran = subprocess.run([sys.executable, script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert len(list((tmp_path / "outputs" / "dataset").iterdir())) == 1
    assert "check_crashed" not in ran.stdout
    assert "Traceback" not in ran.stderr


def test_resume_of_a_finished_run_cannot_lose_its_rows(tmp_path: Path) -> None:
    """Law 4: with the journal and the endpoint gone, a resume leaves the rows of a finished run where they are."""
    with openai_server_in_thread() as server:
        done = run_on(server, tmp_path)
    for path in (tmp_path / "outputs").glob("journal*"):
        path.unlink()
    cli(tmp_path, "resume", str(done.path))
    assert done.rows().num_rows == 20


def test_resume_from_another_folder_buys_nothing_again(tmp_path: Path) -> None:
    """Law 3: the run's own journal is found, wherever the command is typed."""
    write_spec(tmp_path)
    log = tmp_path / "log"
    assert cli(tmp_path, "run", "colours", f"provider.request_log={log}").returncode == 0
    run = next((tmp_path / "outputs" / "colours").iterdir())
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    cli(elsewhere, "resume", str(run))
    assert asked_twice(log) == 0


def test_a_run_killed_while_it_removes_its_shards_can_be_resumed(tmp_path: Path) -> None:
    """Law 3: SIGKILL between renaming and removing the shards leaves `.rows.done` behind; that stops no resume."""
    done = run_spec(write_spec(tmp_path))
    left = done.path / "shards" / ".rows.done"
    left.mkdir(parents=True)
    shutil.copy(done.path / "rows.parquet", left / "00000.parquet")
    record = done.record()
    record["process"]["started"] = "before"
    done.folder.write_json("run.json", {**record, "status": "running"})
    assert cli(tmp_path, "resume", "last").returncode == 0


@pytest.mark.parametrize("kind", ["openai_compatible", "bedrock"])
def test_no_row_is_lost_and_no_answer_paid_twice(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Laws 3, 4 and 5 under throttling, errors, dropped connections, garbled and cut bodies, and hanging calls.

    Every row is kept or rejected with its reason; what the server delivered whole is in the journal and never asked
    for again; and where no row was rejected the rows are those of a calm run.
    """
    spec = write_spec(tmp_path, {**ENDPOINT, "workflow": {"size": 150}})
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
    hashes = []
    for shares in ({}, SHARES):
        server: BookedOpenAI | BookedBedrock
        if kind == "bedrock":
            server = BookedBedrock(BedrockBehaviour(fault=Mix(BEDROCK, shares, seed=27)))
        else:
            server = BookedOpenAI(Behaviour(fault=Mix(OPENAI, shares, seed=27)))
        with running(server.handle) as url:
            monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", url)
            at = [f"provider.base_url={url}/v1"] if kind == "openai_compatible" else ["model=claude_haiku"]
            words = [f"provider={kind}", *at, "engine.timeout_s=4", "engine.concurrency=32"]
            run = run_spec(spec, *words, outputs=tmp_path / f"outputs{len(hashes)}")
        found, books = counts(run), server.books
        decided = found["kept"] + sum(found["rejected"].values())
        assert (150, decided, decided) == (found["kept"], found["attempted"], len({*indexes(run)}))
        assert (0, len(books.delivered)) == (books.asked_again, found["calls"]["made"])
        hashes.append(None if found["rejected"] else run.record()["rows_sha256"])
    assert books.requests > 150 + books.spoiled > 150
    assert hashes[1] in (None, hashes[0])


def indexes(run: Run) -> list[int]:
    """Of all rows that were decided."""
    tables = [pq.read_table(run.path / f"{name}.parquet", columns=["_index"]) for name in ("rows", "rejects")]
    return [index for table in tables for index in table["_index"].to_pylist()]


@pytest.mark.parametrize(("most", "kept", "status"), [(200, 199, "short"), (None, 200, "done")])
def test_one_bad_row_in_200_costs_one_call(most: int | None, kept: int, status: str, tmp_path: Path) -> None:
    """Law 7: its 400 is one call and one reject; law 6: the run tops up where it may attempt more."""
    prompts: dict[str, int] = {}

    def fault(prompt: str, attempt: int) -> Fault | None:
        number = prompts.setdefault(prompt, len(prompts))
        return Fault(400, "invalid_request_error", "this one cannot be taken") if number == 57 else None

    with openai_server_in_thread(Behaviour(fault=fault, latency_s=0.002)) as server:
        run = run_on(server, tmp_path, size=200, max_attempts=most)
        bad = next(prompt for prompt, number in prompts.items() if number == 57)
        assert (kept, {"bad_request": 1}) == (counts(run)["kept"], counts(run)["rejected"])
        assert (status, 1) == (run.record()["status"], server.asked[bad])
        assert 1 == max(server.asked.values())


async def test_429_for_ever_ends_a_run_of_few_lanes(tmp_path: Path) -> None:
    """Law 7: after some answers nothing but 429: the run ends as an outage, also where one call is in flight."""
    seen = [0]

    def fault(prompt: str, attempt: int) -> Fault | None:
        seen[0] += 1
        return Fault(429, code="rate_limit_exceeded") if seen[0] > 3 else None

    with openai_server_in_thread(Behaviour(fault=fault, latency_s=0.01)) as server:
        few = [f"provider.base_url={server.base_url}", "engine.concurrency=1", "engine.outage_s=0.5"]
        run = await within(6, planned(tmp_path, *few, changes=ENDPOINT))
    assert run.record()["status"] == "failed"


async def test_slow_answers_beside_429s_are_no_outage(tmp_path: Path) -> None:
    """Law 7: calls in flight may still succeed: what is turned away meanwhile is back-pressure, no outage."""
    server = Uneven(Fault(429, code="rate_limit_exceeded"), lanes=8)
    with running(server.handle) as url:
        words = [f"provider.base_url={url}/v1", "engine.outage_s=0.5"]
        run = await within(60, planned(tmp_path, *words, changes=ENDPOINT))
    assert run.record()["status"] == "done"


async def test_quick_refusals_before_the_first_answer_are_rejects(tmp_path: Path) -> None:
    """Law 7: a content filter answers sooner than a model; its refusals of some prompts do not end the run."""
    server = Uneven(Fault(400, code="content_filter", message="filtered"), filtered="wild")
    with running(server.handle) as url:
        words = [f"provider.base_url={url}/v1", "workflow.size=60"]
        run = await within(60, planned(tmp_path, *words, changes=ENDPOINT))
    assert run.record()["status"] == "done"


async def test_400s_that_differ_in_a_request_id_are_alike(tmp_path: Path) -> None:
    """Law 7: many 400s and no success end the run, also where each text names its own request."""
    number = iter(range(10**6))

    def fault(prompt: str, attempt: int) -> Fault:
        return Fault(400, code="invalid_request_error", message=f"bad setting (request id {next(number):08x})")

    with openai_server_in_thread(Behaviour(fault=fault)) as server:
        words = [f"provider.base_url={server.base_url}", "engine.concurrency=4"]
        run = await within(60, planned(tmp_path, *words, changes=ENDPOINT))
        assert run.record()["status"] == "failed"
        assert server.requests < 40


def test_ctrl_c_waits_for_answers_that_are_paid_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 3: one SIGINT before the first answer gives nothing up that is still within its timeout."""
    monkeypatch.setattr(runner, "LEAST_GRACE_S", 0.2)
    log = tmp_path / "log"
    spec = write_spec(tmp_path, {"provider": {"request_log": str(log)}})

    def interrupt() -> None:
        while not log.exists() or not log.read_bytes():
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    run = run_spec(spec, "provider.latency_s=1", "engine.concurrency=4", "engine.timeout_s=30")
    assert run.record()["status"] == "interrupted"
    run_spec(spec)
    assert asked_twice(log) == 0


async def test_a_cancelled_arun_keeps_what_it_paid_for(tmp_path: Path) -> None:
    """Law 3: a task that is cancelled (asyncio.timeout) journals its calls in flight and is `interrupted`."""
    log = tmp_path / "log"
    words = [f"provider.request_log={log}", "engine.concurrency=4"]
    task = asyncio.create_task(sdspec.arun(planned(tmp_path, *words, "provider.latency_s=0.5")))
    while not log.exists() or not log.read_bytes():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    record = json.loads(next((tmp_path / "outputs" / "colours").glob("*/run.json")).read_text())
    await sdspec.arun(planned(tmp_path, *words))
    assert (asked_twice(log), record["status"]) == (0, "interrupted")


def test_a_broken_journal_buys_nothing_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Law 3: from the first answer that cannot be kept on, nothing is sent; at most `concurrency` are lost."""
    log = tmp_path / "log"
    written = [0]
    write = Ledger.write

    def full(self: Ledger, calls: list[Call], verdicts: list[Judged]) -> bool:
        if written[0] >= 5:
            time.sleep(0.2)  # as a disk that is full takes its time: all lanes fill meanwhile
            raise StoreError("journal: the disk is full")
        written[0] += len(calls)
        return write(self, calls, verdicts)

    monkeypatch.setattr(Ledger, "write", full)
    spec = write_spec(tmp_path, {"workflow": {"size": 200}})
    run_spec(spec, f"provider.request_log={log}", "engine.concurrency=8", "provider.latency_s=0.01")
    assert sum(requests_in(log).values()) - written[0] <= 8


async def test_an_innocent_value_is_not_blamed_for_a_crash() -> None:
    """Laws 5 and 7: a value whose neighbours kill their worker, one after the other, still gets its own verdict."""
    workers = Workers(2)
    check = Deadly(column="x")

    async def examine(value: str, after_s: float) -> Verdict:
        await asyncio.sleep(after_s)
        return await workers.examine(check, value)

    try:
        deaths = [asyncio.create_task(examine("die", 0.15 * n)) for n in range(12)]
        verdicts = await asyncio.gather(*(examine(f"fine {n}", 0.05 * n) for n in range(24)))
        await asyncio.gather(*deaths)
    finally:
        await workers.close()
    assert [verdict.reason for verdict in verdicts if not verdict.ok] == []


def test_kill_9_leaves_no_process_behind(tmp_path: Path) -> None:
    """A run that was killed takes its check workers with it."""
    log = tmp_path / "log"
    words = [
        "template=text2sql",
        "provider=fake",
        "workflow.size=300",
        "provider.latency_s=0.1",
        "engine.concurrency=4",
    ]
    run = start_cli(tmp_path, "run", *words, f"provider.request_log={log}")
    children = Path(f"/proc/{run.pid}/task/{run.pid}/children")
    while not log.exists() or log.read_bytes().count(b"\n") < 12:
        time.sleep(0.01)
    family = [int(pid) for pid in children.read_text().split()]
    family += [int(pid) for one in family for pid in Path(f"/proc/{one}/task/{one}/children").read_text().split()]
    run.kill()
    run.communicate()
    until = time.monotonic() + 5
    while (left := [pid for pid in family if Path(f"/proc/{pid}").exists()]) and time.monotonic() < until:
        time.sleep(0.05)
    for pid in left:
        os.kill(pid, signal.SIGKILL)
    assert family
    assert left == []


async def test_a_reader_that_goes_away_does_not_fail_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`sdspec run ... 2>&1 | head -1`: progress that cannot be printed is no reason to mark a whole run as failed."""
    plan = planned(tmp_path)
    reading, writing = os.pipe()
    os.close(reading)
    with suppress(BrokenPipeError), os.fdopen(writing, "w", buffering=1) as gone, monkeypatch.context() as patch:
        patch.setattr(progress, "FIRST_LINE_S", 0.0)
        patch.setattr(sys, "stderr", gone)
        await sdspec.arun(plan, progress.Plain(plan))
    record = json.loads(next((tmp_path / "outputs" / "colours").glob("*/run.json")).read_text())
    assert record["status"] == "done"


def test_a_redirect_is_not_followed(tmp_path: Path) -> None:
    """Law 7: an endpoint that redirects to a login page is no endpoint: said at once, and no key goes elsewhere."""
    seen: list[str] = []

    async def handle(request: Request) -> Reply:
        seen.append(request.path)
        if request.path.startswith("/v1/"):
            return Reply(302, b"", {"location": "/login"})
        return Reply(200, b"<html>log in</html>")

    with running(handle) as url:
        spec = write_spec(tmp_path, ENDPOINT)
        run = run_spec(spec, f"provider.base_url={url}/v1", "engine.outage_s=0.5", "engine.concurrency=1")
    assert run.record()["status"] == "failed"
    assert "/login" not in seen


def test_a_damaged_record_is_one_sentence(tmp_path: Path) -> None:
    """Bad input: a journal whose text is damaged is said to be, without a traceback."""
    run = run_spec(write_spec(tmp_path))
    with sqlite3.connect(tmp_path / "outputs" / "journal.sqlite") as db:
        db.execute("UPDATE calls SET record = substr(record, 1, 20)")
    again = cli(tmp_path, "run", "colours")
    assert counts(run)["kept"] == 20
    assert again.returncode == 1
    assert "Traceback" not in again.stderr
