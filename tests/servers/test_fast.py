"""The fast server measures others, so what it counts and what it answers must be right."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import orjson
import pytest

from tests.servers.converse_model import converse_errors
from tests.servers.fast import FastServer, Load, fast_server

NOVA = "us.amazon.nova-lite-v1:0"
SCHEMA = {"type": "object", "properties": {"question": {"type": "string"}, "answer": {"type": "string"}}}
TOOL = {"toolSpec": {"name": "answer", "inputSchema": {"json": SCHEMA}}}


def chat(prompt: str) -> dict[str, Any]:
    """A body of OpenAI's chat format."""
    return {"model": "any", "messages": [{"role": "user", "content": prompt}]}


def converse(prompt: str) -> dict[str, Any]:
    """A body of Converse."""
    return {"messages": [{"role": "user", "content": [{"text": prompt}]}]}


async def post(session: aiohttp.ClientSession, server: FastServer, body: dict[str, Any]) -> tuple[int, bytes]:
    """Status and body of a reply; status 0 where the connection was closed without one."""
    bedrock = "model" not in body
    url = (
        f"{server.base_url.removesuffix('/v1')}/model/{NOVA}/converse"
        if bedrock
        else f"{server.base_url}/chat/completions"
    )
    try:
        async with session.post(url, json=body) as reply:
            return reply.status, await reply.read()
    except aiohttp.ServerDisconnectedError:
        return 0, b""


async def asked(load: Load, bodies: list[dict[str, Any]]) -> tuple[list[tuple[int, bytes]], dict[str, Any]]:
    """The replies to these bodies, one after the other, and the counters."""
    async with fast_server(load) as server, aiohttp.ClientSession() as session:
        replies = [await post(session, server, body) for body in bodies]
        return replies, server.books.stats()


@pytest.mark.parametrize("extra", [{}, {"toolConfig": {"tools": [TOOL], "toolChoice": {"tool": {"name": "answer"}}}}])
async def test_answers_of_converse_are_those_of_aws(extra: dict[str, Any]) -> None:
    """botocore's own service model finds nothing wrong with them."""
    replies, _ = await asked(Load(latency=0.0), [{**converse("a"), **extra}])
    assert [200] == [status for status, _ in replies]
    assert "" == converse_errors("output", orjson.loads(replies[0][1]))


@pytest.mark.parametrize("body", [chat, converse])
async def test_answers_follow_from_the_prompt(body: Callable[[str], dict[str, Any]]) -> None:
    """Equal prompts get equal answers, others get others."""
    replies, stats = await asked(Load(latency=0.0), [body("a"), body("b"), body("a")])
    assert replies[0] == replies[2] != replies[1]
    assert (3, 2, {"answered": 3}) == (stats["requests"], stats["prompts"], stats["ended"])


async def test_every_client_meets_the_same_faults() -> None:
    """What goes wrong follows from the prompt and from how often it was asked, and all of it is counted."""
    load = Load(latency=0.0, fault_latency=0.0, p429=0.2, p500=0.2, pgarbled=0.2, pdropped=0.2)
    bodies = [chat(f"number {n % 50}") for n in range(100)]
    first, stats = await asked(load, bodies)
    again, _ = await asked(load, bodies)
    assert first == again
    assert {"answered", "429", "500", "garbled", "dropped"} == stats["ended"].keys()
    assert 50 == sum(stats["repeated"].values())
    assert first[:50] != first[50:]


async def test_repeats_are_told_apart() -> None:
    """Asked again after an answer, while the first request is in flight, and after a fault."""
    async with fast_server(Load(latency=0.0)) as server, aiohttp.ClientSession() as session:
        for _ in range(2):
            await post(session, server, chat("answered"))
        server.load = Load(latency=0.05)
        await asyncio.gather(*(post(session, server, chat("in flight")) for _ in range(2)))
        server.load = Load(latency=0.0, fault_latency=0.0, p500=1.0)
        for _ in range(2):
            await post(session, server, chat("failed"))
        stats = server.books.stats()
    assert {"after_answer": 1, "in_flight": 1, "after_fault": 1} == stats["repeated"]
    assert (2, 0) == (stats["peak_in_flight"], stats["in_flight"])


async def test_a_reset_begins_new_books() -> None:
    """A request that is in flight at a reset is not in the new books, which the reset's settings come with."""
    async with fast_server(Load(latency=0.05)) as server, aiohttp.ClientSession() as session:
        early = asyncio.create_task(post(session, server, chat("early")))
        while not server.books.in_flight:
            await asyncio.sleep(0)
        async with session.post(f"{server.base_url.removesuffix('/v1')}/reset", json={"latency": 0.0}) as reply:
            assert 200 == reply.status
        assert 200 == (await early)[0]
        await post(session, server, chat("late"))
        stats = server.books.stats()
    assert (1, 1, 0) == (stats["requests"], stats["prompts"], stats["in_flight"])
