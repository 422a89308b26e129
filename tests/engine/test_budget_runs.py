"""Runs that stop at their budget: what is kept, what is counted, and how they go on."""

import itertools
import json
import time
from pathlib import Path
from typing import Any

import pytest

import sdspec
from sdspec import api
from sdspec.api import Run
from sdspec.calls import Answer
from sdspec.cli.runs import go_on
from sdspec.engine.caller import Bought
from sdspec.engine.tally import Tally
from sdspec.errors import SpecError
from sdspec.plan.plan import Plan
from sdspec.store.records import CallRecord
from tests.cli.test_cloudera import write_token
from tests.recipes import cli, counts, requests_in, run_spec, write_spec
from tests.servers.cloudera import cloudera_server
from tests.servers.openai import Behaviour, Fault, openai_server_in_thread

PRICED = {"model": {"price": {"input": 1.0, "output": 5.0}}}


def left_running(run: Run, spent: dict[str, object]) -> None:
    """run.json as a process that was killed leaves it, with what it had written down of its spending."""
    path = run.path / "run.json"
    record = json.loads(path.read_text())
    for name in ("counts", "usage", "ended_at", "why"):
        record.pop(name, None)
    record |= {"status": "running", "spent": record["spent"] | spent}
    record["process"]["started"] = "before"
    path.write_text(json.dumps(record))


@pytest.mark.parametrize("concurrency", [1, 4, 64])
def test_a_budget_of_calls_is_kept_to_the_call(tmp_path: Path, concurrency: int) -> None:
    """Seven calls are seven calls, however many may be in flight; each one's row is kept, and it can go on."""
    run = run_spec(write_spec(tmp_path), "budget.calls=7", f"engine.concurrency={concurrency}")
    assert run.summary is not None
    assert ("budget", 7, 7) == (run.summary.status, counts(run)["calls"]["made"], counts(run)["kept"])
    assert "budget.calls: 7 of 7 calls are made" == run.summary.why
    assert 7 == run.rows().num_rows


def test_a_budget_of_calls_counts_answers_and_no_refusals(tmp_path: Path) -> None:
    """What a filter refuses makes no row and uses up no call; run.json counts it as failed."""
    run = run_spec(write_spec(tmp_path, {"provider": {"prefusal": 0.4}}), "budget.calls=7", "engine.concurrency=1")
    calls = counts(run)["calls"]
    assert ("budget", 7) == (run.record()["status"], calls["made"])
    assert calls["failed"] == counts(run)["rejected"]["content_filter"] > 0


def test_a_run_that_goes_on_with_more_is_the_run_without_a_budget(tmp_path: Path) -> None:
    """Law 5: stopped twice, resumed with more each time, re-asks and rejects on the way: the same rows, none bought
    twice, and every answer is in the bill.
    """
    log = tmp_path / "log"
    broken = {"provider": {"pnonsense": 0.3}, "workflow": {"reasks": 1}}
    path = write_spec(tmp_path, PRICED | broken | {"workflow": {"size": 30, "reasks": 1}})
    whole = run_spec(path, outputs=tmp_path / "whole")
    stopped = run_spec(path, "budget.calls=9", f"provider.request_log={log}")
    assert "budget" == stopped.record()["status"]
    further = api.resume(stopped, overrides=["budget.calls=21"])
    assert ("budget", 21) == (further.record()["status"], counts(further)["calls"]["made"])
    done = api.resume(further, overrides=["budget.calls=null"])
    assert ("done", whole.record()["rows_sha256"]) == (done.record()["status"], done.record()["rows_sha256"])
    asked = requests_in(log)
    assert {1} == set(asked.values())
    assert len(asked) == done.record()["spent"]["calls"] == counts(done)["calls"]["made"]
    price = sdspec.compile(sdspec.load(path, cwd=tmp_path)).models["model"].price
    assert price is not None
    assert done.record()["cost_usd"] == pytest.approx(
        done.record()["tokens"]["input"] * 1e-6 + done.record()["tokens"]["output"] * 5e-6
    )


