"""Provider `litellm`: model strings of many vendors, on our own session where litellm has transforms for them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

import sdspec
from sdspec.calls import Answer, Ask, ModelCall
from sdspec.engine.transport import http_transport
from sdspec.errors import AuthExpired, BackPressure, Fatal, PrerequisiteError, RowFatal, SpecError, Transient
from sdspec.providers.litellm import LiteLLM
from tests.recipes import counts, run_spec, write_spec
from tests.servers.anthropic import AnthropicServer, Failure, anthropic_server_in_thread
from tests.servers.anthropic import Behaviour as AnthropicBehaviour
from tests.servers.http import Reply, Request, running
from tests.servers.openai import Behaviour, Fault, openai_server_in_thread

KEY = "sk-litellm-6161-never-written-anywhere"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
HAIKU = "anthropic/claude-haiku-4-5"
SONNET = "anthropic/claude-sonnet-4-20250514"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The vendors' own variables."""
    for name in ("GROQ_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_API_KEY", "AZURE_API_KEY"):
        monkeypatch.setenv(name, KEY)


def spec_file(folder: Path) -> Path:
    """A spec of ten rows on this provider."""
    groups = [{"override /template": "custom"}, {"override /provider": "litellm"}]
    return write_spec(folder, {"defaults": ["/sdspec", *groups, "_self_"], "workflow": {"size": 10}})


def problems(folder: Path, *words: str) -> list[str]:
    """The problems of that spec."""
    try:
        sdspec.compile(sdspec.load(spec_file(folder), words, cwd=folder))
    except SpecError as error:
        return [str(problem) for problem in error.problems]
    return []


def ask(provider: LiteLLM, model: str, **sampling: Any) -> Ask:
    """An ask with a system message, and a schema where the model takes one."""
    call = ModelCall(provider.endpoint_identity(), model, model, **sampling)
    said = ({"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"})
    return Ask(call, said, "0" * 16, schema=SCHEMA if provider.native_schema_for(model) else None)


async def called(provider: LiteLLM, asked: Ask) -> Answer:
    """The answer, by the transport of a run."""
    async with http_transport() as send, provider.open(asked.model.id, 1, print) as endpoint:
        sending = endpoint.transport or send
        return provider.answer(asked, await sending(provider.request(asked, endpoint), 30))


def on(server: AnthropicServer, model: str = HAIKU, **sampling: Any) -> Answer:
    """One call of a model of Anthropic's."""
    provider = LiteLLM(base_url=server.base_url)
    return asyncio.run(called(provider, ask(provider, model, **sampling)))


def test_a_run_on_groq(tmp_path: Path) -> None:
    """The model string and the vendor's own variable are enough; the prefix is not sent, the key is written nowhere."""
    with openai_server_in_thread(Behaviour(api_key=KEY, models=("openai/gpt-oss-20b",))) as server:
        words = ["model.id=groq/openai/gpt-oss-20b", f"provider.base_url={server.base_url}"]
        run = run_spec(spec_file(tmp_path), *words)
        assert counts(run)["kept"] == 10, run.record()["why"]
        assert all(sent["response_format"]["type"] == "json_schema" for sent in server.bodies)
        assert all("fake_stream" not in sent for sent in server.bodies)
    assert run.record()["cost_usd"] > 0
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("model", [HAIKU, SONNET])
def test_another_wire_format(model: str) -> None:
    """Anthropic's Messages API: system apart, its own names, the schema as output format or as a tool, usage read."""
    with anthropic_server_in_thread(AnthropicBehaviour(api_key=KEY)) as server:
        answer = on(server, model, temperature=0.5, top_k=7, max_tokens=50, stop=("END",))
    (body,) = server.bodies
    assert answer.text.startswith('{"a":')
    assert ("stop", 4) == (answer.finish_reason, answer.input_tokens)
    assert (0.5, 7, 50, ["END"]) == tuple(
        body[name] for name in ("temperature", "top_k", "max_tokens", "stop_sequences")
    )
    assert ["user"] == [message["role"] for message in body["messages"]]
    assert ("output_format" in body) != ("tools" in body)


@pytest.mark.parametrize(
    ("failure", "error", "says"),
    [
        (Failure(429, "rate_limit_error", "slow down"), BackPressure, "slow down"),
        (Failure(529, "overloaded_error", "Overloaded"), BackPressure, "Overloaded"),
        (Failure(500, "api_error", "Internal server error"), Transient, "Internal"),
        (Failure(401, "authentication_error", "invalid x-api-key"), AuthExpired, "x-api-key"),
        (Failure(400, "invalid_request_error", "Your credit balance is too low"), Fatal, "credit"),
        (
            Failure(400, "invalid_request_error", "prompt is too long: 9 tokens > 8 maximum"),
            RowFatal,
            "context_too_long",
        ),
        (Failure(404, "not_found_error", "model: claude-none"), Fatal, "claude-none"),
    ],
    ids=lambda value: getattr(value, "type", ""),
)
def test_failures_of_another_wire_format(failure: Failure, error: type[Exception], says: str) -> None:
    """They are typed as those of every other provider."""
    with anthropic_server_in_thread(AnthropicBehaviour(api_key=KEY)) as server:
        server.next.append(failure)
        with pytest.raises(error, match=says):
            on(server)


