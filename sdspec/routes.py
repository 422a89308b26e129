"""The way that a model string of litellm's takes: `groq/llama-3.3-70b` -> Groq's API, and which settings reach it.

Mostly litellm's transforms make the requests, and sdspec sends them as it sends all others. Where litellm has a client
of its own instead (Azure, Vertex AI, watsonx, SageMaker: whatever signs requests or logs in), litellm sends them.
All this is asked of litellm itself, which takes seconds to import.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from sdspec import wire
from sdspec.calls import ModelCall
from sdspec.errors import Fatal, did_you_mean
from sdspec.prices import made_for
from sdspec.spec.secrets import secret_name

_DEFAULTS = {
    "anthropic": "https://api.anthropic.com",
    "cohere_chat": "https://api.cohere.com",
    "openai": "https://api.openai.com/v1",
    "openrouter": "https://openrouter.ai/api/v1",
}
"""Addresses that litellm has in the middle of `completion()`; all others it tells with the provider."""

_BASES = {
    "anthropic": ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
    "cohere_chat": ("COHERE_API_BASE",),
    "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
    "openrouter": ("OPENROUTER_API_BASE",),
}
"""Variables of other addresses that it reads there."""

_SAYS_WHERE = re.compile(r"_(API_BASE|BASE_URL|API_URL|URL|ENDPOINT|LOCATION|REGION|REGION_NAME)$")
"""How the variables end by which litellm is told where a provider is, or a model of its."""

_VARIABLES_OF = {"bedrock": "AWS", "sagemaker": "AWS", "custom": "OPENAI"}
"""How they begin, where that is not the first word of the provider's name."""

_PATHS = {"anthropic": "/v1/messages", "cohere_chat": "/v2/chat"}
"""What comes after the address, where litellm's transforms do not add it themselves."""

_KEYS = {
    "anthropic": "ANTHROPIC_API_KEY",
    "cohere_chat": "COHERE_API_KEY",
    "openai": "OPENAI_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
}
"""Variables that litellm reads in `completion()`; the keys of all other providers it tells with the provider."""

_OLLAMA = "OLLAMA_API_BASE"
"""litellm says that it is missing, and takes Ollama's port on this machine."""

_MORE_OF_OPENAIS_FORMAT = frozenset({"openai", "openai_like", "openrouter", "mistral"})
"""Beside litellm's own list of them."""

_LOGS_IN = ("github_copilot", "chatgpt")
"""Providers for which litellm opens a login in the browser as soon as it is asked about them."""

_ONLY_COMPLETES = "text-completion-"
"""Providers of old completion models: litellm sends each message as a prompt of its own, or the last one alone."""

_RESPONSES = "responses/"
"""Before a model that litellm is to ask by OpenAI's Responses API."""

_CHATS = ("chat", "completion", None)
"""What a model may be made for: most that complete are asked by their chat template. None: nobody says."""

_SETTINGS = {
    "temperature": ("temperature",),
    "top_p": ("top_p",),
    "top_k": ("top_k",),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
    "stop": ("stop",),
}
"""Setting -> the names under which litellm may know it."""

_SHORTEST_SECRET = 8
"""Characters; a shorter value of a variable may stand in any text."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where the calls of a model go."""

    provider: str
    """As litellm names it."""
    model: str
    """The id that is sent."""
    base_url: str | None
    """Where the provider is, if litellm or the user says so."""
    transforms: bool
    """litellm's transforms make the requests; False: it sends them itself."""


@cache
def route(text: str, base_url: str | None = None) -> Route:
    """The way of a model string; raises LookupError, whose text says what is wrong with it."""
    prefix = text.partition("/")[0]
    if prefix in _LOGS_IN:
        raise LookupError(f"{text!r}: {prefix} wants a login in a browser, and there is none in a run.")
    litellm = wire.library()
    try:
        model, provider, _, known = litellm.get_llm_provider(text, api_base=base_url)
    except litellm.exceptions.BadRequestError:
        raise LookupError(_unknown(text, prefix)) from None
    if not model:
        raise LookupError(f"{text!r} names no model. Write PROVIDER/MODEL, e.g. {provider}/NAME.")
    if wrong := _does_not_chat(text, provider, model):
        raise LookupError(f"{text!r} {wrong}. Choose a model that chats.")
    transforms = bool(base_url or known or provider in _DEFAULTS) and _is_transformed(provider, model)
    return Route(provider, model, base_url or known, transforms)


def _does_not_chat(text: str, provider: str, model: str) -> str:
    """What a model does instead; empty where it chats, or nobody knows."""
    if provider.startswith(_ONLY_COMPLETES):
        return "completes a text, and does not chat"
    names = (f"{provider}/{model}", text, model)
    made = next((made for name in names if (made := made_for(name)) is not None), None)
    if made == "responses" or model.startswith(_RESPONSES):
        return "is asked by OpenAI's Responses API alone, which sdspec does not speak"
    return "" if made in _CHATS else f"is made for {made}, and does not chat"


