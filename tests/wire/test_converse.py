"""Converse bodies: our own part of them is what litellm would write, and the rest is remembered, not mixed up."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec import wire
from sdspec.calls import Ask, HttpResponse, Message, ModelCall
from sdspec.errors import RowFatal, Transient

NOVA = "us.amazon.nova-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
CLAUDE = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}

texts = st.text(alphabet="abc é\n", min_size=1).map(lambda text: f"x{text}x")
turns = st.lists(st.tuples(texts, texts), max_size=3)


def ask(*messages: Message, schema: dict[str, Any] | None = None, **sampling: Any) -> Ask:
    """An ask of Nova."""
    call = ModelCall(endpoint="bedrock us", id=NOVA, identity=NOVA, **sampling)
    return Ask(call, messages, "0" * 16, schema=schema)


def answer(content: dict[str, Any], stop: str = "end_turn", schema: dict[str, Any] | None = None) -> Any:
    """The answer in a Converse response."""
    body = {
        "output": {"message": {"role": "assistant", "content": [content]}},
        "stopReason": stop,
        "usage": {"inputTokens": 10, "outputTokens": 3, "totalTokens": 18, "cacheReadInputTokens": 5},
        "metrics": {"latencyMs": 1},
    }
    question = ask({"role": "user", "content": "?"}, schema=schema)
    return wire.converse_answer(question, NOVA, HttpResponse(200, {}, orjson.dumps(body)))


@settings(max_examples=40, deadline=None)
@given(system=st.none() | texts, before=turns, last=texts, guarded=st.booleans())
def test_conversations_stand_as_litellm_writes_them(
    system: str | None, before: list[tuple[str, str]], last: str, guarded: bool
) -> None:
    """System message, turns and guarded words are those of litellm's own transform."""
    messages = [Message(role="system", content=system)] if system else []
    for said, answered in before:
        messages += [Message(role="user", content=said), Message(role="assistant", content=answered)]
    messages.append(Message(role="user", content=last))
    extra: dict[str, Any] = {"guardrailConfig": {"guardrailIdentifier": "g", "guardrailVersion": "1"}}
    extra = extra if guarded else {}
    copied: list[Any] = [dict(message) for message in messages]
    theirs = wire._converse_config().transform_request(NOVA, copied, dict(extra), {}, {})
    assert orjson.loads(orjson.dumps(theirs)) == orjson.loads(wire.converse(ask(*messages), NOVA, extra))


@pytest.mark.parametrize("model", [NOVA, LLAMA, CLAUDE])
@settings(max_examples=15, deadline=None)
@given(
    schema=st.sampled_from([None, SCHEMA, {**SCHEMA, "additionalProperties": False}]),
    temperature=st.none() | st.sampled_from([0.0, 0.7]),
    max_tokens=st.none() | st.just(64),
    stop=st.sampled_from([(), ("END",)]),
    system=st.none() | texts,
    last=texts,
)
def test_bodies_are_those_of_litellm_with_all_settings(
    model: str,
    schema: dict[str, Any] | None,
    temperature: float | None,
    max_tokens: int | None,
    stop: tuple[str, ...],
    system: str | None,
    last: str,
) -> None:
    """Schema as a tool or as an output format, settings, conversation: as its transforms write them in full."""
    messages = [Message(role="system", content=system)] if system else []
    question = ask(
        *messages,
        Message(role="user", content=last),
        schema=schema,
        temperature=temperature,
        max_tokens=max_tokens,
        stop=stop,
    )
    config = wire._converse_config()
    params = config.map_openai_params(wire.settings(question, structured=True), {}, model, False)
    copied: list[Any] = [dict(message) for message in question.messages]
    theirs = config.transform_request(model, copied, params, {}, {})
    assert orjson.loads(orjson.dumps(theirs)) == orjson.loads(wire.converse(question, model, {}))