def test_rows_behind_one_that_cannot_be_paid_are_kept(tmp_path: Path) -> None:
    """A row whose re-ask the budget no longer pays for does not hold back those that are paid; nor does a resume
    without more lose them, or buy anything.
    """
    broken = {"provider": {"pnonsense": 0.5}, "workflow": {"size": 20}}
    run = run_spec(write_spec(tmp_path, broken), "budget.calls=20", "engine.concurrency=20")
    kept = run.rows().num_rows
    assert "budget" == run.record()["status"]
    answered = sum(call["outcome"] == "answer" for call in _calls(run))
    assert 20 == answered
    assert 5 <= kept == counts(run)["kept"]
    again = api.resume(run)
    assert ("budget", 20, kept) == (again.record()["status"], counts(again)["calls"]["made"], again.rows().num_rows)


def _calls(run: Run) -> list[dict[str, object]]:
    from sdspec.store.tables import read_table

    return read_table(run.path, "calls").to_pylist()


def test_answers_from_the_journal_never_stop_a_run(tmp_path: Path) -> None:
    """With all answers in the journal a run is done, at no cost, with a budget of nothing."""
    path = write_spec(tmp_path, PRICED)
    first = run_spec(path)
    nothing = [f"budget.{name}=0" for name in ("usd", "calls", "tokens", "wall")]
    again = run_spec(path, *nothing)
    assert ("done", 0, 0.0) == (again.record()["status"], counts(again)["calls"]["made"], again.record()["cost_usd"])
    assert first.record()["rows_sha256"] == again.record()["rows_sha256"]
    none = run_spec(path, *nothing, outputs=tmp_path / "other")
    assert ("budget", 0) == (none.record()["status"], counts(none)["calls"]["made"])


def test_a_budget_of_time_does_not_wait_for_an_endpoint_that_sleeps(tmp_path: Path) -> None:
    """An endpoint at zero may take a quarter of an hour to start: a run that has less ends when its time is over."""
    with cloudera_server("t") as server:
        server.asleep = 10**6
        token = write_token(tmp_path / "jwt", "t")
        words = ["provider=cloudera", f"provider.base_url={server.base_url}", f"provider.token_file={token}"]
        asleep = [*words, "model.id=m", "provider.scale_up_s=30"]
        write_spec(tmp_path, {"provider": None})
        done = cli(tmp_path, "run", "colours", *asleep, "budget.wall=1")
    assert 3 == done.returncode
    assert "sdspec: stopped at budget.wall: the 1 s are over." in done.stderr


def test_a_budget_of_dollars_stops_a_run_below_it(tmp_path: Path) -> None:
    """The bill is below the budget, near it, and that of the calls; the report and `show` tell what is left."""
    path = write_spec(tmp_path, PRICED | {"workflow": {"size": 200}})
    run = run_spec(path, "budget.usd=0.02", "engine.concurrency=8")
    record = run.record()
    assert "budget" == record["status"]
    assert 0.018 < record["cost_usd"] <= 0.02
    assert record["cost_usd"] == pytest.approx(sum(float(str(call["cost_usd"])) for call in _calls(run)))
    shown = cli(tmp_path, "show", "last")
    assert " of $0.02\n" in shown.stdout
    assert f"go on with more: sdspec resume {run.path.name} budget.usd=0.04" in shown.stdout
    assert "stopped" not in (run.path / "report.html").read_text().partition("budget.usd")[0]


def test_a_killed_run_counts_on_what_it_had_not_written_down(tmp_path: Path) -> None:
    """After a kill the journal tells what the run had bought: a resume keeps to what is left of the budget."""
    path = write_spec(tmp_path, PRICED)
    run = run_spec(path, "budget.calls=12", "engine.concurrency=2")
    bill = run.record()["cost_usd"]
    nothing = {"calls": 0, "steps": {}, "whole": False, "at": run.record()["started_at"]}
    left_running(run, nothing)
    again = api.resume(api.open_run(run.path))
    assert ("budget", 12) == (again.record()["status"], counts(again)["calls"]["made"])
    assert again.record()["cost_usd"] == pytest.approx(bill)


def test_a_run_that_is_killed_twice_counts_all_that_it_bought(tmp_path: Path) -> None:
    """The second kill came before the journal had told all that was bought until the first: it is found again."""
    run = run_spec(write_spec(tmp_path, PRICED), "budget.calls=12", "engine.concurrency=2")
    left_running(run, {"calls": 0, "steps": {}, "whole": False, "at": run.record()["started_at"]})
    resumed = Tally.carried(20, run.record())
    half = CallRecord("m", time.time(), 0.1, Answer("x", "stop", 10, 5), cost_usd=0.5)
    resumed.called(Bought(half, from_journal=True), "generate", b"one")
    assert 1 == resumed.made
    left_running(run, resumed.spent(7.0, whole=False))
    again = api.resume(api.open_run(run.path))
    assert ("budget", 12) == (again.record()["status"], counts(again)["calls"]["made"])
    assert again.record()["spent"]["wall_s"] >= 7.0


