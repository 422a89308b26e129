"""What sdspec uses of litellm: an upgrade that changes any of it fails here, and says what."""

from __future__ import annotations

import importlib
import inspect
from contextlib import suppress
from typing import Any

import pytest

from sdspec import litellm_client, wire
from sdspec.calls import Ask, Message, ModelCall
from sdspec.engine.transport import http_transport
from sdspec.routes import Route
from tests.servers.anthropic import anthropic_server_in_thread
from tests.servers.openai import openai_server_in_thread

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}

NAMES = (
    ("litellm", "acompletion", "get_llm_provider", "get_supported_openai_params", "supports_response_schema"),
    ("litellm", "validate_environment", "close_litellm_async_clients", "in_memory_llm_clients_cache"),
    ("litellm", "ModelResponse", "UnsupportedParamsError", "LITELLM_EXCEPTION_TYPES", "openai_compatible_providers"),
    ("litellm", "telemetry", "suppress_debug_info", "num_retries", "drop_params", "modify_params"),
    ("litellm", "enable_anthropic_prompt_caching", "route_all_chat_openai_to_responses", "module_level_client"),
    ("litellm.exceptions", "OpenAIError", "BadRequestError", "Timeout", "APIConnectionError"),
    ("litellm.types.utils", "LlmProviders"),
    ("litellm.constants", "RESPONSE_FORMAT_TOOL_NAME"),
    ("litellm.llms.base_llm.chat.transformation", "BaseLLMException"),
    ("litellm.llms.openai.chat.gpt_transformation", "OpenAIGPTConfig"),
    ("litellm.llms.openai_like.chat.transformation", "OpenAILikeChatConfig"),
    ("litellm.litellm_core_utils.exception_mapping_utils", "ExceptionCheckers"),
    ("litellm.llms.custom_httpx.http_handler", "HTTPHandler"),
)
"""Module -> what is taken from it."""

STEPS = {
    "map_openai_params": ("non_default_params", "optional_params", "model", "drop_params"),
    "validate_environment": (
        ("headers", "model", "messages", "optional_params", "litellm_params", "api_key", "api_base")
    ),
    "get_complete_url": ("api_base", "api_key", "model", "optional_params", "litellm_params"),
    "transform_request": ("model", "messages", "optional_params", "litellm_params", "headers"),
    "sign_request": ("headers", "optional_params", "request_data", "api_base", "api_key", "model"),
    "get_error_class": ("error_message", "status_code", "headers"),
}
"""Transforms that are called with their arguments in this order."""

CALLED = {
    "openai_like": "any",
    "openai": "gpt-4.1-mini",
    "groq": "llama-3.3-70b-versatile",
    "mistral": "mistral-small-latest",
    "deepseek": "deepseek-chat",
    "together_ai": "meta-llama/Llama-3.3-70B-Instruct-Turbo",
    "anthropic": "claude-haiku-4-5",
}
"""Providers with transforms -> a model of theirs."""

BOTH = tuple(name for name in CALLED if name not in ("openai_like", "anthropic"))
"""Those in OpenAI's format that litellm's own client calls at any address."""


def ask(model_id: str, **settings: Any) -> Ask:
    """An ask with a conversation."""
    told = (("system", "Be brief."), ("user", "hello"), ("assistant", "well?"), ("user", "é, so"))
    messages = tuple(Message(role=role, content=text) for role, text in told)
    call = ModelCall("e", model_id, model_id, temperature=0.5, max_tokens=64)
    return Ask(call, messages, "0" * 16, **settings)


def test_the_names_are_there() -> None:
    """Each name that is taken from litellm is where it was."""
    wire.library()
    found = [(module, name) for module, *names in NAMES for name in names]
    assert [] == [one for one in found if not hasattr(importlib.import_module(one[0]), one[1])]
    assert wire.library().types.utils.LlmProviders("groq").value == "groq"
    assert importlib.import_module("litellm.constants").RESPONSE_FORMAT_TOOL_NAME == "json_tool_call"


@pytest.mark.parametrize("provider", CALLED)
def test_the_transforms_take_what_they_took(provider: str) -> None:
    """By position, since that is how they are called; responses by name."""
    config = wire.config_of(provider, CALLED[provider])
    for name, known in STEPS.items():
        taken = tuple(inspect.signature(getattr(config, name)).parameters)
        assert known == taken[: len(known)], name
    response = set(inspect.signature(config.transform_response).parameters)
    assert {"raw_response", "model_response", "logging_obj", "request_data", "encoding", "json_mode"} <= response


def test_converse_is_written_and_read_by_known_methods() -> None:
    """The same of Amazon Bedrock's format."""
    config = wire.library().AmazonConverseConfig()
    for name in ("map_openai_params", "transform_request"):
        assert STEPS[name] == tuple(inspect.signature(getattr(config, name)).parameters)[: len(STEPS[name])]
    assert "json_mode" in inspect.signature(config.transform_response).parameters


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("provider", BOTH)
async def test_litellms_own_client_sends_what_its_transforms_write(provider: str, structured: bool) -> None:
    """Whether a call goes by `acompletion` or by the transforms and our session, the server gets the same body."""
    model_id = CALLED[provider]
    asked = ask(model_id, schema=SCHEMA if structured else None)
    with openai_server_in_thread() as server:
        way = Route(provider, model_id, server.base_url, transforms=False)
        async with litellm_client.transport(server.base_url, "sk-1") as send:
            with suppress(ConnectionError):  # so it calls what Groq's part of it makes of an answer without its tier
                await send(litellm_client.request(asked, way, structured=True, extra={}), 30.0)
        async with http_transport(proxies=False) as send:
            assert 200 == (await send(wire.request(provider, asked, server.base_url, "sk-1"), 30.0)).status
        by_client, by_transforms = server.bodies
    for needless in ("stream", "extra_body"):  # which the client may say as they are by default
        assert not by_client.pop(needless, None)
    assert by_client == by_transforms


@pytest.mark.parametrize("structured", [False, True])
async def test_litellms_own_client_writes_to_anthropic_what_its_transforms_write(structured: bool) -> None:
    """The same in Anthropic's format, where the schema may be a tool and the system message has its own place."""
    model_id = CALLED["anthropic"]
    asked = ask(model_id, schema=SCHEMA if structured else None)
    with anthropic_server_in_thread() as server:
        way = Route("anthropic", model_id, server.base_url, transforms=False)
        async with litellm_client.transport(server.base_url, "k") as send:
            await send(litellm_client.request(asked, way, structured=True, extra={}), 30.0)
        address = f"{server.base_url}/v1/messages"
        async with http_transport(proxies=False) as send:
            await send(wire.request("anthropic", asked, address, "k"), 30.0)
        by_client, by_transforms = server.bodies
    assert by_client == by_transforms