def test_settings_of_one_ask_are_not_those_of_another() -> None:
    """What is remembered of a body hangs on all settings and the schema."""
    question = Message(role="user", content="?")
    plain = orjson.loads(wire.converse(ask(question), NOVA, {}))
    full = orjson.loads(wire.converse(ask(question, schema=SCHEMA, temperature=0.5, stop=("X",)), NOVA, {"top_k": 5}))
    assert plain == {"messages": plain["messages"], "inferenceConfig": {}}
    assert {"temperature": 0.5, "stopSequences": ["X"]} == full["inferenceConfig"]
    assert {"inferenceConfig": {"topK": 5}} == full["additionalModelRequestFields"]
    assert "json_tool_call" == full["toolConfig"]["toolChoice"]["tool"]["name"]
    assert plain == orjson.loads(wire.converse(ask(question), NOVA, {}))


@pytest.mark.parametrize(
    ("properties", "said", "read"),
    [
        ({"a": {}}, {"a": "é"}, {"a": "é"}),
        ({"a": {}}, {"properties": {"a": 1}}, {"a": 1}),
        ({"properties": {}}, {"properties": {"a": 1}}, {"properties": {"a": 1}}),
    ],
)
def test_what_the_tool_is_called_with_is_the_answer(
    properties: dict[str, Any], said: dict[str, Any], read: dict[str, Any]
) -> None:
    """The tool that carries the schema is never seen; a column may be called `properties`."""
    tool = {"toolUse": {"toolUseId": "t", "name": "json_tool_call", "input": said}}
    found = answer(tool, "tool_use", {"type": "object", "properties": properties})
    assert (read, "stop") == (orjson.loads(found.text), found.finish_reason)
    assert (15, 3, 5) == (found.input_tokens, found.output_tokens, found.cached_tokens)


@pytest.mark.parametrize(
    ("stop", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
    ],
)
def test_why_an_answer_ended_is_known(stop: str, finish: str) -> None:
    """An answer that was cut off is told from a whole one."""
    assert finish == answer({"text": "hello"}, stop).finish_reason


@pytest.mark.parametrize("stop", ["guardrail_intervened", "content_filtered"])
def test_what_a_filter_stopped_is_the_rows_end(stop: str) -> None:
    """Asking again would not help: the row is rejected with what was said."""
    with pytest.raises(RowFatal, match="content_filter: Sorry"):
        answer({"text": "Sorry"}, stop)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"null", b'{"output": {}}', b'{"output": {"message": null}}'])
def test_a_garbled_body_is_passing(body: bytes) -> None:
    """A 200 that is no Converse answer is tried again."""
    with pytest.raises(Transient):
        wire.converse_answer(ask({"role": "user", "content": "?"}), NOVA, HttpResponse(200, {}, body))


HALF = b'"\\ud83d"'
"""Of an emoji: JSON that Python's reader takes, and no text that can be kept."""


@pytest.mark.parametrize(
    ("block", "stop"),
    [
        (b'{"text": "?"}', b"[]"),
        (b'{"text": ' + HALF + b"}", b'"max_tokens"'),
        (b'{"text": "?", "odd": ' + HALF + b"}", b'"end_turn"'),
        (b'{"toolUse": {"toolUseId": "t", "name": "json_tool_call", "input": {"a": ' + HALF + b"}}}", b'"tool_use"'),
        (b'{"toolUse": {"toolUseId": "t", "name": "json_tool_call", "input": {"a": NaN}}}', b'"tool_use"'),
        (b'{"text": ' + 3000 * b"[" + 3000 * b"]" + b"}", b'"end_turn"'),
    ],
)
def test_no_json_crashes_the_reader(block: bytes, stop: bytes) -> None:
    """Law 7: what one reader of JSON takes and another does not is a garbled body, and no other row's matter."""
    body = b'{"output": {"message": {"role": "assistant", "content": [%b]}}, "stopReason": %b, %b}'
    body %= (block, stop, b'"usage": {"inputTokens": 1, "outputTokens": 1, "totalTokens": 2}')
    with pytest.raises(Transient, match="garbled"):
        wire.converse_answer(ask({"role": "user", "content": "?"}, schema=SCHEMA), NOVA, HttpResponse(200, {}, body))