def test_tokens_and_cost_are_told_by_step_and_model(tmp_path: Path) -> None:
    """run.json has the bill by step and by model, and the prices that it was made with, with source and date."""
    run = run_spec(write_spec(tmp_path, PRICED))
    record = run.record()
    step = record["usage"]["steps"]["generate"]
    assert ("model", 20, record["cost_usd"]) == (step["model"], step["calls"], step["cost_usd"])
    assert record["usage"]["models"]["model"]["output_tokens"] == record["tokens"]["output"]
    (price,) = record["prices"]
    assert (1.0, 5.0, "spec") == (price["input_usd_per_mtok"], price["output_usd_per_mtok"], price["source"])
    assert price["date"] <= record["ended_at"]


def test_a_price_decides_no_row(tmp_path: Path) -> None:
    """Another price, or another budget, is the same plan and asks the same."""
    path = write_spec(tmp_path)
    plans = [
        sdspec.compile(sdspec.load(path, changes, cwd=tmp_path))
        for changes in ([], ["model.price={input: 1, output: 2}"], ["budget.calls=3", "budget.wall=2h"])
    ]
    assert 1 == len({plan.id for plan in plans})
    assert 1 == len({api_key(plan) for plan in plans})


def api_key(plan: Plan) -> bytes:
    """The journal's key of the first ask."""
    return api.preview(plan, 1)[0].ask.key


def test_a_resume_takes_a_budget_and_nothing_else(tmp_path: Path) -> None:
    """Any other key is refused, with the command for a new run; the last budget holds on where none is given."""
    run = run_spec(write_spec(tmp_path), "budget.calls=2")
    with pytest.raises(SpecError, match=r"a resume finishes a run as it was begun"):
        api.resume(run, overrides=["model.temperature=0.1"])
    more = api.resume(run, overrides=["budget.calls=4"])
    assert 4 == counts(api.resume(more))["calls"]["made"]


def test_the_end_tells_what_was_reached_and_how_to_go_on(tmp_path: Path) -> None:
    """Exit code 3; stderr says what is spent and kept, and its command goes on to the end."""
    write_spec(tmp_path)
    stopped = cli(tmp_path, "run", "colours", "budget.calls=5", "--quiet")
    assert 3 == stopped.returncode
    assert "sdspec: stopped at budget.calls: 5 of 5 calls are made.\n5 of 20 rows are kept." in stopped.stderr
    command = stopped.stderr.partition("go on with more: sdspec ")[2].split()
    assert ["resume", stopped.stdout.strip(), "budget.calls=10"] == command
    assert 3 == cli(tmp_path, *command).returncode
    done = cli(tmp_path, "resume", "last", "budget.calls=100", "--json")
    assert (0, 20) == (
        done.returncode,
        json.loads(done.stdout.rpartition("\n")[0].rpartition("}")[0] + "}")["spent"]["calls"],
    )


def test_the_command_that_goes_on_does_with_what_is_spent_already(tmp_path: Path) -> None:
    """A resume with less than is spent stops at once, and names a budget with which there is something left to buy."""
    run = run_spec(write_spec(tmp_path), "budget.calls=8")
    less = api.resume(run, overrides=["budget.calls=3"])
    assert ("budget", 8, 8) == (less.record()["status"], counts(less)["calls"]["made"], counts(less)["kept"])
    assert "go on with more: sdspec resume R budget.calls=16" == go_on(less.record(), "R")
    millions = less.record() | {"budget": {"calls": 1234567}}
    assert "go on with more: sdspec resume R budget.calls=2469134" == go_on(millions, "R")


def test_a_preview_keeps_to_the_budget(tmp_path: Path) -> None:
    """Rows that the budget does not pay for say so, and the exit code is that of a budget."""
    write_spec(tmp_path)
    done = cli(tmp_path, "preview", "colours", "--call", "-n", "3", "budget.calls=1")
    assert 3 == done.returncode
    assert 2 == done.stdout.count("budget.calls: 1 of 1 calls are made")


