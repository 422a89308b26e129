"""What `plan` says a run costs against what it is billed, with tokens counted as a real tokenizer counts them."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import sdspec
from sdspec import api
from sdspec.plan.estimate import Range, StepEstimate, outlook
from sdspec.plan.plan import Plan
from sdspec.spec.models import BudgetSpec
from tests.cli.test_bedrock import KEY, environment
from tests.recipes import cli_here
from tests.servers import bedrock, openai
from tests.servers.tokens import count

SPEC = """
defaults: [/sdspec, override /template: {template}, override /provider: fake, _self_]
name: priced
workflow: {{ size: 24 }}
"""


@dataclass(frozen=True)
class Case:
    """A run whose bill is compared with its estimate."""

    template: str
    provider: str
    overrides: tuple[str, ...] = ()
    bad: float = 0.0
    """Share of answers that cannot be parsed."""
    repeated: float = 0.0
    """Share of answers that were given before."""
    held: int = 0
    """Rows that an earlier run has made."""


CASES = (
    Case("text2sql", "openai"),
    Case("text2sql", "bedrock", bad=0.2, repeated=0.2),
    Case("code_generation", "openai", bad=0.3),
    Case("code_generation", "bedrock", held=10),
    Case("custom", "openai", ("workflow.per_call=4",), bad=0.1),
    Case("custom", "bedrock", ("workflow.per_call=3",), repeated=0.2, held=6),
)


def answers(folder: Path, case: Case) -> Callable[[dict[str, Any]], str]:
    """Answers that pass the template's checks, as provider `fake` gives them; some are bad, some repeat others."""
    per_call = plan_of(folder, list(case.overrides)).per_call
    wanted = ["workflow.per_call=1", f"workflow.size={90 * per_call}", "workflow.dedup=null"]
    columns, rows = tuple(plan_of(folder, wanted).output), made(folder, wanted)
    rng, fresh = random.Random(0), iter(rows)
    given: list[dict[str, Any]] = []

    def row() -> dict[str, Any]:
        if given and rng.random() < case.repeated:
            return rng.choice(given)
        given.append({name: value for name, value in next(fresh).items() if name in columns})
        return given[-1]

    def answer(_: dict[str, Any]) -> str:
        if rng.random() < case.bad:
            return json.dumps({"thoughts": "I would rather talk about something else. " * 5})
        found = [row() for _ in range(per_call)]
        return json.dumps(found[0] if per_call == 1 else {"rows": found})

    return answer


def made(folder: Path, overrides: list[str]) -> list[dict[str, Any]]:
    """Rows of provider `fake`, in a journal of their own."""
    run = sdspec.run(plan_of(folder, [*overrides, f"engine.outputs={folder / 'fake'}"]))
    found: list[dict[str, Any]] = run.rows().to_pylist()
    return found