@contextmanager
def azure_server(asked: list[str], faults: list[Fault]) -> Iterator[str]:
    """The address of a server that speaks as Azure OpenAI does; the paths that it is asked, and its next faults."""

    async def handle(request: Request) -> Reply:
        asked.append(request.path)
        if faults:
            fault = faults.pop(0)
            body = {"error": {"code": fault.code, "message": fault.message}}
            return Reply(fault.status, orjson.dumps(body), fault.headers, drop=fault.drop)
        message = {"role": "assistant", "content": "fine"}
        usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        return Reply(200, orjson.dumps(body))

    with running(handle) as url:
        yield url


def test_what_litellm_calls_itself() -> None:
    """Azure has no transforms: litellm's own client sends one request for one call, and its answer is read as ours."""
    asked: list[str] = []
    with azure_server(asked, []) as url:
        provider = LiteLLM(base_url=url)
        answer = asyncio.run(called(provider, ask(provider, "azure/mine", temperature=0.5, max_tokens=50)))
    assert ("fine", "stop", 3) == (answer.text, answer.finish_reason, answer.output_tokens)
    assert 1 == len(asked)
    assert asked[0].startswith("/openai/deployments/mine/chat/completions")


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(429, "rate_limit_exceeded", "slow", {"retry-after": "7"}), BackPressure),
        (Fault(500, "server_error", "broken"), Transient),
        (Fault(401, "invalid_api_key", f"Incorrect API key {KEY}"), AuthExpired),
        (Fault(404, "DeploymentNotFound", "no such deployment"), Fatal),
        (Fault(400, "context_length_exceeded", "This model's maximum context length is 8 tokens"), RowFatal),
        (Fault(drop=True), ConnectionError),
    ],
    ids=lambda value: str(getattr(value, "code", "")),
)
def test_failures_of_what_litellm_calls_itself(fault: Fault, error: type[Exception]) -> None:
    """One request each, since litellm's retries are off; typed as ours, without the key."""
    asked: list[str] = []
    with azure_server(asked, [fault]) as url:
        provider = LiteLLM(base_url=url)
        with pytest.raises(error) as caught:
            asyncio.run(called(provider, ask(provider, "azure/mine")))
    assert KEY not in str(caught.value) and 1 == len(asked)
    if isinstance(caught.value, BackPressure):
        assert 7 == caught.value.retry_after_s


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["model.id=grok/llama"], ["'grok/llama': litellm has no provider 'grok'. Did you mean 'groq'?"]),
        (["model.id=llama-9"], ["litellm does not know whose model that is. Write PROVIDER/MODEL"]),
        (["model.id=chatgpt/gpt-5"], ["wants a login in a browser"]),
        (["model.id=groq/openai/gpt-oss-20b", "model.top_k=4"], ["model.top_k: groq/openai/gpt-oss-20b does not take"]),
        (
            ["model.id=gpt-5-mini", "model.top_p=null"],
            ["model.temperature: gpt-5-mini doesn't support temperature=0.7"],
        ),
        (["model.id=claude-haiku-4-5", "model.max_tokens=99999"], ["answers with 64,000 tokens at most"]),
        (["model.id=azure/mine", "model.base_model=azur/gpt-4o"], ["model.base_model: 'azur/gpt-4o'"]),
        (["model.id=azure/mine", "provider.ca_bundle=ca.pem"], ["takes no ca_bundle"]),
        (["model.id=azure/mine"], []),
    ],
)
def test_what_litellm_would_not_do_is_a_problem(words: list[str], says: Sequence[str], tmp_path: Path) -> None:
    """Prefixes, settings that would be dropped or refused, and limits: known before a call is paid."""
    found = problems(tmp_path, *words)
    assert len(says) == len(found), found
    assert all(text in one for text, one in zip(says, found, strict=True))


def test_a_base_model_says_what_a_deployment_is(tmp_path: Path) -> None:
    """Azure's deployment names say nothing: price and window are those of the model behind."""
    words = ["model.id=azure/mine", "model.base_model=azure/gpt-4o", "model.max_tokens=99999"]
    (problem,) = problems(tmp_path, *words)
    assert "model.max_tokens: 99,999, and azure/mine answers with 16,384 tokens at most" in problem


def test_a_missing_key_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """litellm's own variable for that vendor, before any call."""
    monkeypatch.delenv("GROQ_API_KEY")
    provider = LiteLLM()
    with pytest.raises(PrerequisiteError, match="groq/llama needs GROQ_API_KEY in the environment"):
        asyncio.run(called(provider, ask(provider, "groq/llama")))
    provider = LiteLLM(api_key_env="MY_KEY")
    with pytest.raises(PrerequisiteError, match="MY_KEY is not set"):
        asyncio.run(called(provider, ask(provider, "groq/llama")))
