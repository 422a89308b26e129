"""workflow.per_call: several rows from one answer, each with its own identity and fate, each answer bought once."""

from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sdspec
from sdspec.errors import SpecError
from tests.recipes import counts, requests_in, run_spec, write_spec


def test_one_answer_makes_several_rows(tmp_path: Path) -> None:
    """20 rows of 5 seeds, 4 per answer: 5 calls, and every row is another one with an identity of its own."""
    spec = write_spec(tmp_path)
    log = tmp_path / "log"
    run = run_spec(spec, "workflow.per_call=4", f"provider.request_log={log}")
    rows = run.rows().to_pylist()
    assert sum(requests_in(log).values()) == 5
    assert counts(run)["calls"] == {"made": 5, "from_journal": 0, "failed": 0, "retried": 0}
    assert len({row["_row_id"] for row in rows}) == len({row["question"] for row in rows}) == 20
    assert len(pq.read_table(run.path / "calls.parquet")) == 5


def test_an_answer_asked_for_again_counts_once(tmp_path: Path) -> None:
    """However many rows take their part of it: run.json has as many re-asks as there are calls that are one."""
    run = run_spec(write_spec(tmp_path), "workflow.per_call=4", "provider.pnonsense=0.5")
    purposes = pq.read_table(run.path / "calls.parquet")["purpose"].to_pylist()
    assert counts(run)["reasked"] == sum(purpose != "answer" for purpose in purposes) > 0


def test_rows_of_one_answer_share_what_their_prompt_shows(tmp_path: Path) -> None:
    """A variable that is drawn per row is drawn once for the rows of an answer, since they share the prompt."""
    run = run_spec(write_spec(tmp_path), "workflow.per_call=4")
    moods: dict[str, set[str]] = {}
    for row in run.rows().to_pylist():
        moods.setdefault(row["_seed"], set()).add(row["mood"])
    assert {len(found) for found in moods.values()} == {1}


def test_a_larger_size_buys_only_the_answers_it_needs(tmp_path: Path) -> None:
    """Rows that an answer holds beyond the first size come from the journal later."""
    spec = write_spec(tmp_path)
    made = [
        counts(run_spec(spec, "workflow.per_call=4", f"workflow.size={size}"))["calls"]["made"] for size in (10, 20, 30)
    ]
    assert made == [5, 0, 5]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    per_call=st.integers(2, 7),
    lanes=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    size=st.integers(1, 30),
    latency=st.sampled_from([0.0, 0.003]),
)
def test_concurrency_changes_no_row(per_call: int, lanes: tuple[int, int], size: int, latency: float) -> None:
    """Law 5 with several rows per answer, answers that cannot be parsed and refusals among them; rows add up."""
    made = []
    with TemporaryDirectory() as folder:
        spec = write_spec(Path(folder), {"workflow": {"dedup": {"kind": "exact", "columns": ["answer", "mood"]}}})
        for number, lane in enumerate(lanes):
            run = run_spec(
                spec,
                *("provider.pnonsense=0.3", "provider.prefusal=0.1", "provider.pbroken_json=0.2"),
                *(f"provider.latency_s={latency}", "provider.latency_sigma=0.8", f"engine.concurrency={lane}"),
                *(f"workflow.per_call={per_call}", f"workflow.size={size}", "workflow.max_attempts=60"),
                outputs=Path(folder) / f"outputs{number}",
            )
            found = counts(run)
            assert found["attempted"] == found["kept"] + sum(found["rejected"].values())
            made.append(((run.path / "rows.parquet").read_bytes(), found["rejected"]))
    assert made[0] == made[1]


def test_a_bad_row_of_an_answer_hurts_none_of_the_others(tmp_path: Path) -> None:
    """A row that lacks a column, and rows that the answer lacks, are rejects alone; nothing is asked again for them."""
    rows = '{"rows": [{"question": "a", "answer": "b"}, {"question": "c"}, {"question": "d", "answer": "e"}]}'
    changes = {
        "template": {"parse": {"kind": "json"}, "seeds": ["red"], "fake": {"question": "q", "answer": "a"}},
        "workflow": {"size": 2, "per_call": 4, "max_attempts": 4},
    }
    spec = write_spec(tmp_path, changes)
    plan = sdspec.compile(sdspec.load(spec, cwd=tmp_path))
    generate = next(step.part for step in plan.steps if step.name == "generate")
    parts = generate.parts(rows)  # type: ignore[union-attr]
    assert [getattr(part, "values", None) for part in parts] == [  # type: ignore[union-attr]
        {"question": "a", "answer": "b"},
        None,
        {"question": "d", "answer": "e"},
    ]


def test_missing_rows_are_rejects_with_their_reason(tmp_path: Path) -> None:
    """An answer of one row where three were asked for: one row is kept, two are `missing_row`, and the run tops up."""
    changes = {
        "template": {
            "seeds": ["red"],
            "prompt": "Ask about {{ seed }} in a {{ mood }} mood. Q: and the question.",
            "examples": [],
            "output": {"question": "str"},
            "parse": {"kind": "regex", "pattern": r"Q: (?P<question>[^\n]+)"},
            "fake": {"question": "{% if n % 2 %}Q: is it {{ n }}?{% endif %}"},
        },
    }
    spec = write_spec(tmp_path, changes)
    run = run_spec(spec, "workflow.size=6", "workflow.per_call=3", "workflow.reasks=0", "export=none")
    found = counts(run)
    assert found["kept"] == 6
    assert set(found["rejected"]) <= {"missing_row", "unparseable"}
    assert found["rejected"]["missing_row"] > 0
    lineage = Counter(run.rows()["_lineage"].to_pylist())
    assert all('"slot":' in one for one in lineage)


def test_a_parser_of_one_row_is_refused(tmp_path: Path) -> None:
    """parse raw takes the whole answer: with per_call that is a problem, at the key that sets it."""
    changes = {"template": {"output": {"text": "str"}, "parse": "raw", "examples": [], "fake": {"text": "x"}}}
    spec = write_spec(tmp_path, changes | {"workflow": {"per_call": 3}})
    with pytest.raises(SpecError, match=r"colours\.yaml:\d+:\d+: workflow\.per_call: 3 rows from one answer"):
        sdspec.compile(sdspec.load(spec, cwd=tmp_path))


def test_the_plan_counts_answers(tmp_path: Path) -> None:
    """An estimate counts calls, not rows, and a note says where answers hold more rows than a seed wants."""
    plan = sdspec.compile(sdspec.load(write_spec(tmp_path), ["workflow.per_call=4"], cwd=tmp_path))
    assert sdspec.api.estimate(plan)[0].calls.least == 5
    small = sdspec.compile(sdspec.load(write_spec(tmp_path), ["workflow.per_call=9"], cwd=tmp_path))
    assert any("no seed wants more than 4" in note for note in small.notes)
