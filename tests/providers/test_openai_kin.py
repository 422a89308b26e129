"""The options that are OpenAI's format at another address: openai, gemini, vllm, ollama."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

import sdspec
from sdspec.calls import Ask, HttpResponse, ModelCall
from sdspec.contracts import Provider
from sdspec.errors import AuthExpired, Fatal, SpecError
from sdspec.prices import price_of
from sdspec.providers.gemini import Gemini
from sdspec.providers.openai import OpenAI
from sdspec.providers.vllm import Vllm
from tests.recipes import counts, run_spec, write_spec
from tests.servers.openai import Behaviour, openai_server_in_thread

KEY = "sk-kin-5151-never-written-anywhere"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}


def ask(provider: Provider, model_id: str, **settings: Any) -> Ask:
    """An ask of a model of the provider, with a schema."""
    call = ModelCall(provider.endpoint_identity(), model_id, model_id, **settings)
    return Ask(call, ({"role": "user", "content": "hello"},), "0" * 16, schema=SCHEMA)


async def body(provider: Provider, asked: Ask) -> dict[str, Any]:
    """What is sent."""
    async with provider.open(asked.model.id, 4, print) as endpoint:
        sent: dict[str, Any] = orjson.loads(provider.request(asked, endpoint).body)
        return sent


def kin(option: str, folder: Path, *overrides: str) -> Path:
    """A spec with that provider and ten rows."""
    group = [{"override /template": "custom"}, {"override /provider": option}, {"override /model": "default"}]
    return write_spec(folder, {"defaults": ["/sdspec", *group, "_self_"], "workflow": {"size": 10}})


@pytest.mark.parametrize(
    ("option", "variable", "model_id"),
    [
        ("openai", "OPENAI_API_KEY", "gpt-4.1-mini"),
        ("gemini", "GEMINI_API_KEY", "gemini-2.5-flash"),
        ("vllm", None, "meta-llama/Llama-3.1-8B-Instruct"),
        ("ollama", None, "llama3.2"),
    ],
)
def test_an_option_runs_with_its_key_in_its_own_variable(
    option: str, variable: str | None, model_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address and the model are all that must be said; the schema is sent, and the key is written nowhere."""
    if variable:
        monkeypatch.setenv(variable, KEY)
    with openai_server_in_thread(Behaviour(api_key=KEY if variable else None, models=(model_id,))) as server:
        run = run_spec(kin(option, tmp_path), f"provider.base_url={server.base_url}", f"model.id={model_id}")
        assert counts(run)["kept"] == 10, run.record()["why"]
        assert all(sent["response_format"]["type"] == "json_schema" for sent in server.bodies)
        assert variable is not None or all("authorization" not in sent for sent in server.headers)
    assert all(KEY.encode() not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.parametrize("option", ["openai", "gemini", "vllm", "ollama"])
def test_the_addresses_are_known(option: str, tmp_path: Path) -> None:
    """`check` needs no more than a model id: no address, no key, no network."""
    plan = sdspec.compile(sdspec.load(kin(option, tmp_path), ["model.id=m"], cwd=tmp_path))
    (model,) = plan.models.values()
    assert model.provider.base_url.endswith(("/v1", "/openai"))  # type: ignore[attr-defined]


async def test_models_that_retired_a_parameter_get_its_successor(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's reasoning models take `max_completion_tokens`; others, and other servers, the plain `max_tokens`."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    newer = await body(OpenAI(), ask(OpenAI(), "gpt-5-mini", max_tokens=64))
    older = await body(OpenAI(), ask(OpenAI(), "gpt-4o-mini", max_tokens=64))
    assert (64, None) == (newer.get("max_completion_tokens"), newer.get("max_tokens"))
    assert (None, 64) == (older.get("max_completion_tokens"), older.get("max_tokens"))


async def test_a_parameter_without_successor_is_fatal_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    """A temperature that a reasoning model does not take is said at the first call, before it is sent."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with pytest.raises(Fatal, match=r"temperature=0\.2"):
        await body(OpenAI(), ask(OpenAI(), "gpt-5-mini", temperature=0.2))


def test_a_parameter_that_is_refused_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user sees the model, the setting, and what to do, and nothing about litellm."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with openai_server_in_thread() as server:
        at = [f"provider.base_url={server.base_url}", "model.id=gpt-5-mini", "model.temperature=0.2"]
        why = run_spec(kin("openai", tmp_path), *at).record()["why"]
    assert "gpt-5-mini doesn't support temperature=0.2" in why and "model.temperature=null" in why
    assert "litellm" not in why
    assert server.requests == 0


async def test_vllm_takes_top_k_and_others_say_that_they_would_not(tmp_path: Path) -> None:
    """`top_k` is sent as it stands; OpenAI has no such setting, and that is a problem of the spec."""
    assert 5 == (await body(Vllm(), ask(Vllm(), "m", top_k=5)))["top_k"]
    assert "top_k" not in await body(Vllm(), ask(Vllm(), "m"))
    with pytest.raises(SpecError, match=r"model.top_k: provider 'openai' would ignore this setting"):
        sdspec.compile(sdspec.load(kin("openai", tmp_path), ["model.id=m", "model.top_k=5"], cwd=tmp_path))


@pytest.mark.parametrize(
    ("provider", "model_id", "row"),
    [
        (OpenAI(), "gpt-4o-mini", "gpt-4o-mini"),
        (OpenAI(), "ft:gpt-4o-mini-2024-07-18:org::abc", "ft:gpt-4o-mini-2024-07-18"),
        (Gemini(), "gemini-2.5-flash", "gemini/gemini-2.5-flash"),
        (Gemini(), "models/gemini-2.5-flash", "gemini/gemini-2.5-flash"),
    ],
    ids=str,
)
def test_a_model_is_priced_by_its_row_of_the_map(provider: Provider, model_id: str, row: str) -> None:
    """The price map knows these models under these names."""
    price = price_of(provider.price_id(model_id))
    assert price is not None
    assert row == price.model


def test_a_server_of_ones_own_has_no_price() -> None:
    """What a vLLM costs is not in the map, whatever its models are called."""
    assert Vllm().price_id("gpt-4o-mini") is None


@pytest.mark.parametrize("said", ["API key not valid. Please pass a valid API key.", "API key expired. Renew it."])
def test_a_key_that_gemini_refuses_is_no_bad_request(said: str) -> None:
    """Google answers 400 where others answer 401, in a list of one error."""
    error = [{"error": {"code": 400, "message": said, "status": "INVALID_ARGUMENT"}}]
    with pytest.raises(AuthExpired, match="API key"):
        Gemini().answer(ask(Gemini(), "gemini-2.5-flash"), HttpResponse(400, {}, orjson.dumps(error)))


def test_a_refused_key_names_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One sentence, after one round of calls, without the key."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with openai_server_in_thread(Behaviour(api_key="another")) as server:
        at = [f"provider.base_url={server.base_url}", "model.id=gpt-4.1-mini", "engine.concurrency=4"]
        run = run_spec(kin("openai", tmp_path), *at)
        assert "refuses the key of the environment variable OPENAI_API_KEY" in run.record()["why"]
        assert KEY not in run.record()["why"]
        assert server.requests <= 4
