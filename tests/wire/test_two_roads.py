"""What litellm's transforms do for a call is done in less time where that is proven to be the same: both ways."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sdspec import forms, plain, wire
from sdspec.calls import Answer, Ask, HttpResponse, Message, ModelCall
from sdspec.contracts import Provider
from sdspec.errors import CallError
from sdspec.providers.bedrock import Bedrock
from sdspec.providers.cloudera import Cloudera
from sdspec.providers.gemini import Gemini
from sdspec.providers.litellm import LiteLLM
from sdspec.providers.openai import OpenAI
from sdspec.providers.openai_compatible import OpenAICompatible
from sdspec.providers.vllm import Vllm

HERE = "http://127.0.0.1:9/v1"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
TOOL = "json_tool_call"
CUT = "model_context_window_exceeded"
ODD = "_odd"
"""A key that no provider has, and litellm leaves alone: a body that holds it is not plain."""

OPENAIS: dict[str, tuple[Provider, str]] = {
    "openai_compatible": (OpenAICompatible(base_url=HERE), "any"),
    "ollama": (OpenAICompatible(base_url="http://localhost:11434/v1"), "llama3.2"),
    "openai": (OpenAI(), "gpt-4.1-mini"),
    "openai that thinks": (OpenAI(), "gpt-5-mini"),
    "gemini": (Gemini(), "gemini-2.5-flash"),
    "vllm": (Vllm(), "meta-llama/Llama-3.1-8B-Instruct"),
    "cloudera": (Cloudera(base_url="https://x.example/namespaces/serving-default/endpoints/e/v1"), "any"),
    "groq": (LiteLLM(), "groq/llama-3.3-70b-versatile"),
    "mistral": (LiteLLM(), "mistral/mistral-small-latest"),
    "together": (LiteLLM(), "together_ai/meta-llama/Llama-3.3-70B-Instruct-Turbo"),
    "deepseek": (LiteLLM(), "deepseek/deepseek-chat"),
    "xai": (LiteLLM(), "xai/grok-3-mini"),
}
ROADS = {
    "openai_compatible": "openai_like",
    "ollama": "openai_like",
    "openai": "openai",
    "openai that thinks": "openai",
    "gemini": "openai_like",
    "vllm": "openai_like",
    "cloudera": "openai_like",
    "groq": "groq",
    "mistral": "mistral",
    "together": "together_ai",
    "deepseek": "deepseek",
    "xai": "xai",
}
"""How litellm calls the provider."""
BEDROCK = Bedrock(region="us-east-1")
CONVERSED = (
    "us.amazon.nova-lite-v1:0",
    "us.meta.llama3-3-70b-instruct-v1:0",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
)

texts = st.sampled_from(["", " ", "x \n", "é 🂡 \u2028", "<b>q</b>", '{"a": 1}', "https://x.example/a.png"]) | st.text()
words = (
    st.sampled_from(["", "x", '{"a": "b"}', "<think>so</think>then", "<b>q</b>", "é 🂡 \u2028", "line\nline"])
    | st.text()
)
counts = st.integers(0, 10**6)
anything = st.sampled_from([None, 0, 1.5, True, "", "word", [], [1], {}, {"a": None}, [{"a": "b"}]])


def mostly(usual: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """The usual, now and then anything at all."""
    return st.one_of(usual, usual, usual, usual, usual, usual, usual, anything)


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some of these fields."""
    return st.fixed_dictionaries({}, optional=fields)


usages = st.fixed_dictionaries(
    {"prompt_tokens": counts, "completion_tokens": counts, "total_tokens": counts},
    optional={
        "prompt_tokens_details": mostly(
            st.none() | some(cached_tokens=mostly(counts), audio_tokens=st.none() | counts)
        ),
        "completion_tokens_details": mostly(st.none() | some(reasoning_tokens=mostly(counts), audio_tokens=counts)),
        "prompt_cache_hit_tokens": counts,
        "reasoning_tokens": counts,
        "cost": anything,
    },
)
messages = st.fixed_dictionaries(
    {"role": mostly(st.just("assistant")), "content": mostly(words)},
    optional={
        "refusal": st.none() | words,
        "annotations": st.sampled_from([None, []]),
        "audio": st.none(),
        "tool_calls": st.sampled_from(
            [None, [], [{"id": "1", "type": "function", "function": {"name": TOOL, "arguments": '{"a": "c"}'}}]]
        ),
        "reasoning_content": st.none() | words,
        "reasoning": st.none() | words,
    },
)
choices = st.fixed_dictionaries(
    {"message": mostly(messages)},
    optional={
        "index": mostly(st.just(0)),
        "finish_reason": mostly(st.sampled_from(["stop", "length", "content_filter", "tool_calls", "eos", None])),
        "logprobs": st.none(),
        "stop_reason": anything,
    },
)
chats = st.fixed_dictionaries(
    {"choices": mostly(st.lists(choices, min_size=1, max_size=2))},
    optional={
        "id": mostly(st.just("chatcmpl-1")),
        "object": st.just("chat.completion"),
        "created": mostly(counts),
        "model": mostly(st.just("any")),
        "usage": mostly(usages),
        "service_tier": anything,
        "system_fingerprint": mostly(st.none() | words),
        "timings": anything,
        "error": anything,
    },
)

