"""Several endpoints in one run: each has its own door, limits and pace."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import sdspec
from sdspec.calls import Ask
from sdspec.engine.budget import Budget
from sdspec.engine.caller import Caller, Turn
from sdspec.engine.endpoints import Endpoints
from sdspec.engine.run import open_callers
from sdspec.engine.tally import Tally
from sdspec.errors import RunFatal
from sdspec.plan.plan import Plan
from sdspec.store.journal import Journal
from tests.recipes import write_spec
from tests.servers.bedrock import THROTTLED, BedrockServer, Failure, Key, bedrock_server_in_thread
from tests.servers.cloudera import ClouderaServer, cloudera_server

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
LLAMA = "meta/llama-3.1-8b-instruct"
TOKEN = "a-token"
ASKS = 40


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Plan]:
    """A plan for a teacher on Bedrock, with a judge on Cloudera."""

    def made(bedrock: BedrockServer, cloudera: ClouderaServer, *words: str) -> Plan:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", bedrock.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", Key().access)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", Key().secret)
        for name in ("AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", "AWS_PROFILE", "AWS_REGION"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("CDP_TOKEN", TOKEN)
        groups = [{"override /template": "custom"}, {"override /provider": "bedrock"}]
        judge = {"kind": "cloudera", "base_url": cloudera.base_url, "limits": {"concurrency": 3}}
        keys: dict[str, Any] = {
            "defaults": ["/sdspec", *groups, "_self_"],
            "provider": {"region": "us-east-1", "limits": {"concurrency": 12}},
            "providers": {"there": judge},
            "models": {"judge": {"id": LLAMA, "provider": "there", "max_tokens": 64}},
        }
        compiled: Plan = sdspec.compile(sdspec.load(write_spec(tmp_path, keys), words, cwd=tmp_path))
        return compiled

    return made


@asynccontextmanager
async def callers_of(plan: Plan, folder: Path) -> AsyncIterator[dict[str, Caller]]:
    """The callers of a run of the plan."""
    async with AsyncExitStack() as stack:
        journal = Journal.open(folder / "journal.sqlite")
        stack.callback(journal.close)
        endpoints = Endpoints(stack, plan.engine.concurrency, print)
        yield open_callers(plan, endpoints, journal, Budget(plan.budget, Tally(0)))


_numbers = itertools.count()


async def asked(plan: Plan, caller: Caller, model: str) -> None:
    """One answer of a model to a question that nobody has asked."""

    async def may_buy() -> None:
        return None

    number = next(_numbers)
    ask = Ask(plan.models[model].call, ({"role": "user", "content": f"question {number}"},), f"{number:016x}")
    await caller.ask(ask, Turn((number, 0), may_buy, lambda: True), lambda bought: None)


async def both(plan: Plan, folder: Path, done: list[str]) -> None:
    """Forty answers of each model; their names in the order in which they came."""
    async with callers_of(plan, folder) as callers, asyncio.TaskGroup() as group:

        async def one(model: str) -> None:
            await asked(plan, callers[model], model)
            done.append(model)

        for _ in range(ASKS):
            for model in ("model", "judge"):
                group.create_task(one(model))


async def test_each_endpoint_keeps_its_own_limit(plan: Callable[..., Plan], tmp_path: Path) -> None:
    """Twelve at once on Bedrock and three on Cloudera, in one run; each is asked only what is meant for it."""
    with bedrock_server_in_thread() as bedrock, cloudera_server(TOKEN) as cloudera:
        await both(plan(bedrock, cloudera), tmp_path, [])
    assert {HAIKU: ASKS} == bedrock.models
    assert ASKS == cloudera.behind.requests
    assert cloudera.behind.peak_in_flight <= 3


@pytest.mark.parametrize("trouble", ["throttled", "down"])
async def test_trouble_at_one_endpoint_does_not_slow_the_other(
    trouble: str, plan: Callable[..., Plan], tmp_path: Path
) -> None:
    """While Bedrock throttles, or is down, all that is asked of Cloudera is answered: pauses are not shared."""
    failures = {"throttled": THROTTLED, "down": Failure(503, "ServiceUnavailableException", "down")}
    done: list[str] = []
    with bedrock_server_in_thread() as bedrock, cloudera_server(TOKEN) as cloudera:
        bedrock.next.extend([failures[trouble]] * 10_000)

        def let_go() -> None:
            bedrock.next.clear()

        cloudera.after[ASKS] = let_go  # Bedrock answers again once Cloudera has answered everything
        await both(plan(bedrock, cloudera, "engine.outage_s=300"), tmp_path, done)
    assert ["judge"] * ASKS == done[:ASKS]
    assert ["model"] * ASKS == done[ASKS:]
    assert ASKS == cloudera.behind.requests


async def test_an_outage_of_one_endpoint_is_not_the_others(plan: Callable[..., Plan], tmp_path: Path) -> None:
    """Where Bedrock stays down its calls end as an outage, and Cloudera still answers."""
    with bedrock_server_in_thread() as bedrock, cloudera_server(TOKEN) as cloudera:
        bedrock.next.extend([Failure(503, "ServiceUnavailableException", "down")] * 10_000)
        made = plan(bedrock, cloudera, "engine.outage_s=0.5")
        async with callers_of(made, tmp_path) as callers:
            with pytest.raises(RunFatal, match="down"):
                await asked(made, callers["model"], "model")
            await asked(made, callers["judge"], "judge")
