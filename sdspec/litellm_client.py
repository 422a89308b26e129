"""Calls that litellm sends itself, for providers of which it has no transforms: a transport that is not ours.

Its own retries are off, and its errors become the responses that they stand for, so that the caller types them like all
others. The certificates that it trusts are those of SSL_CERT_FILE and of this machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson

from sdspec import wire
from sdspec.calls import Ask, HttpRequest, HttpResponse
from sdspec.contracts import Transport
from sdspec.errors import Fatal
from sdspec.routes import Route, without_secrets

URL = "litellm:"
"""Stands where a request has its address: only litellm knows it."""

_CODES = {
    "ContextWindowExceededError": "context_length_exceeded",
    "ContentPolicyViolationError": "content_filter",
}
"""litellm's errors that say more than their status -> what an error body of OpenAI's format says for that."""

_SCRAPS = ("litellm.", "Error: ")

_UNREADABLE = "Error converting to valid response"
"""What litellm says, as an error 400, of a successful response whose body is no answer."""

_ENDS = ("\nTraceback (most recent call last)", "\n\nThis looks like a bug in LiteLLM")
"""What comes in litellm's texts after what went wrong, and is for its own developers."""


def request(ask: Ask, way: Route, *, structured: bool, extra: Mapping[str, Any]) -> HttpRequest:
    """What litellm is to be asked; `extra` as for `wire.request`."""
    body = {
        "model": way.model,
        "custom_llm_provider": way.provider,
        "messages": list(ask.messages),
        **wire.settings(ask, structured),
        **extra,
    }
    return HttpRequest(URL, {}, orjson.dumps(body))


@asynccontextmanager
async def transport(base_url: str | None, secret: str) -> AsyncIterator[Transport]:
    """Sends such requests by litellm; what comes back is in OpenAI's format. The connections end with the context."""
    where = {"api_base": base_url, "api_key": secret}
    given = {name: value for name, value in where.items() if value}

    async def send(request: HttpRequest, timeout_s: float) -> HttpResponse:
        litellm = wire.library()
        asked = orjson.loads(request.body)
        try:
            async with asyncio.timeout(timeout_s):
                reply = await litellm.acompletion(**asked, **given, timeout=timeout_s, num_retries=0, max_retries=0)
        except litellm.UnsupportedParamsError as error:
            raise Fatal("unsupported_setting", wire.unsupported(error)) from error
        except litellm.exceptions.Timeout as error:
            raise TimeoutError from error
        except litellm.exceptions.APIConnectionError as error:
            raise ConnectionError(_said(error)) from error
        except tuple(litellm.LITELLM_EXCEPTION_TYPES) as error:
            return _failed(error)
        return HttpResponse(200, {}, orjson.dumps(reply.model_dump(mode="json")))

    try:
        yield send
    finally:
        litellm = wire.library()
        await litellm.close_litellm_async_clients()
        litellm.in_memory_llm_clients_cache.flush_cache()


def _failed(error: Any) -> HttpResponse:
    if _UNREADABLE in str(error):
        return HttpResponse(200, {}, _said(error).encode())
    status = getattr(error, "status_code", None)
    response = getattr(error, "response", None)
    headers = {name.lower(): value for name, value in getattr(response, "headers", {}).items()}
    body = {"message": _said(error), "code": _CODES.get(type(error).__name__)}
    return HttpResponse(status if isinstance(status, int) else 500, headers, orjson.dumps({"error": body}))


def _said(error: Exception) -> str:
    """What was said, without litellm's names before it, and without secrets."""
    text = str(getattr(error, "message", "") or error)
    for end in _ENDS:
        text = text.partition(end)[0]
    head, _, rest = text.partition(_SCRAPS[1])
    while head.startswith(_SCRAPS[0]) and rest:
        text = rest
        head, _, rest = text.partition(_SCRAPS[1])
    return without_secrets(text)