inputs = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | words,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["a", "b", "properties"]), inner),
    max_leaves=4,
)
blocks = st.one_of(
    st.fixed_dictionaries({"text": mostly(words)}),
    st.fixed_dictionaries(
        {
            "toolUse": st.fixed_dictionaries(
                {"toolUseId": st.just("t"), "name": st.sampled_from([TOOL, "other"]), "input": inputs}
            )
        }
    ),
    st.just({"reasoningContent": {"reasoningText": {"text": "so"}}}),
)
stops = st.sampled_from(
    [
        "end_turn",
        "stop_sequence",
        "max_tokens",
        "tool_use",
        "guardrail_intervened",
        "content_filtered",
        "new",
        None,
        CUT,
    ]
)
conversed = st.fixed_dictionaries(
    {
        "output": mostly(
            st.fixed_dictionaries(
                {
                    "message": mostly(
                        st.fixed_dictionaries(
                            {"role": st.just("assistant"), "content": mostly(st.lists(blocks, min_size=1, max_size=2))}
                        )
                    )
                }
            )
        ),
        "stopReason": stops,
        "usage": mostly(
            st.fixed_dictionaries(
                {"inputTokens": mostly(counts), "outputTokens": counts},
                optional={
                    "totalTokens": counts,
                    "cacheReadInputTokens": counts,
                    "cacheWriteInputTokens": counts,
                    "cacheDetails": st.just([]),
                },
            )
        ),
    },
    optional={"metrics": st.just({"latencyMs": 1})},
)


def ask(provider: Provider, model_id: str, *, schema: bool) -> Ask:
    """An ask of the model."""
    call = ModelCall(provider.endpoint_identity(), model_id, model_id)
    return Ask(call, (Message(role="user", content="hello"),), "0" * 16, schema=SCHEMA if schema else None)


def said(provider: Provider, asked: Ask, body: Any) -> Any:
    """The answer in a body, or what kind of failure it is."""
    text = orjson.dumps(body, option=orjson.OPT_PASSTHROUGH_SUBCLASS) if isinstance(body, dict) else body
    try:
        return provider.answer(asked, HttpResponse(200, {"content-type": "application/json"}, text))
    except CallError as error:
        return type(error), error.code, getattr(error, "tokens", None)


def odd(body: dict[str, Any]) -> dict[str, Any]:
    """The same body, which is no longer plain."""
    return {**copy.deepcopy(body), ODD: 1}


@st.composite
def asked(draw: st.DrawFn, provider: Provider, model_id: str) -> Ask:
    """An ask of the model: with a system message, a schema, a conversation, settings, or without."""
    sampling: dict[str, st.SearchStrategy[Any]] = {
        "temperature": st.none() | st.sampled_from([0.0, 0.7]),
        "top_p": st.none() | st.just(0.9),
        "top_k": st.none() | st.just(40),
        "max_tokens": st.none() | st.just(512),
        "stop": st.sampled_from([(), ("END",)]),
    }
    takes = provider.sampling_for(model_id)
    chosen: dict[str, Any] = {name: draw(values) for name, values in sampling.items() if name in takes}
    if "gpt-5" in model_id or "claude" in model_id:
        chosen = {"max_tokens": chosen["max_tokens"]}
    said = [Message(role="system", content=draw(texts))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(0, 2))):
        said += [Message(role="user", content=draw(texts)), Message(role="assistant", content=draw(texts))]
    said.append(Message(role="user", content=draw(texts)))
    schema = draw(st.sampled_from([None, SCHEMA, {**SCHEMA, "title": "é"}]))
    call = ModelCall(provider.endpoint_identity(), model_id, model_id, **chosen)
    return Ask(call, tuple(said), "0" * 16, schema=schema)


