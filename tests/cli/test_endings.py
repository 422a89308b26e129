"""How a run ends: killed, interrupted once and twice, out of attempts, without an endpoint; and how it goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.recipes import cli, cli_here, requests_in, start_cli, write_spec

LANES = 32
SLOW = ["provider.latency_s=0.05", "provider.latency_sigma=0.5", f"engine.concurrency={LANES}"]


def wait_for_requests(process: subprocess.Popen[str], log: Path, count: int) -> None:
    """Returns when the provider has been asked so often, and fails when the run ends before."""
    while not log.exists() or log.read_bytes().count(b"\n") < count:
        assert process.poll() is None, process.communicate()
        time.sleep(0.005)


def last_run(folder: Path) -> dict[str, Any]:
    paths = sorted((folder / "outputs" / "colours").iterdir())
    found: dict[str, Any] = json.loads((paths[-1] / "run.json").read_text())
    return found


def undisturbed(folder: Path, *words: str) -> str:
    """The rows' hash of the same run elsewhere, which nothing disturbs."""
    calm = cli_here(folder, "run", "colours", *words, "engine.outputs=calm", "--json", "--quiet")
    assert calm.returncode == 0, calm.stderr
    return str(json.loads(calm.stdout[: calm.stdout.rindex("}") + 1])["rows_sha256"])


def test_after_kill_9_only_calls_in_flight_are_repeated(tmp_path: Path) -> None:
    """Law 3: killed amid 2,000 calls, the next run repeats at most those in flight; the rows are the same."""
    write_spec(tmp_path)
    log = tmp_path / "log"
    words = ["run", "colours", "workflow.size=2000", *SLOW, f"provider.request_log={log}"]
    killed = start_cli(tmp_path, *words)
    wait_for_requests(killed, log, 1000)
    os.kill(killed.pid, signal.SIGKILL)
    killed.communicate()
    shown = cli(tmp_path, "runs", "--json")
    assert json.loads(shown.stdout)[0]["status"] == "interrupted"

    again = cli(tmp_path, *words)
    assert again.returncode == 0, again.stderr
    asked = requests_in(log)
    repeated = sum(times - 1 for times in asked.values())
    assert len(asked) == 2000
    assert repeated <= LANES
    assert last_run(tmp_path)["rows_sha256"] == undisturbed(tmp_path, "workflow.size=2000")


def test_ctrl_c_ends_in_order_and_resume_finishes_in_the_same_folder(tmp_path: Path) -> None:
    """Law 3: SIGINT keeps what is in flight, exits 130 and says how to go on; resume asks only for the rest."""
    write_spec(tmp_path)
    log = tmp_path / "log"
    words = ["colours", "workflow.size=600", *SLOW, f"provider.request_log={log}"]
    run = start_cli(tmp_path, "run", *words)
    wait_for_requests(run, log, 200)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate()
    assert run.returncode == 130
    assert "sdspec resume" in err
    folder = tmp_path / out.strip().splitlines()[-1]
    assert json.loads((folder / "run.json").read_text())["status"] == "interrupted"
    kept = json.loads((folder / "run.json").read_text())["counts"]["kept"]
    assert kept > 0

    resumed = cli(tmp_path, "resume", folder.name)
    assert resumed.returncode == 0, resumed.stderr
    assert set(requests_in(log).values()) == {1}, "nothing that was in flight was lost"
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "done"
    assert record["counts"]["calls"]["made"] == 600, "a resume counts on"
    assert record["rows_sha256"] == undisturbed(tmp_path, "workflow.size=600")


def test_ctrl_c_twice_stops_now_and_loses_nothing_that_was_answered(tmp_path: Path) -> None:
    """A second SIGINT does not wait for calls that hang, and what was answered is in the journal."""
    write_spec(tmp_path)
    log = tmp_path / "log"
    words = ["colours", "workflow.size=100", f"provider.request_log={log}", "engine.concurrency=8"]
    hung = start_cli(tmp_path, "run", *words, "provider.ptimeout=0.5", "engine.timeout_s=600")
    wait_for_requests(hung, log, 9)
    hung.send_signal(signal.SIGINT)
    assert hung.stderr is not None
    while "once more" not in hung.stderr.readline():
        assert hung.poll() is None
    hung.send_signal(signal.SIGINT)
    hung.communicate(timeout=60)
    assert hung.returncode == 130
    answered = [json.loads(line) for line in log.read_text().splitlines()]
    before = {line["key"] for line in answered if line["status"] == 200}
    log.unlink()
    again = cli(tmp_path, "run", *words)
    assert again.returncode == 0, again.stderr
    assert not before & set(requests_in(log))


def test_an_endpoint_that_is_down_ends_the_run_in_seconds_and_resumably(tmp_path: Path) -> None:
    """Law 7: nothing ever succeeding is an outage, no pile of rejects; exit 1 with what to do."""
    write_spec(tmp_path)
    down = cli(tmp_path, "run", "colours", "provider.down=true", "engine.outage_s=1")
    assert down.returncode == 1
    assert "nothing succeeded" in down.stderr
    record = last_run(tmp_path)
    assert record["status"] == "failed"
    assert record["counts"]["rejected"] == {}
    up = cli_here(tmp_path, "run", "colours")
    assert up.returncode == 0, up.stderr


def test_requests_that_are_all_refused_alike_end_the_run(tmp_path: Path) -> None:
    """Law 7: many identical 400s and no success are the request's fault, and the run's end."""
    write_spec(tmp_path, {"workflow": {"size": 200}})
    wrong = cli_here(tmp_path, "run", "colours", "provider.bad_request_every=1")
    assert wrong.returncode == 1
    assert "alike" in wrong.stderr
    right = cli_here(tmp_path, "run", "colours")
    assert right.returncode == 0, right.stderr


def test_out_of_attempts_exits_3(tmp_path: Path) -> None:
    """Law 6: fewer rows than wanted has its own exit code, and the last line is the run folder all the same."""
    write_spec(tmp_path, {"template": {"fake": {"question": "always", "answer": "the same"}}})
    short = cli(tmp_path, "run", "colours", "workflow.dedup={kind: exact, columns: [answer]}")
    assert short.returncode == 3
    assert "1 of 20 kept, 200 attempted" in " ".join(short.stdout.split())
    assert (tmp_path / short.stdout.strip().splitlines()[-1] / "rows.parquet").exists()


def test_a_read_only_outputs_folder_is_one_sentence(tmp_path: Path) -> None:
    """Bad input: outputs that cannot be made say so, before any call."""
    write_spec(tmp_path)
    (tmp_path / "outputs").write_text("a file where the folder should be")
    wrong = cli_here(tmp_path, "run", "colours")
    assert wrong.returncode == 1
    assert "outputs" in wrong.stderr
    assert "Traceback" not in wrong.stderr


def test_a_wrong_spec_makes_no_folder_and_no_call(tmp_path: Path) -> None:
    """Law 1: a spec with problems exits 2 and leaves nothing behind."""
    write_spec(tmp_path)
    wrong = cli(tmp_path, "run", "colours", "workflow.sise=3", "model.temperature=9")
    assert wrong.returncode == 2
    assert "Did you mean 'size'?" in wrong.stderr
    assert "model.temperature" in wrong.stderr
    assert not (tmp_path / "outputs").exists()
