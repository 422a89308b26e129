"""Law 3: after an edit a run buys what is new and no more, as `plan` said; its rows are those of a run from nothing."""

import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
import yaml

import sdspec
from sdspec import api
from sdspec.api import Run
from sdspec.plan.plan import Plan
from tests.chains import JUDGE_PROMPT, judged_plan
from tests.engine.test_endpoints import ENDPOINT
from tests.recipes import counts, write_spec
from tests.servers.openai import Behaviour, OpenAIServer, openai_server_in_thread

SEEDS = [f"topic {n}" for n in range(10)]
SPEC: dict[str, Any] = {
    **ENDPOINT,
    "template": {**ENDPOINT["template"], "seeds": SEEDS},
    "workflow": {"size": None, "size_per_seed": 2, "dedup": {"kind": "exact", "columns": ["question"]}},
}
"""Twenty rows, each with two calls: an answer, and the answer of a judge who reads it."""


def said(body: dict[str, Any]) -> str:
    """An answer that follows from what decides it; `answer` has 1 to 9 letters, and some of these repeat."""
    told = sha256(
        orjson.dumps([body["model"], body["messages"], body.get("temperature"), body.get("seed")])
    ).hexdigest()
    if "how hard" in body["messages"][-1]["content"].lower():
        return orjson.dumps({"score": 1 + int(told[:4], 16) % 9}).decode()
    prompt = body["messages"][-1]["content"]
    reply = "reply" if "reply (string)" in prompt else "answer"
    rows = [{"question": f"What of {told[n:][:12]}?", reply: "a" * (1 + int(told[n:][:4], 16) % 9)} for n in range(2)]
    return orjson.dumps({"rows": rows} if 'key "rows"' in prompt else rows[0]).decode()


@pytest.fixture(scope="module")
def server() -> Iterator[OpenAIServer]:
    with openai_server_in_thread(Behaviour(answer=said)) as started:
        yield started


