"""Model strings of litellm's, of many vendors: what is sent, what is read, and what decides an answer."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import orjson
import pytest

from sdspec import routes, wire
from sdspec.calls import Answer, Ask, HttpResponse, ModelCall
from sdspec.engine.transport import http_transport
from sdspec.errors import PrerequisiteError, Transient
from sdspec.providers.litellm import LiteLLM
from tests.providers.test_litellm import problems, spec_file
from tests.recipes import cli
from tests.servers.http import Reply, Request, running

HERE = "http://127.0.0.1:9/v1"
KEY = "key-of-a-vendor-7171"
REPLY = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "fine"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
}


def ask(model: str) -> Ask:
    """An ask of few words."""
    return Ask(ModelCall("here", model, model, max_tokens=50), ({"role": "user", "content": "hi"},), "0" * 16)


def ways() -> list[routes.Route]:
    """The way to each provider of litellm's whose requests are made by its transforms, at one address."""
    found = []
    for provider in wire.providers():
        try:
            found.append(routes.route(f"{provider}/a.b.m", HERE))
        except (LookupError, ValueError):  # ValueError: litellm wants more parts in the strings of some
            continue
    return [way for way in found if way.transforms and way.provider not in ("anthropic", "cohere_chat")]


def test_answers_of_all_vendors_who_speak_openais_format() -> None:
    """A good answer is read as one, whatever litellm's transforms for the vendor do with it; nothing is streamed."""
    found = ways()
    assert len(found) > 40
    for way in found:
        sent = wire.request(way.provider, ask(way.model), routes.address(way), KEY)
        assert not orjson.loads(sent.body).get("stream"), way
        answer = wire.answer(way.provider, ask(way.model), HttpResponse(200, {}, orjson.dumps(REPLY)))
        assert ("fine", "stop", 9, 3) == (
            answer.text,
            answer.finish_reason,
            answer.input_tokens,
            answer.output_tokens,
        ), way


@pytest.mark.parametrize(
    ("model", "says"),
    [
        ("gpt-3.5-turbo-instruct", "completes a text"),
        ("text-completion-codestral/codestral-latest", "completes a text"),
        ("openai/text-embedding-3-small", "is made for embedding"),
        ("openai/o1-pro", "Responses API"),
        ("openai/responses/gpt-4o", "Responses API"),
        ("groq/", "names no model"),
    ],
)
def test_a_model_that_does_not_chat_is_a_problem(model: str, says: str, tmp_path: Path) -> None:
    """litellm would send each message to a completion model as a prompt of its own, and take the first one's answer."""
    (problem,) = problems(tmp_path, f"model.id={model}")
    assert "model.id: " in problem and says in problem


@pytest.mark.parametrize("provider", ["litellm", "bedrock", "local"])
def test_a_missing_id_is_one_problem(provider: str, tmp_path: Path) -> None:
    """Nothing is said of the text that stands in for it."""
    (problem,) = problems(tmp_path, f"provider={provider}", "model=default")
    assert "model.id: must be set" in problem


def identity(model: str, base_url: str | None = None) -> str:
    """What stands for the model in the journal's keys."""
    return LiteLLM(base_url=base_url).model_identity(model)


def test_another_address_in_litellms_variables_is_another_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """A deployment of Azure's has the same name in many resources; a base_url in the spec is in the endpoint's."""
    monkeypatch.delenv("AZURE_API_BASE", raising=False)
    assert "azure/mine" == identity("azure/mine")
    monkeypatch.setenv("AZURE_API_BASE", "https://one.openai.azure.com")
    one = identity("azure/mine")
    monkeypatch.setenv("AZURE_API_KEY", KEY)
    assert one == identity("azure/mine") != "azure/mine"
    monkeypatch.setenv("AZURE_API_BASE", "https://two.openai.azure.com")
    assert len({one, identity("azure/mine"), "azure/mine"}) == 3
    assert "azure/mine" == identity("azure/mine", HERE)
    monkeypatch.setenv("OPENAI_BASE_URL", HERE)
    assert identity("openai/gpt-4o") != "openai/gpt-4o" and "groq/x" == identity("groq/x")


def test_the_address_of_a_vendors_variable_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """As litellm does: a company's gateway is set so, and the prompts are not for anyone else."""
    for name in ("OPENAI_API_BASE", "ANTHROPIC_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OPENAI_BASE_URL", "http://gateway.example/v1/")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://gateway.example")
    assert "http://gateway.example/v1" == routes.address(routes.route("openai/gpt-4o"))
    assert "http://gateway.example/v1/messages" == routes.address(routes.route("anthropic/claude-haiku-4-5"))
    assert HERE == routes.address(routes.route("openai/gpt-4o", HERE))