@pytest.mark.parametrize("name", OPENAIS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), secret=st.sampled_from(["", "sk-1", "sk-2"]))
def test_requests_are_the_same_on_both_roads(name: str, data: st.DataObject, secret: str) -> None:
    """Address, headers and body are byte for byte what litellm's transforms write in full for this very ask."""
    provider, model_id = OPENAIS[name]
    ask = data.draw(asked(provider, model_id))
    way = (ROADS[name], ask, HERE, secret)
    if isinstance(provider, LiteLLM):
        way = (ROADS[name], replace(ask, model=replace(ask.model, id=model_id.partition("/")[2])), HERE, secret)
    extra = {"top_k": ask.model.top_k} if ask.model.top_k is not None else None
    assert wire.request(*way, extra=extra) == forms.request(*way, extra=extra)


def test_a_transform_that_looks_at_messages_is_run_for_each() -> None:
    """Anthropic's format is another one: the system message has a place of its own, and nothing is spliced."""
    call = ModelCall("e", "claude-haiku-4-5", "i", max_tokens=10)
    told = tuple(Message(role=role, content=f"{role} says") for role in ("system", "user", "assistant", "user"))
    way = ("anthropic", Ask(call, told, "0" * 16), "https://api.anthropic.com/v1/messages", "sk-1")
    assert wire.request(*way) == forms.request(*way)


@pytest.mark.parametrize("name", OPENAIS)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=chats, schema=st.booleans())
def test_chat_bodies_are_read_alike_on_both_roads(name: str, body: dict[str, Any], schema: bool) -> None:
    """What is read directly is what litellm's transforms make of the body, errors and counts of tokens included."""
    provider, model_id = OPENAIS[name]
    asked = ask(provider, model_id, schema=schema)
    assert said(provider, asked, odd(body)) == said(provider, asked, body)


@pytest.mark.parametrize("model_id", CONVERSED)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=conversed, schema=st.booleans())
def test_converse_bodies_are_read_alike_on_both_roads(model_id: str, body: dict[str, Any], schema: bool) -> None:
    """The same of Amazon Bedrock, where the schema may have become a tool."""
    asked = ask(BEDROCK, model_id, schema=schema)
    sent, longer = _json(body), _json(odd(body))
    assert said(BEDROCK, asked, longer) == said(BEDROCK, asked, sent)


def test_what_servers_send_is_plain() -> None:
    """The bodies of OpenAI, vLLM, llama.cpp and Bedrock are read directly; with a key unknown to all they are not."""
    message: dict[str, Any] = {"role": "assistant", "content": "red"}
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    chat = {"id": "1", "object": "chat.completion", "created": 1, "model": "m", "usage": usage}
    ends = {"finish_reason": "stop", "logprobs": None}
    bare: dict[str, Any] = {"refusal": None, "annotations": [], "tool_calls": [], "reasoning_content": "so"}
    details = {"prompt_tokens_details": {"cached_tokens": 1, "audio_tokens": 0}, "completion_tokens_details": None}
    bodies = [
        chat | {"choices": [{"index": 0, "message": message, **ends}]},
        chat | {"choices": [{"index": 0, "message": message | bare, **ends}], "usage": usage | details},
        chat | {"choices": [{"message": message, "finish_reason": "length"}], "timings": {"prompt_ms": 1.5}},
    ]
    assert ["red"] * 3 == [read[0] for body in bodies if (read := plain.chat(body))]
    assert [None] * 3 == [plain.chat(odd(body)) for body in bodies]

    counted = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
    for block, stop in (
        ({"text": "red"}, "end_turn"),
        ({"toolUse": {"toolUseId": "t", "name": TOOL, "input": {}}}, "tool_use"),
    ):
        body = {"output": {"message": {"role": "assistant", "content": [block]}}, "stopReason": stop, "usage": counted}
        assert plain.converse(_json(body), TOOL) is not None
        assert plain.converse(_json(odd(body)), TOOL) is None


def test_an_answer_is_read_with_all_that_is_counted() -> None:
    """The tokens of the cache and of thinking are where they belong on the direct road."""
    provider = OPENAIS["openai"][0]
    details = {"prompt_tokens_details": {"cached_tokens": 4}, "completion_tokens_details": {"reasoning_tokens": 2}}
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14, **details}
    body = {"choices": [{"message": {"role": "assistant", "content": "red"}, "finish_reason": "stop"}], "usage": usage}
    found = said(provider, ask(provider, "gpt-4.1-mini", schema=False), body)
    assert Answer("red", "stop", 9, 5, cached_tokens=4, reasoning_tokens=2) == found


def _json(body: Any) -> bytes:
    """JSON with whole numbers of any size."""
    return json.dumps(body).encode()
