"""A model behind a test server: any OpenAI-compatible endpoint, or the embedded model."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

EMBEDDED = "embedded"
"""In the place of a URL: the embedded model, loaded and served while the test server runs."""

SLOTS = 2
THREADS = 1
"""Where other processes are busy one thread answers sooner than two that wait for each other."""


@dataclass(frozen=True, slots=True)
class Said:
    """What the model said."""

    text: str
    input_tokens: int | None = None
    """As the model's own tokenizer counts them; None where nobody has."""
    output_tokens: int | None = None
    cut: bool = False
    """It had more to say than it might."""


@dataclass(frozen=True, slots=True)
class Failed:
    """The endpoint did not answer."""

    status: int
    message: str


async def chat(base_url: str, key: str, body: dict[str, Any]) -> Said | Failed:
    """What the endpoint says to a request of OpenAI's format."""
    headers = {"Authorization": f"Bearer {key}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{base_url}/chat/completions", json=body, headers=headers) as reply,
    ):
        if reply.status != 200:
            return Failed(reply.status, (await reply.text())[:500])
        said = await reply.json()
    choice, usage = said["choices"][0], said["usage"]
    cut = choice["finish_reason"] == "length"
    return Said(choice["message"]["content"], usage["prompt_tokens"], usage["completion_tokens"], cut)


@asynccontextmanager
async def model_behind(forward: str | None, key: str) -> AsyncIterator[tuple[str | None, str]]:
    """The base URL and the key of what stands behind; the embedded model is served meanwhile where it is asked for."""
    if forward != EMBEDDED:
        yield forward, key
        return
    async with embedded_model() as served:
        yield served


@asynccontextmanager
async def embedded_model(slots: int = SLOTS) -> AsyncIterator[tuple[str, str]]:
    """Base URL and key of the embedded model, fetched where it is not there yet."""
    from sdspec.embedded.weights import MODEL_ID
    from sdspec.providers.local import Local

    def say(text: str) -> None:
        print(text, file=sys.stderr, flush=True)

    async with Local(slots=slots, threads=THREADS).open(MODEL_ID, slots, say) as endpoint:
        yield endpoint.base_url, endpoint.secret
