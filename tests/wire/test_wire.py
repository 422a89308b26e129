"""Requests and answers through litellm's transforms, against a real server; and that litellm keeps quiet."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec import wire
from sdspec.calls import Answer, Ask, HttpResponse, ModelCall
from sdspec.errors import AuthExpired, CallError, Fatal, RowFatal, Transient
from tests.servers.client import post
from tests.servers.openai import Behaviour, Fault, openai_server

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
SECRET = "sk-0123456789abcdef"


def ask(model: str = "m", *, schema: Any = None, prompt: str = "hello", **sampling: Any) -> Ask:
    """An ask with these sampling settings and no others."""
    call = ModelCall(endpoint="x", id=model, identity=model, **sampling)
    return Ask(call, ({"role": "user", "content": prompt},), "00000000000000ff", schema=schema)


def sent(asked: Ask, **options: Any) -> dict[str, Any]:
    """The body of the request for an ask."""
    body: dict[str, Any] = orjson.loads(wire.request("openai_like", asked, "http://h/v1", **options).body)
    return body


async def test_an_ask_is_answered_by_an_openai_compatible_server() -> None:
    """The answer's text, tokens and reason to stop come back, with the key sent as a bearer token."""
    async with openai_server(Behaviour(api_key=SECRET, answer=lambda body: "four score")) as server:
        request = wire.request("openai_like", ask(), server.base_url, SECRET)
        answer = wire.answer("openai_like", ask(), await post(request))
    assert Answer("four score", "stop", input_tokens=2, output_tokens=3) == answer
    assert {"hello": 1} == server.asked


def test_only_settings_that_are_set_are_sent() -> None:
    """null leaves a setting to the provider."""
    assert {"model", "messages"} == sent(ask()).keys()
    body = sent(ask(temperature=0.0, top_p=0.5, max_tokens=7, stop=("x",)), extra={"top_k": 3})
    assert (0.0, 0.5, 7, ["x"], 3) == tuple(
        body[key] for key in ("temperature", "top_p", "max_tokens", "stop", "top_k")
    )


def test_the_schema_is_sent_as_a_strict_response_format() -> None:
    """The schema constrains decoding, unless the provider is told not to send it."""
    expected = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": SCHEMA}}
    assert expected == sent(ask(schema=SCHEMA))["response_format"]
    assert "response_format" not in sent(ask(schema=SCHEMA), structured=False)


def test_without_a_secret_no_authorization_is_sent() -> None:
    """An endpoint that needs no key is sent none."""
    assert "Authorization" not in wire.request("openai_like", ask(), "http://h/v1").headers


def test_the_providers_own_way_is_litellms_knowledge() -> None:
    """A reasoning model of OpenAI gets max_completion_tokens; what it refuses is fatal before any call."""
    request = wire.request("openai", ask("o3-mini", max_tokens=9), "http://h/v1", "k")
    assert 9 == orjson.loads(request.body)["max_completion_tokens"]
    with pytest.raises(Fatal, match="unsupported_setting"):
        wire.request("openai", ask("o3-mini", temperature=0.3), "http://h/v1", "k")


@pytest.mark.parametrize(
    ("fault", "kind", "code"),
    [
        (Fault(400, "content_filter"), RowFatal, "content_filter"),
        (Fault(400, "x", "Your request was rejected as a result of our safety system."), RowFatal, "content_filter"),
        (Fault(400, "x", "`inputs` tokens + `max_new_tokens` must be <= 9"), RowFatal, "context_too_long"),
        (Fault(500, "x", "the request exceeds the available context size"), RowFatal, "context_too_long"),
        (Fault(500), Transient, "server_error"),
        (Fault(finish_reason="content_filter"), RowFatal, "content_filter"),
        (Fault(message_fields={"content": None, "refusal": "No."}), RowFatal, "refusal"),
        (Fault(body=b'{"choices": ['), Transient, "garbled"),
        (Fault(body=b'{"choices": [{"index": 0, "message": {"content": {"a": 1}}}]}'), Transient, "garbled"),
    ],
)
async def test_a_failing_server_gives_typed_errors(fault: Fault, kind: type, code: str) -> None:
    """Errors that only litellm's phrases know are typed too, and refusals and garbage of a 200 are."""
    async with openai_server() as server:
        server.next.append(fault)
        response = await post(wire.request("openai_like", ask(), server.base_url))
    with pytest.raises(CallError) as caught:
        wire.answer("openai_like", ask(), response)
    assert (kind, code) == (type(caught.value), caught.value.code)


