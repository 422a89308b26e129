"""Provider `openai_compatible`: its settings, its key, and a call to a real server."""

from __future__ import annotations

import orjson
import pytest
from pydantic import ValidationError

from sdspec.calls import Ask, ModelCall
from sdspec.errors import AuthExpired, PrerequisiteError
from sdspec.providers.openai_compatible import OpenAICompatible
from tests.servers.client import post
from tests.servers.openai import Behaviour, openai_server

SECRET = "sk-very-secret-0123456789"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


def ask(provider: OpenAICompatible) -> Ask:
    """An ask bound to the provider."""
    call = ModelCall(endpoint=provider.endpoint_identity(), id="m", identity=provider.model_identity("m"))
    return Ask(call, ({"role": "user", "content": "hello"},), "0" * 16, schema=SCHEMA)


async def test_a_call_reaches_the_endpoint_with_the_key_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is read from the named variable when the endpoint is opened, and the schema is obeyed."""
    monkeypatch.setenv("MY_KEY", f" {SECRET}\n")
    async with openai_server(Behaviour(api_key=SECRET)) as server:
        provider = OpenAICompatible(base_url=server.base_url + "/", api_key_env="MY_KEY")
        async with provider.open("m", 4, print) as endpoint:
            answer = provider.answer(ask(provider), await post(provider.request(ask(provider), endpoint)))
            assert SECRET not in repr(endpoint) + repr(provider)
    assert isinstance(orjson.loads(answer.text)["a"], int)


async def test_a_refused_key_is_not_in_the_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A 401 asks for fresh credentials without showing the stale ones."""
    monkeypatch.setenv("MY_KEY", SECRET)
    async with openai_server(Behaviour(api_key="another")) as server:
        provider = OpenAICompatible(base_url=server.base_url, api_key_env="MY_KEY")
        async with provider.open("m", 4, print) as endpoint:
            response = await post(provider.request(ask(provider), endpoint))
    with pytest.raises(AuthExpired) as caught:
        provider.answer(ask(provider), response)
    assert SECRET not in str(caught.value)


async def test_a_key_that_is_not_set_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says which variable to export, before any call."""
    monkeypatch.delenv("MY_KEY", raising=False)
    provider = OpenAICompatible(base_url="http://localhost:8000/v1", api_key_env="MY_KEY")
    with pytest.raises(PrerequisiteError, match="export MY_KEY="):
        async with provider.open("m", 4, print):
            pass


async def test_no_variable_means_no_key() -> None:
    """An endpoint without `api_key_env` is sent no authorization."""
    provider = OpenAICompatible(base_url="http://localhost:8000/v1")
    async with provider.open("m", 4, print) as endpoint:
        assert "Authorization" not in provider.request(ask(provider), endpoint).headers


async def test_structured_false_sends_no_schema_and_is_another_endpoint() -> None:
    """Whether decoding is constrained decides the answer, so it is in the identity."""
    free = OpenAICompatible(base_url="http://h/v1", structured=False)
    async with free.open("m", 4, print) as endpoint:
        assert "response_format" not in orjson.loads(free.request(ask(free), endpoint).body)
    assert free.endpoint_identity() != OpenAICompatible(base_url="http://h/v1").endpoint_identity()


@pytest.mark.parametrize(
    "url",
    ["", "localhost:8000/v1", "ftp://h/v1", "http://", "http://h:99999/v1", "http://u:p@h/v1", "http://h/v1?x=1"],
)
def test_an_address_that_cannot_be_one_is_refused(url: str) -> None:
    """A base URL without scheme or host, with a password, or with a query, is a problem of the spec."""
    with pytest.raises(ValidationError):
        OpenAICompatible(base_url=url)


def test_a_key_in_place_of_its_variables_name_is_refused() -> None:
    """A pasted key is no name of a variable."""
    with pytest.raises(ValidationError):
        OpenAICompatible(base_url="http://h/v1", api_key_env=SECRET)


def test_the_address_decides_and_limits_do_not() -> None:
    """Fingerprints hold the base URL in one spelling, and neither limits nor the key's variable."""
    one = OpenAICompatible(base_url="http://h/v1/", api_key_env="A", limits={"rpm": 3})
    other = OpenAICompatible(base_url="http://h/v1", api_key_env="B")
    assert one.deciding() == other.deciding()
    assert one.endpoint_identity() == other.endpoint_identity() == "openai_compatible http://h/v1"
