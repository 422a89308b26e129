"""The engine's laws, on the shipped fake provider: same rows, exact sizes, nothing bought twice, nothing vanishes."""

import signal
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sdspec
from sdspec.api import Run
from sdspec.engine import runner
from tests.recipes import counts, requests_in, run_spec, write_spec

faults = st.fixed_dictionaries(
    {
        "latency_s": st.sampled_from([0.0, 0.001, 0.004]),
        "latency_sigma": st.sampled_from([0.0, 0.8]),
        "p429": st.sampled_from([0.0, 0.1]),
        "retry_after_s": st.sampled_from(["0.001", "null"]),
        "p500": st.sampled_from([0.0, 0.15]),
        "pmalformed": st.sampled_from([0.0, 0.1]),
        "seed": st.just(7),
    }
)


def sha(run: Run) -> str:
    return str(run.record()["rows_sha256"])


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(first=faults, second=faults, lanes=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_faults_latency_and_concurrency_change_no_row(
    first: dict[str, object], second: dict[str, object], lanes: tuple[int, int]
) -> None:
    """Law 5: whatever fails on the way and in whatever order calls finish, the rows are the same, to the byte."""
    decided = ["provider.pnonsense=0.3", "provider.prefusal=0.1", "provider.pbroken_json=0.2"]
    made = []
    with TemporaryDirectory() as folder:
        for number, (knobs, lane) in enumerate(zip((first, second), lanes, strict=True)):
            spec = write_spec(Path(folder), {"workflow": {"dedup": {"kind": "exact", "columns": ["answer", "mood"]}}})
            knob = [f"provider.{name}={value}" for name, value in knobs.items()]
            more = [*decided, *knob, f"engine.concurrency={lane}", "workflow.size=10", "workflow.max_attempts=24"]
            run = run_spec(spec, *more, outputs=Path(folder) / f"outputs{number}")
            made.append((sha(run), (run.path / "rows.parquet").read_bytes(), counts(run)["rejected"]))
    assert made[0] == made[1]


def test_a_second_run_asks_nothing_at_any_concurrency(tmp_path: Path) -> None:
    """Law 3: with the journal full, another concurrency makes no call, and the rows are the same."""
    spec = write_spec(tmp_path, {"workflow": {"size": 200}, "provider": {"pnonsense": 0.3, "prefusal": 0.05}})
    log = tmp_path / "log"
    runs = [
        run_spec(spec, f"engine.concurrency={lanes}", f"provider.request_log={log}") for lanes in (16, 3, 64, 200, 1)
    ]
    assert len({sha(run) for run in runs}) == 1
    assert [counts(run)["calls"]["made"] for run in runs[1:]] == [0, 0, 0, 0]
    assert sum(requests_in(log).values()) == counts(runs[0])["calls"]["made"] + counts(runs[0])["calls"]["failed"]


def test_the_size_is_kept_rows_spread_over_the_seeds(tmp_path: Path) -> None:
    """Law 6: where rows are refused the run tops up until each seed has its share, and no more."""
    spec = write_spec(tmp_path, {"workflow": {"size": 53}, "provider": {"pnonsense": 0.5}})
    run = run_spec(spec, "workflow.reasks=0")
    rows = run.rows()
    per_seed = Counter(rows["_seed"].to_pylist())
    assert rows.num_rows == 53
    assert sorted(per_seed.values()) == [10, 10, 11, 11, 11]
    assert rows["_index"].to_pylist() == sorted(rows["_index"].to_pylist())


def test_rows_never_vanish(tmp_path: Path) -> None:
    """Law 4: attempted rows are kept or rejected, each once, and the tables hold just those."""
    spec = write_spec(tmp_path, {"workflow": {"size": 60}, "provider": {"pnonsense": 0.4, "prefusal": 0.1}})
    run = run_spec(spec, "workflow.reasks=0", "workflow.dedup={kind: exact, columns: [answer]}")
    found = counts(run)
    rejects = pq.read_table(run.path / "rejects.parquet")
    assert found["attempted"] == found["kept"] + sum(found["rejected"].values())
    assert rejects.num_rows == sum(found["rejected"].values())
    indexes = run.rows()["_index"].to_pylist() + rejects["_index"].to_pylist()
    assert sorted(indexes) == list(range(found["attempted"]))
    assert set(rejects["reason"].to_pylist()) == {"unparseable", "content_filter", "duplicate"}
    unparseable = rejects.filter(pc.equal(rejects["reason"], "unparseable"))
    assert all(unparseable["raw"].to_pylist()), "the model's own text is kept"


def test_short_of_its_size_a_run_says_so(tmp_path: Path) -> None:
    """Law 6: a size that cannot be met ends at the attempt limit, short, with what is missing by seed."""
    spec = write_spec(tmp_path, {"workflow": {"size": 50, "max_attempts": 80}})
    run = run_spec(spec, "workflow.dedup={kind: exact, columns: [answer]}", "template.fake.answer=always")
    record = run.record()
    assert record["status"] == "short"
    assert record["counts"]["attempted"] == 80
    assert record["counts"]["kept"] == 1
    assert sum(record["missing"].values()) == 49


def test_seeds_that_lack_rows_are_named_up_to_a_hundred(tmp_path: Path) -> None:
    """Ten thousand seeds without a row do not fill run.json: those that lack most are named, all are counted."""
    seeds = [f"seed {n}" for n in range(150)]
    spec = write_spec(tmp_path, {"template": {"seeds": seeds}, "workflow": {"size": 200, "max_attempts": 20}})
    record = run_spec(spec, "workflow.dedup={kind: exact, columns: [answer]}", "template.fake.answer=always").record()
    assert (100, 150) == (len(record["missing"]), record["missing_seeds"])
    assert [2] * 49 == list(record["missing"].values())[:49]


def test_only_what_changed_is_asked(tmp_path: Path) -> None:
    """Law 3: more seeds and a larger size ask only for new rows; another export or dedup asks for nothing."""
    spec = write_spec(tmp_path, {"workflow": {"size": None, "size_per_seed": 4}})
    first = run_spec(spec)
    seeds = ["red", "green", "blue", "black", "white", "pink", "grey"]
    more = run_spec(spec, f"template.seeds=[{','.join(seeds)}]")
    larger = run_spec(spec, "workflow.size_per_seed=6")
    other = run_spec(spec, "workflow.dedup={kind: exact, columns: [question]}", "export=parquet")
    assert [counts(run)["calls"]["made"] for run in (first, more, larger, other)] == [20, 8, 10, 0]


def test_an_edited_prompt_or_fake_answer_is_asked_again(tmp_path: Path) -> None:
    """Law 3: nothing stale comes back: what decides an answer is in its key."""
    spec = write_spec(tmp_path)
    run_spec(spec)
    edited = run_spec(spec, "template.prompt='{{ examples }} Ask about {{ seed }} in a {{ mood }} mood'")
    cooler = run_spec(spec, "model.temperature=0.1")
    faked = run_spec(spec, "template.fake.answer='{{ mood }} again'")
    assert [counts(run)["calls"]["made"] for run in (edited, cooler, faked)] == [20, 20, 20]
    assert set(faked.rows()["answer"].to_pylist()) == {"calm again", "wild again"}


def test_one_bad_row_hurts_no_other(tmp_path: Path) -> None:
    """Law 7: asks that are refused for good become rejects after one call each, and the run goes on."""
    log = tmp_path / "log"
    spec = write_spec(tmp_path, {"workflow": {"size": 100}, "provider": {"bad_request_every": 10}})
    run = run_spec(spec, f"provider.request_log={log}")
    found = counts(run)
    assert found["kept"] == 100
    assert found["rejected"] == {"bad_request": found["attempted"] - 100}
    assert set(requests_in(log).values()) == {1}


def test_journaled_refusals_are_asked_again_on_demand(tmp_path: Path) -> None:
    """Law 3: a refusal is an answer too and costs no second call, unless asked for."""
    spec = write_spec(tmp_path, {"workflow": {"size": 40}, "provider": {"prefusal": 0.2}})
    first = run_spec(spec)
    second = run_spec(spec)
    refused = counts(first)["rejected"]["content_filter"]
    assert counts(second)["calls"] == {**counts(second)["calls"], "made": 0, "failed": 0}
    assert counts(second)["rejected"] == {"content_filter": refused}
    plan = sdspec.compile(sdspec.load(spec, [f"engine.outputs={tmp_path / 'outputs'}"], cwd=tmp_path))
    third = sdspec.run(plan, retry_errors=True)
    assert counts(third)["calls"]["failed"] == refused


def test_a_hung_first_call_holds_back_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Finished rows that wait for an earlier one are let go of beyond a bound, and read again from the journal."""
    calm = run_spec(write_spec(tmp_path, {"workflow": {"size": 120}}), outputs=tmp_path / "calm")
    monkeypatch.setattr(runner, "HELD_ROWS", 4)
    log = tmp_path / "log"
    spec = write_spec(tmp_path, {"workflow": {"size": 120}, "provider": {"ptimeout": 0.1, "seed": 3}})
    hung = run_spec(spec, "engine.timeout_s=0.4", "engine.concurrency=16", f"provider.request_log={log}")
    assert sha(hung) == sha(calm)
    assert counts(hung)["calls"]["made"] == 120
    assert counts(hung)["calls"]["from_journal"] == 0


def test_the_signals_of_the_program_around_a_run_are_its_own_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server or a notebook that calls `sdspec.run` still ends as it means to when it is told to."""
    told: list[int] = []
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    mine = {number: (lambda said, _: told.append(said)) for number in numbers}
    before = {number: signal.signal(number, handler) for number, handler in mine.items()}
    try:
        run_spec(write_spec(tmp_path), "workflow.size=2")
        assert mine == {number: signal.getsignal(number) for number in numbers}
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