def _unknown(text: str, prefix: str) -> str:
    if "/" not in text:
        return f"{text!r}: litellm does not know whose model that is. Write PROVIDER/MODEL, e.g. groq/{text}."
    return f"{text!r}: litellm has no provider {prefix!r}. {did_you_mean(prefix, wire.providers())}"


def _is_transformed(provider: str, model: str) -> bool:
    if provider in _PATHS:
        return True
    named = provider in wire.library().openai_compatible_providers or provider in _MORE_OF_OPENAIS_FORMAT
    return named and wire.speaks_openai(provider, model)


def address(way: Route) -> str:
    """What litellm's transforms take for the address of a provider."""
    path, base_url = _PATHS.get(way.provider, ""), way.base_url or _told(way.provider)
    if not path or base_url.endswith(path):
        return base_url
    return base_url.removesuffix(path[:3]) + path  # users write the address with its /v1, or without


def _told(provider: str) -> str:
    """The address in the variables of a provider, else its own."""
    told = (os.environ.get(name, "").strip().rstrip("/") for name in _BASES.get(provider, ()))
    return next(filter(None, told), _DEFAULTS.get(provider, ""))


def variables_say(way: Route) -> str:
    """Stands for what the environment says of where the provider is; empty where it says nothing.

    A deployment of one name is another model in another resource of Azure, and on another server of yours.
    """
    provider = way.provider.partition("_")[0].partition("-")[0]
    begins = _VARIABLES_OF.get(provider, provider.upper())
    said = sorted(
        f"{name}={value.strip()}"
        for name, value in os.environ.items()
        if value.strip() and name.startswith(begins) and _SAYS_WHERE.search(name)
    )
    return f"sha256:{hashlib.sha256(chr(10).join(said).encode()).hexdigest()[:16]}" if said else ""


def takes(way: Route) -> frozenset[str]:
    """The sampling settings that reach the model."""
    known = set(wire.library().get_supported_openai_params(way.model, custom_llm_provider=way.provider) or ())
    if way.provider == "anthropic":
        known.add("top_k")  # Anthropic's own name, which goes through as it is
    return frozenset(name for name, names in _SETTINGS.items() if known.intersection(names))


def refused(way: Route, call: ModelCall) -> Mapping[str, str]:
    """Values that litellm knows the model to refuse: setting -> what is wrong with it."""
    found: dict[str, str] = {}
    try:
        config, wrong = wire.config_of(way.provider, way.model), wire.library().UnsupportedParamsError
    except Fatal:  # litellm has no transforms for it, and so knows no bounds
        return found
    for name in ("temperature", "top_p", "max_tokens", "stop"):
        value = getattr(call, name)
        if value in (None, ()):
            continue
        if name == "stop" and way.provider == "anthropic" and any(not one.strip() for one in call.stop):
            found[name] = "a text of nothing but white space, which litellm leaves out: Claude takes none."
            continue
        try:
            config.map_openai_params({name: list(value) if name == "stop" else value}, {}, way.model, False)
        except wrong as error:
            found[name] = f"{wire.unsupported(error)}."
    return found


def takes_schema(way: Route) -> bool:
    """True where litellm says that a JSON Schema constrains the model's answers."""
    litellm = wire.library()
    known = litellm.get_supported_openai_params(way.model, custom_llm_provider=way.provider) or ()
    return "response_format" in known and bool(litellm.supports_response_schema(way.model, way.provider))


def own_key(way: Route, text: str) -> str:
    """The key in litellm's own variable for the provider; empty where that is not set."""
    if name := _KEYS.get(way.provider):
        return os.environ.get(name, "").strip()
    return str(wire.library().get_llm_provider(text, api_base=way.base_url)[2] or "").strip()


def missing_variables(way: Route, text: str) -> tuple[str, ...]:
    """The variables that litellm misses for a model string; none where it has all, or does not say."""
    if (name := _KEYS.get(way.provider)) is not None:
        return () if os.environ.get(name, "").strip() else (name,)
    if own_key(way, text):  # which litellm may know by more names than the one that it says is missing
        return ()
    return tuple(name for name in wire.library().validate_environment(text)["missing_keys"] if name != _OLLAMA)


def without_secrets(text: str) -> str:
    """The text without the values of variables whose names look secret: litellm reads more of them than one."""
    for name, value in os.environ.items():
        if len(value) >= _SHORTEST_SECRET and value in text and secret_name(name):
            text = text.replace(value, "***")
    return text