@pytest.fixture(scope="module")
def bought(server: OpenAIServer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The journal of a run of SPEC."""
    folder = tmp_path_factory.mktemp("before")
    sdspec.run(
        judged_plan(write_spec(folder, SPEC), f"provider.base_url={server.base_url}", outputs=folder / "outputs")
    )
    return folder / "outputs" / "journal.sqlite"


@dataclass(frozen=True)
class Edit:
    """What a user changes between two runs, and how many calls of each step that makes new."""

    name: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    answers: int = 0
    judgements: int = 0
    prompt: str = JUDGE_PROMPT


def template(**changes: Any) -> dict[str, Any]:
    return {"template": changes}


def workflow(**changes: Any) -> dict[str, Any]:
    return {"workflow": changes}


REGEX = '"question":"(?P<question>[^"]*)","answer":"(?P<answer>[^"]*)"'
RENAMED = template(
    output={"question": "str", "reply": "str"},
    examples=[{"question": "Which colour is grass?", "reply": "Green."}],
    fake={"question": "?", "reply": "!"},
)
EDITS = (
    Edit("nothing"),
    Edit("a later prompt", prompt="How hard is this, {{ question }} with {{ answer }}?", judgements=20),
    Edit("the first prompt", template(prompt="{{ examples }} Ask of {{ seed }}, {{ number }}"), (), 20, 20),
    Edit("a system message", template(system="Be brief."), (), 20, 20),
    Edit("seeds added at the end", template(seeds=[*SEEDS, "more", "still more"]), (), 4, 4),
    Edit("seeds added in the middle", template(seeds=[*SEEDS[:5], "more", "still more", *SEEDS[5:]]), (), 4, 4),
    Edit("a seed removed", template(seeds=SEEDS[1:])),
    Edit("seeds reordered", template(seeds=SEEDS[::-1])),
    Edit("an example more", template(examples=[{"question": "Why?", "answer": "So."}] * 2), (), 20, 20),
    Edit("more rows of each seed", workflow(size_per_seed=3), (), 10, 10),
    Edit("fewer rows of each seed", workflow(size_per_seed=1)),
    Edit("a size that is larger", workflow(size=25, size_per_seed=None), (), 5, 5),
    Edit("a size that is smaller", workflow(size=7, size_per_seed=None)),
    Edit("attempts", workflow(max_attempts=50)),
    Edit("re-asks", workflow(reasks=0)),
    Edit("dedup null", {}, ("workflow.dedup=null",)),
    Edit("dedup near", workflow(dedup={"kind": "near", "columns": ["question"]})),
    Edit("a check that all pass", template(checks=[{"kind": "length", "column": "answer", "max": 9}])),
    Edit("JSON that is not repaired", template(parse={"kind": "json", "repair": False})),
    Edit("another parser", template(parse={"kind": "regex", "pattern": REGEX}), (), 20, 20),
    Edit("an output column renamed", RENAMED, (), 20, 20),
    Edit("a variable that no prompt reads", template(variables={"place": {"choice": ["here", "there"]}})),
    Edit("a constant that no prompt reads", template(variables={"schema": "CREATE TABLE t (a int)"})),
    Edit("two rows from each answer", workflow(per_call=2), (), 10, 20),
    Edit("the random seed", {"seed": 1}, (), 20, 20),
    Edit("temperature", {}, ("model.temperature=0.2",), 20, 20),
    Edit("the longest answer", {}, ("model.max_tokens=900",), 20, 20),
    Edit("the model", {}, ("model.id=another",), 20, 20),
    Edit("its price", {}, ("model.price={input: 1, output: 2}",)),
    Edit("its context", {}, ("model.context=9000",)),
    Edit("limits", {}, ("provider.limits={rpm: 9000, itpm: 900000, otpm: 900000, concurrency: 3}",)),
    Edit("the key's variable", {}, ("provider.api_key_env=HOME",)),
    Edit("the engine", {}, ("engine.concurrency=2", "engine.timeout_s=9", "engine.max_tries=2", "engine.outage_s=9")),
    Edit("export", {}, ("export=[parquet,messages]",)),
    Edit("a packer", {}, ("export.train.packer=alpaca", "export.train.format=json")),
    Edit("budget", {}, ("budget.tokens=900000", "budget.calls=100", "budget.wall=1h")),
    Edit("card", {}, ("card.license=mit",)),
    Edit("name", {"name": "hues"}),
)


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The mapping with changes in it; None takes a key out."""
    both = dict(below)
    for key, value in above.items():
        deep = key in ("template", "workflow", "variables") and isinstance(both.get(key), Mapping)
        both[key] = merged(both[key], value) if deep else value
    return both


def edited_spec(folder: Path, changes: Mapping[str, Any]) -> Path:
    return write_spec(folder, merged(SPEC, changes))


def by_step(run: Run) -> dict[str, int]:
    """Answers that the run bought, by step."""
    return {step: used["calls"] for step, used in run.record()["usage"]["steps"].items() if used["calls"]}


def foreseen(plan: Plan) -> dict[str, int]:
    """New calls of each step as `sdspec plan` says."""
    return {one.step: one.rendered - one.held for one in api.estimate(plan) if one.rendered > one.held}


def check_edit(server: OpenAIServer, plan: Plan, fresh: Plan, new: Mapping[str, int]) -> Run:
    """The plan buys just these calls, each once, as foreseen; its rows are those of the fresh plan, bought anew."""
    told = foreseen(plan)
    server.reset()
    run = sdspec.run(plan)
    asked = Counter(server.asked)
    anew = sdspec.run(fresh)
    assert (told, by_step(run)) == (dict(new), dict(new))
    assert sum(asked.values()) == len(asked) == sum(new.values())
    assert run.record()["rows_sha256"] == anew.record()["rows_sha256"]
    return run


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.name)
def test_an_edit_buys_what_is_new(edit: Edit, server: OpenAIServer, bought: Path, tmp_path: Path) -> None:
    """The new calls are those that the edit makes new, by the server's own count and by what `plan` said before."""
    spec = edited_spec(tmp_path, edit.changes)
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    shutil.copy(bought, outputs)
    words = [f"provider.base_url={server.base_url}", *edit.overrides]
    plan = judged_plan(spec, *words, outputs=outputs, prompt=edit.prompt)
    fresh = judged_plan(spec, *words, outputs=tmp_path / "anew", prompt=edit.prompt)
    new = {"generate": edit.answers, "judge": edit.judgements}
    check_edit(server, plan, fresh, {step: count for step, count in new.items() if count})


def needed(run: Run) -> set[str]:
    """The calls behind the rows of a run, kept or rejected: what it had to buy, surplus aside."""
    lines = [*run.rows()["_lineage"].to_pylist(), *pq.read_table(run.path / "rejects.parquet")["_lineage"].to_pylist()]
    return {key for line in lines for key in orjson.loads(line).get("calls", ())}


LONG = [{"kind": "length", "column": "answer", "min": 4}]
REFUSING = (
    Edit("a check added", template(checks=LONG)),
    Edit("its threshold raised", template(checks=[{**LONG[0], "min": 6}])),
    Edit("its threshold lowered", template(checks=[{**LONG[0], "min": 2}])),
    Edit("a check removed", template(checks=[])),
    Edit("dedup of a column with few values", workflow(dedup={"kind": "exact", "columns": ["answer", "mood"]})),
    Edit("near dedup", workflow(dedup={"kind": "near", "columns": ["answer", "mood"], "threshold": 0.9})),
    Edit("seeds and size", {**template(checks=LONG, seeds=[*SEEDS, "more"]), **workflow(size_per_seed=3)}),
)


