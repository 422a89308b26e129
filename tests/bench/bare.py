"""What the same calls cost without sdspec: a window of them around one aiohttp session, or litellm's `acompletion`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson

from sdspec.blocks.generate import Generate
from sdspec.plan.preview import first_asks
from tests.bench.load import Ran, Server, planned

Ask = Callable[[str], Awaitable[str]]
"""A prompt to the text of its answer."""


@dataclass(frozen=True, slots=True)
class Asks:
    """What sdspec would ask, to the letter, so that the server answers both alike, and as late."""

    prompts: list[str]
    """Of each chain's first call."""
    before: str
    after: str
    """What a later call asks, around the answer of the one before it."""


def asks(server: Server, rows: int) -> Asks:
    """The asks of so many rows."""
    with TemporaryDirectory() as folder:
        plan = planned(Path(folder), server, rows, 2)
        first = first_asks(plan, rows)
        part = next(step.part for step in plan.steps if step.name.endswith("_1"))
        assert isinstance(part, Generate)
        row = first[0].row
        row.values.update(dict.fromkeys(part.needs, MARK))
        before, _, after = part.messages(row)[-1]["content"].partition(MARK)
        return Asks([one.ask.messages[-1]["content"] for one in first], before, after)


MARK = "<the answer>"


async def _chains(ask: Ask, asks: Asks, calls: int, lanes: int) -> None:
    """So many chains at any time until all are through."""
    prompts = iter(asks.prompts)

    async def lane() -> None:
        for prompt in prompts:
            answer = await ask(prompt)
            for _ in range(1, calls):
                answer = await ask(f"{asks.before}{answer}{asks.after}")

    async with asyncio.TaskGroup() as group:
        for _ in range(lanes):
            group.create_task(lane())


async def _by_aiohttp(server: Server, asks: Asks, calls: int, lanes: int) -> None:
    import aiohttp

    url = f"{server.base_url}/chat/completions"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(prompt: str) -> str:
            body = orjson.dumps({"model": "any", "messages": [{"role": "user", "content": prompt}]})
            async with session.post(url, data=body, headers={"content-type": "application/json"}) as reply:
                said: dict[str, Any] = orjson.loads(await reply.read())
            return str(said["choices"][0]["message"]["content"])

        await _chains(ask, asks, calls, lanes)


async def _by_litellm(server: Server, asks: Asks, calls: int, lanes: int) -> None:
    import litellm

    async def ask(prompt: str) -> str:
        messages = [{"role": "user", "content": prompt}]
        said: Any = await litellm.acompletion("openai/any", messages, api_base=server.base_url, api_key="none")
        return str(said.choices[0].message.content)

    await _chains(ask, asks, calls, lanes)


DRIVERS = {"aiohttp": _by_aiohttp, "litellm": _by_litellm}


def drive(name: str, server: Server, rows: int, calls: int, lanes: int) -> Ran:
    """The chains, by a bare driver."""
    asked = asks(server, rows)
    began, cpu = time.perf_counter(), time.process_time()
    asyncio.run(DRIVERS[name](server, asked, calls, lanes))
    return Ran({}, time.perf_counter() - began, time.process_time() - cpu, server.stats())
