"""Law 3 over whole histories: one journal, edit after edit, and each run is that of its spec from nothing."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import sdspec
from sdspec import api
from tests.chains import judged_plan
from tests.recipes import counts, requests_in, write_spec

SEEDS = ["red", "green", "blue", "black"]
CHECK = {"kind": "length", "column": "answer"}
PROMPTS = ("How hard is {{ question }}?", "How hard is {{ question }}, really? {{ answer }}")

edits = st.one_of(
    st.permutations(SEEDS).flatmap(
        lambda seeds: st.integers(1, 4).map(lambda count: {"template": {"seeds": seeds[:count]}})
    ),
    st.integers(1, 12).map(lambda size: {"workflow": {"size": size}}),
    st.sampled_from([1, 2]).map(lambda per_call: {"workflow": {"per_call": per_call}}),
    st.sampled_from([0, 2]).map(lambda reasks: {"workflow": {"reasks": reasks}}),
    st.sampled_from(["question", "answer", "mood"]).map(
        lambda column: {"workflow": {"dedup": {"kind": "exact", "columns": [column]}}}
    ),
    st.just({"workflow": {"dedup": {"kind": "near", "columns": ["question"], "threshold": 0.9}}}),
    st.sampled_from([6, 7, 8]).map(lambda least: {"template": {"checks": [{**CHECK, "min": least}]}}),
    st.just({"template": {"checks": []}}),
    st.booleans().map(lambda repair: {"template": {"parse": {"kind": "json", "repair": repair}}}),
    st.sampled_from([0.1, 0.9]).map(lambda warmth: {"model": {"temperature": warmth}}),
    st.sampled_from([0, 1]).map(lambda seed: {"seed": seed}),
    st.sampled_from(PROMPTS).map(lambda prompt: {"judge": prompt}),
    st.integers(1, 40).map(lambda lanes: {"engine": {"concurrency": lanes}}),
)


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(history=st.lists(edits, min_size=2, max_size=4), seed=st.integers(0, 9))
def test_any_history_of_edits_leaves_the_rows_of_a_run_from_nothing(history: list[dict[str, Any]], seed: int) -> None:
    """Nonsense, broken JSON and refusals included: nothing is asked twice, and `plan` never says too many calls."""
    with TemporaryDirectory() as named:
        folder = Path(named)
        faults = {"pnonsense": 0.2, "pbroken_json": 0.2, "prefusal": 0.1, "seed": seed}
        spec: dict[str, Any] = {"provider": faults, "workflow": {"size": 6, "max_attempts": 40}}
        for number, edit in enumerate([{}, *history]):
            for name, changes in edit.items():
                spec[name] = {**spec.get(name, {}), **changes} if isinstance(changes, dict) else changes
            path = write_spec(folder, {name: value for name, value in spec.items() if name != "judge"})
            prompt = spec.get("judge", PROMPTS[0])
            log = folder / "log"
            plan = judged_plan(path, f"provider.request_log={log}", outputs=folder / "outputs", prompt=prompt)
            told = api.estimate(plan)
            before = requests_in(log)
            run = sdspec.run(plan)
            anew = sdspec.run(judged_plan(path, outputs=folder / f"anew{number}", prompt=prompt))
            asked = requests_in(log)
            assert max(asked.values()) == 1
            assert run.record()["rows_sha256"] == anew.record()["rows_sha256"]
            assert counts(run)["rejected"] == counts(anew)["rejected"]
            assert told[0].calls.least <= sum((asked - before).values())
            again = api.estimate(plan)
            assert [one.rendered - one.held for one in again] == [0, 0]
