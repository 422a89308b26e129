"""`sdspec row`: the whole life of one row, kept, rejected or surplus."""

import json
from pathlib import Path

import pyarrow.parquet as pq

from sdspec.api import Run
from tests.engine.test_endpoints import run_on
from tests.recipes import cli_here, run_spec, write_spec
from tests.servers.openai import Behaviour, Fault, openai_server_in_thread


def life(folder: Path, run: Run, row: str) -> dict[str, object]:
    """`sdspec row --json`."""
    said = cli_here(folder, "row", run.path.name, row, "--json")
    assert said.returncode == 0, said.stderr
    found: dict[str, object] = json.loads(said.stdout)
    return found


def test_a_kept_row(tmp_path: Path) -> None:
    """Seed, examples drawn, messages as sent, the answer, columns, and what the answer cost when it was bought."""
    examples = [{"question": f"Q{n}", "answer": f"A{n}"} for n in range(4)]
    spec = write_spec(tmp_path, {"template": {"examples": examples, "examples_per_row": 2}})
    run_spec(spec)
    run = run_spec(spec, "workflow.size=21")
    row = run.rows().to_pylist()[3]
    found = life(tmp_path, run, row["_row_id"][:10])
    call = found["calls"][0]  # type: ignore[index]
    assert (found["fate"], found["seed"], found["index"]) == ("kept", "black", 3)
    assert found["values"] == {name: row[name] for name in ("question", "answer", "mood")}
    assert all(f"Q{at}" in call["messages"][0]["content"] for at in found["notes"]["examples"])  # type: ignore[index]
    assert json.loads(call["answer"])["question"] == row["question"]
    assert call["from_journal"]
    text = cli_here(tmp_path, "row", "last", row["_row_id"]).stdout
    assert "kept" in text and "<topic>black</topic>" in text and "examples drawn: " in text


def test_a_rejected_row_with_its_re_asks(tmp_path: Path) -> None:
    """Each answer, what the model was told in between, and where and why the row ended."""
    run = run_spec(write_spec(tmp_path), "provider.pnonsense=0.6", "workflow.reasks=2")
    rejects = pq.read_table(run.path / "rejects.parquet").to_pylist()
    found = life(tmp_path, run, rejects[0]["_row_id"])
    assert (found["fate"], found["step"], found["reason"]) == ("rejected", "generate", "unparseable")
    assert [call["purpose"] for call in found["calls"]] == ["answer", "reask 1", "reask 2"]  # type: ignore[attr-defined]
    text = cli_here(tmp_path, "row", "last", rejects[0]["_row_id"]).stdout
    assert "rejected at step generate: unparseable" in text
    assert "Your answer cannot be used." in text


def test_a_call_that_was_refused_and_one_that_failed(tmp_path: Path) -> None:
    """The refusal shows what was asked; the failed call says that the next run asks again; neither claims a price."""

    def fault(prompt: str, attempt: int) -> Fault | None:
        if "red, wild" in prompt:
            return Fault(400, "content_filter", "this prompt was filtered")
        return Fault(500, message="overheated") if "blue, wild" in prompt else None

    with openai_server_in_thread(Behaviour(fault=fault, latency_s=0.005)) as server:
        run = run_on(server, tmp_path, "engine.max_tries=2")
    rejects = pq.read_table(run.path / "rejects.parquet").to_pylist()
    rows = {reject["reason"]: reject["_row_id"] for reject in rejects}
    refused, failed = (
        cli_here(tmp_path, "row", "last", rows[name]).stdout for name in ("content_filter", "server_error")
    )
    assert "about red, wild" in refused and "[refused]\ncontent_filter: this prompt was filtered" in refused
    assert "the next run asks again" in failed and "[no answer]\nserver_error: overheated" in failed
    assert {"1 call, 1 without an answer"} == {text.splitlines()[-1] for text in (refused, failed)}
    assert "no longer holds" not in refused + failed and "cost not known" not in refused + failed


def test_a_row_that_a_check_refused_shows_the_verdict(tmp_path: Path) -> None:
    """The check's own words are there once."""
    run = run_spec(
        write_spec(tmp_path),
        "template.checks=[{kind: sql, column: answer, ddl: 'CREATE TABLE t (a INT)'}]",
        "workflow.max_attempts=5",
    )
    rejects = pq.read_table(run.path / "rejects.parquet").to_pylist()
    text = cli_here(tmp_path, "row", "last", rejects[0]["_row_id"]).stdout
    assert text.count(rejects[0]["detail"]) == 1


def test_verdicts_stand_in_the_order_of_the_checks(tmp_path: Path) -> None:
    """As they were given, not by name; the row's index is the one of rows.parquet."""
    kinds = ["length", "contains"]
    checks = [
        {"kind": "length", "column": "answer", "min": 1},
        {"kind": "contains", "column": "question", "any": ["?"]},
    ]
    run = run_spec(write_spec(tmp_path, {"template": {"checks": checks}}))
    row = run.rows().to_pylist()[3]
    text = cli_here(tmp_path, "row", "last", row["_row_id"]).stdout
    assert [f"{kind}: ok" for kind in kinds] == [line for line in text.splitlines() if line.endswith(": ok")]
    assert text.splitlines()[0] == f"{row['_row_id']}  index 3"
    assert text.splitlines()[-1] == "1 call, no cost"


def test_without_the_journal_the_answers_are_still_there(tmp_path: Path) -> None:
    """calls.parquet holds the answers; what was asked is said to be gone."""
    run = run_spec(write_spec(tmp_path))
    for path in (tmp_path / "outputs").glob("journal.sqlite*"):
        path.unlink()
    text = cli_here(tmp_path, "row", "last", run.rows()["_row_id"][0].as_py()).stdout
    assert "no longer holds what was asked" in text
    assert "[answer]" in text


def test_no_such_row_and_too_many(tmp_path: Path) -> None:
    """An id of nothing, and a prefix of many, are errors that help."""
    run_spec(write_spec(tmp_path))
    none, many = cli_here(tmp_path, "row", "last", "zzz"), cli_here(tmp_path, "row", "last", "")
    assert (none.returncode, many.returncode) == (2, 2)
    assert "zzz: no row of this run begins like this" in none.stderr
    assert "20 rows begin like this" in many.stderr