@pytest.mark.parametrize("edit", REFUSING, ids=lambda edit: edit.name)
def test_what_refuses_rows_may_change(edit: Edit, server: OpenAIServer, tmp_path: Path) -> None:
    """Rows that are refused for the first time are replaced by new ones; nothing that was bought is bought again."""
    before = edited_spec(tmp_path, template(checks=[*LONG, *LONG]))
    at = [f"provider.base_url={server.base_url}"]
    held = needed(sdspec.run(judged_plan(before, *at, outputs=tmp_path / "outputs")))
    bought = {call["request"] for path in (tmp_path / "outputs").rglob("calls.parquet") for call in calls(path)}
    after = edited_spec(tmp_path, edit.changes)
    plan = judged_plan(after, *at, outputs=tmp_path / "outputs")
    least = foreseen(plan)
    server.reset()
    run = sdspec.run(plan)
    assert set(server.asked.values()) <= {1}
    asked = {call["request"] for call in calls(run.path / "calls.parquet") if not call["from_journal"]}
    anew = sdspec.run(judged_plan(after, *at, outputs=tmp_path / "anew"))
    assert run.record()["rows_sha256"] == anew.record()["rows_sha256"]
    assert needed(run) == needed(anew)
    assert asked & bought == set()
    assert needed(anew) - bought <= asked
    assert held <= bought
    assert all(by_step(run).get(step, 0) >= count for step, count in least.items() if step == "generate")
    assert foreseen(plan) == {}, "a run that was made is in the journal to its last row"


def calls(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(path).to_pylist()
    return found


def test_how_and_where_a_spec_is_written_buys_nothing(server: OpenAIServer, bought: Path, tmp_path: Path) -> None:
    """Another name of the file, another folder to start from, keys in another order, comments, seeds in a file."""
    body = yaml.safe_load(write_spec(tmp_path, SPEC).read_text())
    body["template"]["seeds_file"] = "topics.txt"
    del body["template"]["seeds"]
    moved = tmp_path / "team" / "elsewhere" / "renamed.yaml"
    moved.parent.mkdir(parents=True)
    moved.with_name("topics.txt").write_text("\n".join(SEEDS))
    moved.write_text("# The same dataset.\n" + yaml.safe_dump(dict(reversed(body.items())), sort_keys=False))
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    shutil.copy(bought, outputs)
    at = f"provider.base_url={server.base_url}"
    plan = judged_plan(moved, at, outputs=outputs, cwd=tmp_path / "team")
    check_edit(server, plan, judged_plan(moved, at, outputs=tmp_path / "anew", cwd=tmp_path), {})


def test_answers_are_parsed_again_when_the_pattern_changes(server: OpenAIServer, tmp_path: Path) -> None:
    """A parser that was wrong is mended without a call: its rejects become rows, out of the journal."""
    wrong = template(parse={"kind": "regex", "pattern": REGEX.replace('"answer"', '"reply"')})
    right = template(parse={"kind": "regex", "pattern": REGEX})
    at, outputs = f"provider.base_url={server.base_url}", tmp_path / "outputs"
    once = ["workflow.reasks=0", "workflow.max_attempts=20"]
    spec = edited_spec(tmp_path, wrong)
    refused = sdspec.run(judged_plan(spec, at, *once, outputs=outputs))
    assert counts(refused)["rejected"] == {"unparseable": 20}
    spec = edited_spec(tmp_path, right)
    plan = judged_plan(spec, at, *once, outputs=outputs)
    mended = check_edit(server, plan, judged_plan(spec, at, *once, outputs=tmp_path / "anew"), {"judge": 20})
    assert counts(mended)["kept"] == 20


def test_a_region_of_the_same_family_and_another_profile_ask_the_same(tmp_path: Path) -> None:
    """On Bedrock the model and the family decide an answer; region, role, limits and keys decide how it is asked."""
    regions = ("us-east-1", "us-west-2", "eu-central-1")
    words = ["template=custom", "provider=bedrock", "provider.profile=other", "provider.limits.rpm=9"]
    first, near, far = (
        [one.ask.key for one in api.preview(sdspec.compile(sdspec.load(None, more, cwd=tmp_path)))]
        for more in (
            ["template=custom", "provider=bedrock", f"provider.region={regions[0]}"],
            [*words, f"provider.region={regions[1]}"],
            [*words, f"provider.region={regions[2]}"],
        )
    )
    assert first == near
    assert set(first).isdisjoint(far)