async def test_an_answer_without_content_is_an_empty_text() -> None:
    """Content null, with token counts null, is an answer: the parser decides what it is worth."""
    async with openai_server() as server:
        server.next.append(Fault(message_fields={"content": None}))
        response = await post(wire.request("openai_like", ask(), server.base_url))
    assert "" == wire.answer("openai_like", ask(), response).text
    nulls = orjson.loads(response.body) | {"usage": {"prompt_tokens": None, "completion_tokens": None}}
    assert 0 == wire.answer("openai_like", ask(), HttpResponse(200, {}, orjson.dumps(nulls))).input_tokens


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 9) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["role", "content", "x"]), inner),
    max_leaves=4,
)
CHOICES = st.fixed_dictionaries(
    {"message": JSON | st.fixed_dictionaries({"content": JSON}, optional={"refusal": JSON, "tool_calls": JSON})},
    optional={"finish_reason": JSON, "index": JSON, "logprobs": JSON},
)
BODIES = st.fixed_dictionaries({"choices": st.lists(CHOICES, max_size=2)}, optional={"usage": JSON, "error": JSON})


@given(status=st.integers(200, 599), body=st.binary() | JSON.map(orjson.dumps) | BODIES.map(orjson.dumps))
@settings(deadline=None, max_examples=300)
def test_no_response_crashes_the_reader(status: int, body: bytes) -> None:
    """Whatever a server sends becomes an answer or a typed error."""
    try:
        result = wire.answer("openai_like", ask(), HttpResponse(status, {}, body)).text
    except CallError as error:
        result = error.code
    assert isinstance(result, str)


async def test_a_secret_that_a_server_echoes_is_not_in_the_error() -> None:
    """A refused key stands neither in the message nor in the text of the error."""
    async with openai_server() as server:
        server.next.append(Fault(401, "invalid_api_key", f"Incorrect API key provided: {SECRET}."))
        response = await post(wire.request("openai_like", ask(), server.base_url, SECRET))
    with pytest.raises(AuthExpired) as caught:
        wire.answer("openai_like", ask(), response, SECRET)
    assert SECRET not in f"{caught.value!r} {caught.value} {caught.value.message}"


QUIET = """
import os, sys
def watch(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        os.write(2, f"{event} {args[1:]}".encode())
        os._exit(7)
sys.addaudithook(watch)
from sdspec import wire
assert "litellm" not in sys.modules
from sdspec.calls import Ask, HttpResponse, ModelCall
asked = Ask(ModelCall("x", "m", "m", temperature=0.5), ({"role": "user", "content": "hi"},), "0" * 16)
wire.request("openai_like", asked, "http://127.0.0.1:9/v1", "k")
body = b'{"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}]}'
assert wire.answer("openai_like", asked, HttpResponse(200, {}, body)).text == "hi"
try:
    wire.answer("openai_like", asked, HttpResponse(400, {}, b"{}"))
except Exception as error:
    print(type(error).__name__)
print(os.environ.get("FROM_DOTENV"))
"""


def test_litellm_is_silent_and_reads_no_network_and_no_dotenv(tmp_path: Path) -> None:
    """Importing and using it opens no connection, prints nothing, and leaves ./.env alone."""
    (tmp_path / ".env").write_text("FROM_DOTENV=loaded\n")
    root = Path(__file__).parents[2]
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", QUIET], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert (0, "RowFatal\nNone\n", "") == (done.returncode, done.stdout, done.stderr)
