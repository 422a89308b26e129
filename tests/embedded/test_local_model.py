"""Provider `local` on the real model: answers that obey a schema, and a context window that is full."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from sdspec.calls import Answer, Ask, ModelCall
from sdspec.contracts import Endpoint
from sdspec.embedded.weights import GGUF_SHA256, MODEL_ID
from sdspec.errors import PrerequisiteError, RowFatal
from sdspec.providers.local import Local
from tests.servers.client import post

SCHEMA = {
    "type": "object",
    "properties": {"color": {"enum": ["red", "blue"]}, "count": {"type": "integer"}},
    "required": ["color", "count"],
    "additionalProperties": False,
}
PROVIDER = Local(slots=2, context=512)

pytestmark = pytest.mark.slow


def ask(prompt: str, *, draw: int = 1, schema: Any = None, **sampling: Any) -> Ask:
    """An ask of the default model."""
    call = ModelCall(PROVIDER.endpoint_identity(), MODEL_ID, PROVIDER.model_identity(MODEL_ID), **sampling)
    return Ask(call, ({"role": "user", "content": prompt},), f"{draw:08x}00000000", schema)


@pytest.fixture
async def endpoint(model: Path) -> AsyncIterator[Endpoint]:
    """The default model, loaded."""
    async with PROVIDER.open(MODEL_ID, 8, print) as opened:
        yield opened


async def answered(endpoint: Endpoint, asked: Ask) -> Answer:
    """What the model says."""
    return PROVIDER.answer(asked, await post(PROVIDER.request(asked, endpoint)))


async def test_answers_obey_the_schema(endpoint: Endpoint) -> None:
    """Eight asks at once on two slots all come back as the JSON that the schema allows."""
    asks = [ask(f"How many apples in a box? Box {n}.", draw=n, schema=SCHEMA, max_tokens=60) for n in range(8)]
    for answer in await asyncio.gather(*(answered(endpoint, asked) for asked in asks)):
        values = orjson.loads(answer.text)
        assert values["color"] in ("red", "blue") and isinstance(values["count"], int)
        assert answer.input_tokens > 0 and answer.output_tokens > 0


async def test_a_draw_is_a_sampling_seed(endpoint: Endpoint) -> None:
    """Asked alone, the same draw says the same again, and other draws say other things."""
    draws = [1, 1, 2, 3]
    texts = [
        (await answered(endpoint, ask("Tell me a story.", draw=draw, temperature=1.0, max_tokens=24))).text
        for draw in draws
    ]
    assert texts[0] == texts[1]
    assert 3 == len(set(texts))


async def test_top_k_reaches_the_model(endpoint: Endpoint) -> None:
    """With top_k 1 every draw takes the likeliest token."""
    texts = {
        (await answered(endpoint, ask("Tell me a story.", draw=draw, temperature=2.0, top_k=1, max_tokens=16))).text
        for draw in (1, 2)
    }
    assert 1 == len(texts)


async def test_a_prompt_that_is_too_long_is_row_fatal(endpoint: Endpoint) -> None:
    """More tokens than the context holds are refused at once, with llama.cpp's numbers."""
    with pytest.raises(RowFatal, match=r"context_too_long: .*512 tokens"):
        await answered(endpoint, ask("word " * 1000))


async def test_an_answer_that_fills_the_context_is_row_fatal(endpoint: Endpoint) -> None:
    """An answer that cannot end within the context does not hang and is not taken for a whole one."""
    long = {"type": "string", "minLength": 1900}  # llama.cpp takes no more than 2,000 repetitions in a grammar
    with pytest.raises(RowFatal, match=r"provider\.context=512"):
        await answered(endpoint, ask("Write " + "very " * 400 + "much.", schema=long, max_tokens=4000))


async def test_max_tokens_is_no_full_context(endpoint: Endpoint) -> None:
    """An answer that max_tokens cut is an answer, cut for length."""
    answer = await answered(endpoint, ask("Tell me a story.", max_tokens=5))
    assert ("length", 5) == (answer.finish_reason, answer.output_tokens)


async def test_a_schema_that_llama_cannot_follow_is_row_fatal(endpoint: Endpoint) -> None:
    """A bad request is told as one, with the server's reason."""
    with pytest.raises(RowFatal, match=r"bad_request: .*nonsense"):
        await answered(endpoint, ask("Hi.", schema={"type": "nonsense"}))


async def test_a_file_stands_for_its_weights(model: Path) -> None:
    """`file:` serves that file, and its identity is the hash of its content."""
    assert f"sha256:{GGUF_SHA256}" == PROVIDER.model_identity(f"file:{model}") == PROVIDER.model_identity(MODEL_ID)
    async with PROVIDER.open(f"file:{model}", 1, print) as opened:
        assert (await answered(opened, ask("Hi.", max_tokens=3))).output_tokens == 3


async def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    """The path that was given is in the message."""
    with pytest.raises(PrerequisiteError, match=r"nothing\.gguf"):
        async with PROVIDER.open(f"file:{tmp_path}/nothing.gguf", 1, print):
            pass