def test_each_run_of_a_sweep_has_its_own_budget(tmp_path: Path) -> None:
    """Two runs with three calls each are six calls; the sweep ends with the budget's exit code."""
    write_spec(tmp_path)
    swept = cli(tmp_path, "run", "colours", "-m", "model.temperature=0.1,0.2", "budget.calls=3", "--json")
    assert 3 == swept.returncode
    results = json.loads(swept.stdout[: swept.stdout.rindex("]") + 1])
    assert [("budget", 3), ("budget", 3)] == [(one["status"], one["counts"]["calls"]["made"]) for one in results]


def test_dollars_are_not_limited_where_no_price_is_known(tmp_path: Path) -> None:
    """A budget of USD on a model without a price is a problem of that key, which names what is missing."""
    path = write_spec(tmp_path, {"defaults": ["/sdspec", {"override /template": "custom"}, "_self_"]})
    endpoint = ["provider=openai_compatible", "provider.base_url=http://127.0.0.1:9/v1", "model=default", "model.id=m"]
    with pytest.raises(SpecError) as found:
        sdspec.compile(sdspec.load(path, [*endpoint, "budget.usd=5"], cwd=tmp_path))
    (problem,) = found.value.problems
    assert "override 'budget.usd=5'" == problem.where
    assert "budget.usd: no price is known for model m on openai_compatible." == problem.what
    priced = [*endpoint, "budget.usd=5", "model.price={input: 1.0, output: 5.0}"]
    assert sdspec.compile(sdspec.load(path, priced, cwd=tmp_path)).models["model"].price is not None


def test_a_run_without_a_price_goes_on_and_says_so_once(tmp_path: Path) -> None:
    """Without a budget of USD an unknown price stops nothing: one line says so, and how to give one."""
    write_spec(tmp_path)
    with openai_server_in_thread(Behaviour(answer=lambda body: '{"question": "?", "answer": "!"}')) as server:
        words = ["provider=openai_compatible", f"provider.base_url={server.base_url}", "model=default", "model.id=m"]
        done = cli(tmp_path, "run", "colours", *words, "workflow.size=3", "workflow.dedup=null")
    assert 0 == done.returncode
    assert 1 == done.stderr.count("no price is known for model m on openai_compatible, so its cost is not counted")
    assert "not known: 3 calls without a known price" in done.stdout


def test_a_dear_answer_holds_back_calls_that_have_their_share_and_wait_for_a_slot(tmp_path: Path) -> None:
    """After eight short answers a long one takes all that is left: nothing more is sent, whatever was reserved."""
    said = itertools.count(1)

    def answer(_: dict[str, Any]) -> str:
        return json.dumps({"question": "?", "answer": "!" * (3900 if next(said) == 9 else 10)})

    path = write_spec(tmp_path)
    with openai_server_in_thread(Behaviour(answer=answer)) as server:
        words = ["provider=openai_compatible", f"provider.base_url={server.base_url}", "model=default", "model.id=m"]
        run = run_spec(path, *words, "model.max_tokens=1000", "budget.tokens=1500", "engine.concurrency=1")
        assert 9 == server.requests
    assert ("budget", 9) == (run.record()["status"], counts(run)["calls"]["made"])
    assert run.record()["spent"]["tokens"] >= 1500


def test_a_refusal_that_is_charged_is_on_the_bill(tmp_path: Path) -> None:
    """A model that refuses in words has read and written tokens: they are in calls.parquet, the bill and the budget."""
    path = write_spec(tmp_path, PRICED | {"workflow": {"size": 3, "max_attempts": 3}})

    def refuse(prompt: str, nth: int) -> Fault | None:
        return Fault(message_fields={"content": None, "refusal": "I would rather not."}) if "red" in prompt else None

    with openai_server_in_thread(Behaviour(fault=refuse)) as server:
        words = ["provider=openai_compatible", f"provider.base_url={server.base_url}", "model=default", "model.id=m"]
        run = run_spec(path, *words, "model.price={input: 1.0, output: 5.0}")
    calls = _calls(run)
    refused = [call for call in calls if call["outcome"] == "row_fatal"]
    assert 1 <= len(refused) == counts(run)["calls"]["failed"]
    assert all(float(str(call["cost_usd"])) > 0 and int(str(call["input_tokens"])) > 0 for call in refused)
    bill = run.record()
    assert bill["cost_usd"] == pytest.approx(sum(float(str(call["cost_usd"])) for call in calls))
    assert bill["tokens"]["input"] == sum(int(str(call["input_tokens"])) for call in calls)
    assert len(calls) - len(refused) == counts(run)["calls"]["made"]