def plan_of(folder: Path, overrides: list[str]) -> Plan:
    """The plan of the spec in the folder."""
    return sdspec.compile(sdspec.load("priced", overrides, cwd=folder))


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.template}-{case.provider}")
def test_the_bill_lies_within_the_estimate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    """Re-asks, rejected rows, several rows per answer, a part in the journal: calls, tokens and cost are in range."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/priced.yaml").write_text(SPEC.format(template=case.template))
    answer = answers(tmp_path, case)
    with (
        openai.openai_server_in_thread(openai.Behaviour(answer=answer, count=count)) as one,
        bedrock.bedrock_server_in_thread(bedrock.Behaviour(keys=(KEY,), answer=answer, count=count)) as other,
    ):
        for name, value in {**environment(tmp_path, other.url), "OPENAI_API_KEY": "k"}.items():
            monkeypatch.setenv(name, value)
        models = {
            "openai": ["provider=openai", f"provider.base_url={one.base_url}", "model=default", "model.id=gpt-4o-mini"],
            "bedrock": ["provider=bedrock", "model=claude_haiku"],
        }
        words = [*models[case.provider], *case.overrides, f"engine.outputs={tmp_path / 'outputs'}"]
        if case.held:
            sdspec.run(plan_of(tmp_path, [*words, f"workflow.size={case.held}"]))
        plan = plan_of(tmp_path, words)
        (told,) = api.estimate(plan)
        run = sdspec.run(plan)
    record = run.record()
    assert "done" == record["status"]
    assert told.usd is not None
    assert_within(told.calls, record["counts"]["calls"]["made"])
    assert_within(told.input_tokens, record["tokens"]["input"])
    assert_within(told.output_tokens, record["tokens"]["output"])
    assert_within(told.usd, record["cost_usd"])
    assert bool(case.held) == bool(told.held)
    if not case.bad and not case.repeated:  # else more is asked than the likely figure takes for granted
        assert told.usd.likely / 2 <= record["cost_usd"] <= told.usd.likely * 2


def assert_within(told: Range, bill: float) -> None:
    """The bill is at least the least, and at most the most; the likely figure is between them."""
    assert told.least <= bill <= told.most
    assert told.least <= told.likely <= told.most


def test_what_the_journal_holds_is_not_in_the_estimate(tmp_path: Path) -> None:
    """After a run nothing is left to be paid for; with twice the rows, half of it is."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs/priced.yaml").write_text(SPEC.format(template="custom"))
    words = ["model.price={input: 1, output: 5}", f"engine.outputs={tmp_path / 'outputs'}"]
    (before,) = api.estimate(plan_of(tmp_path, words))
    sdspec.run(plan_of(tmp_path, words))
    (after,) = api.estimate(plan_of(tmp_path, words))
    (more,) = api.estimate(plan_of(tmp_path, [*words, "workflow.size=48"]))
    assert before.usd is not None and after.usd is not None and more.usd is not None
    assert (0.0, 0.0, 0) == (after.usd.least, after.usd.likely, after.calls.least)
    assert before.calls.least == more.calls.least == 24
    assert more.usd.likely == pytest.approx(before.usd.likely, rel=0.1)


def step(usd: Range | None) -> StepEstimate:
    """An estimate of 100 calls."""
    calls, tokens = Range(100, 100, 3000), Range(1000, 2000, 90000)
    return StepEstimate("generate", "m", "fake", 100, calls, tokens, tokens, usd, None, "", 100, 0, whole=True)


def test_a_budget_that_will_not_do_is_told() -> None:
    """What the least already exceeds will not do, what the likely exceeds may not; all steps are added up."""
    steps = [step(Range(1.0, 2.0, 90.0)), step(Range(1.0, 2.0, 90.0))]
    assert ["budget.usd: $1.50 will not do; this run takes $2.00 at least."] == outlook(BudgetSpec(usd=1.5), steps)
    assert ["budget.usd: $3.00 may not do; this run likely takes $4.00."] == outlook(BudgetSpec(usd=3), steps)
    assert [] == outlook(BudgetSpec(usd=4, calls=200, tokens=8000), steps)
    assert ["budget.calls: 1 call will not do; this run takes 200 calls at least."] == outlook(
        BudgetSpec(calls=1), steps
    )
    assert ["budget.tokens: 7,000 tokens may not do; this run likely takes 8,000 tokens."] == outlook(
        BudgetSpec(tokens=7000), [step(None), step(None)]
    )


SERVER = ["template=custom", "provider=openai_compatible", "provider.base_url=http://127.0.0.1:9/v1", "model.id=m"]


def test_minutes_that_limits_take_are_told(tmp_path: Path) -> None:
    """Of the limits per minute the slowest one is named, with how long the run's calls take by it."""
    words = [*SERVER, "workflow.size=600"]
    said = cli_here(tmp_path, "plan", *words, "provider.limits={rpm: 60, itpm: 90000000, otpm: null}").stdout
    assert "provider.limits.rpm: at 60 a minute its calls take about 10 min (10 min to 5 h)." in said
    assert "a minute" not in cli_here(tmp_path, "plan", *words, "provider.limits.rpm=6000").stdout
    told = json.loads(cli_here(tmp_path, "plan", "--json", *words, "provider.limits.otpm=1000").stdout)
    (by,) = told["held_up"]
    tokens = told["estimate"][0]["output_tokens"]["likely"]
    assert (by["key"], by["takes_s"]["likely"]) == ("provider.limits.otpm", pytest.approx(60 * tokens / 1000))


def test_a_model_without_a_price_is_given_one_like_this(tmp_path: Path) -> None:
    """`plan` says what `run` says: how to count what a model costs that the price map does not know."""
    said = " ".join(cli_here(tmp_path, "plan", *SERVER).stdout.split())
    assert "to count it: model.price='{input: 1.0, output: 5.0}'" in said