def test_any_name_of_a_vendors_key_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """litellm names one variable as missing where it reads several, and one that it does without."""
    for name in ("TOGETHERAI_API_KEY", "TOGETHER_AI_API_KEY", "OLLAMA_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TOGETHER_API_KEY", KEY)
    assert () == routes.missing_variables(routes.route("together_ai/m"), "together_ai/m")
    assert () == routes.missing_variables(routes.route("ollama_chat/m"), "ollama_chat/m")
    monkeypatch.delenv("TOGETHER_API_KEY")
    with pytest.raises(PrerequisiteError, match="TOGETHERAI_API_KEY"):
        asyncio.run(called("together_ai/m", None))


def test_the_price_of_a_model_whose_string_has_more_before_it() -> None:
    """litellm's map has Bedrock's and OpenAI's models by the vendors' own ids."""
    ids = ("bedrock/us.amazon.nova-lite-v1:0", "bedrock/converse/us.amazon.nova-lite-v1:0", "openai/gpt-4.1-mini")
    assert [LiteLLM().price_id(one) for one in ids] == ["us.amazon.nova-lite-v1:0"] * 2 + ["gpt-4.1-mini"]


def test_an_id_without_a_prefix_at_a_vendors_own_address(monkeypatch: pytest.MonkeyPatch) -> None:
    """litellm knows whose it is by the address, and so which key it is."""
    monkeypatch.setenv("GROQ_API_KEY", KEY)
    way = routes.route("llama-9", "https://api.groq.com/openai/v1")
    assert ("groq", KEY) == (way.provider, routes.own_key(way, "llama-9"))


SWITCHES = ("LITELLM_DROP_PARAMS", "LITELLM_MODIFY_PARAMS", "LITELLM_ENABLE_ANTHROPIC_PROMPT_CACHING")


def test_variables_of_litellms_do_not_change_what_is_sent(tmp_path: Path) -> None:
    """Its variables may say to drop settings without a word: what would be dropped is a problem all the same."""
    words = ["model.id=gpt-5-mini", "model.temperature=0.3", "model.top_p=null"]
    done = cli(tmp_path, "check", str(spec_file(tmp_path)), *words, **dict.fromkeys(SWITCHES, "true"))
    assert 2 == done.returncode and "gpt-5-mini doesn't support temperature=0.3" in done.stderr


async def called(model: str, base_url: str | None) -> Answer:
    """The answer, by the transport of a run."""
    provider = LiteLLM(base_url=base_url)
    async with http_transport() as send, provider.open(model, 1, print) as endpoint:
        request = provider.request(ask(model), endpoint)
        return provider.answer(ask(model), await (endpoint.transport or send)(request, 30))


@pytest.mark.parametrize("model", ["gemini/gemini-2.5-flash", "ollama_chat/llama3", "azure/mine"])
@pytest.mark.parametrize("body", [b"<html>hi", b"{}", b""])
def test_a_garbled_body_that_litellm_reads_itself(model: str, body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is asked for again, as a garbled body is everywhere; litellm's tracebacks are for its developers."""
    for name in ("GEMINI_API_KEY", "AZURE_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")

    async def handle(_: Request) -> Reply:
        return Reply(200, body, {"content-type": "application/json"})

    with running(handle) as url, pytest.raises((Transient, ConnectionError)) as caught:
        asyncio.run(called(model, url))
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("model", ["huggingface/acme/none", "ollama_chat/none", "azure/none"])
def test_nobody_but_the_endpoint_is_asked(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by a check nor by a call: litellm would look a model up at the hub, or at Ollama's own port."""
    looked_up: list[tuple[Any, Any]] = []
    look_up = socket.getaddrinfo

    def noted(host: Any, port: Any, *further: Any, **named: Any) -> Any:
        looked_up.append((host, port))
        return look_up(host, port, *further, **named)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    for name in ("HUGGINGFACE_API_KEY", "AZURE_API_KEY"):
        monkeypatch.setenv(name, KEY)
    monkeypatch.setenv("AZURE_API_VERSION", "2024-10-21")
    assert not problems(tmp_path, f"model.id={model}") and not looked_up
    reply = {**REPLY, "message": {"role": "assistant", "content": "fine"}, "done": True}

    async def handle(_: Request) -> Reply:
        return Reply(200, orjson.dumps(reply), {"content-type": "application/json"})

    with running(handle) as url:
        assert "fine" == asyncio.run(called(model, url)).text
    assert {host for host, _ in looked_up} <= {"127.0.0.1"}
