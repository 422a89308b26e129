"""The OpenAI chat format, read without litellm: a success body checked, a failed response typed as a CallError.

The codes are ours and stable (journal keys and counts use them); a provider's words only stand in the message.
Codes: content_filter, refusal, context_too_long, bad_request | timeout, conflict, server_error, garbled |
rate_limited | unauthorized | forbidden, unknown_model, quota_spent, not_an_endpoint.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from sdspec.calls import Answer, HttpResponse
from sdspec.errors import AuthExpired, BackPressure, CallError, Fatal, RowFatal, Transient

MESSAGE_LENGTH = 2000
"""Errors are journaled: some servers echo the whole prompt."""

# What servers put into `code` or `type`: OpenAI, Azure, vLLM, llama.cpp, OpenRouter.
_CONTENT_FILTER = frozenset({"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"})
_CONTEXT = frozenset({"context_length_exceeded", "exceed_context_size_error", "string_above_max_length"})
_MODEL = frozenset({"model_not_found", "ModelNotFound", "DeploymentNotFound"})
_QUOTA = frozenset({"insufficient_quota", "billing_hard_limit_reached", "billing_not_active", "insufficient_credits"})

OVERLOADED = 529
"""Anthropic's own status for a service that has no capacity just now."""

_CONTEXT_WORDS = (
    "maximum context length",
    "context length exceeded",
    "exceeds the available context size",
    "prompt is too long",
)
_QUOTA_WORDS = ("credit balance is too low",)
_NEVER_FITS = "request too large"
"""OpenAI's 429 for one request above the whole per-minute allowance: waiting never helps."""


def success(response: HttpResponse) -> dict[str, Any]:
    """The body of a 2xx response that holds a chat message; raises the CallError of any other response."""
    if not 200 <= response.status < 300:
        raise failure(response)
    body = json_object(response)
    if body.get("error") and not body.get("choices"):
        raise failure(_error_in_success(body, response))
    try:
        message = body["choices"][0]["message"]
    except (LookupError, TypeError):
        message = None
    if not isinstance(message, dict):
        raise Transient("garbled", f"the body holds no message: {_shown(response.body)}", status=response.status)
    return body


def json_object(response: HttpResponse) -> dict[str, Any]:
    """The body, where it is a JSON object that can be kept: half of a surrogate pair, or NaN, is garbled."""
    body = _json(response.body)
    if not isinstance(body, dict):
        raise Transient("garbled", _no_object(response.body), status=response.status)
    return body


def said(text: str | None, finish_reason: str | None, refusal: str | None, usage: Mapping[str, Any]) -> Answer:
    """The answer of a message; raises RowFatal when the model or its filter refused, keeping the text."""
    used = tokens(usage)
    if finish_reason == "content_filter":
        what = text or "the provider's filter stopped the answer"
        raise RowFatal("content_filter", what, status=200, tokens=used)
    if refusal:
        raise RowFatal("refusal", refusal, status=200, tokens=used)
    return Answer(text=text or "", finish_reason=finish_reason or "stop", **used)


def tokens(usage: Mapping[str, Any]) -> dict[str, int]:
    """The token counts of an Answer. Some servers (Gemini, xAI) count what a model thinks in the total alone."""
    asked, said = usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0
    details = usage.get("prompt_tokens_details") or {}
    unseen = max(0, (usage.get("total_tokens") or 0) - asked - said)
    thought = (usage.get("completion_tokens_details") or {}).get("reasoning_tokens") or 0
    return {
        "input_tokens": asked,
        "output_tokens": said + unseen,
        "cached_tokens": details.get("cached_tokens") or 0,
        "cache_write_tokens": details.get("cache_creation_tokens") or usage.get("cache_creation_input_tokens") or 0,
        "reasoning_tokens": max(thought, unseen),
    }


def answer(response: HttpResponse) -> Answer:
    """The answer in a response of exactly this format; raises a CallError."""
    body = success(response)
    choice = body["choices"][0]
    message = choice["message"]
    return said(message.get("content"), choice.get("finish_reason"), message.get("refusal"), body.get("usage") or {})


def models(response: HttpResponse) -> list[str]:
    """The ids in the answer to `GET /models`; raises a CallError."""
    if not 200 <= response.status < 300:
        raise failure(response)
    body = _json(response.body)
    try:
        return [str(model["id"]) for model in body["data"]]
    except (LookupError, TypeError):
        what = _page(response.body) or f"this is no list of models: {_shown(response.body)}"
        raise Transient("garbled", what, status=response.status) from None


def failure(response: HttpResponse) -> CallError:
    """What a response that is no success means for the caller."""
    status = response.status
    message, codes = _described(response.body)
    lower = message.lower()
    if codes & _QUOTA or status == 402 or any(words in lower for words in _QUOTA_WORDS):
        return Fatal("quota_spent", message, status=status)
    if status == 401:
        return AuthExpired("unauthorized", message, status=status)
    if status == 403:
        return Fatal("forbidden", message, status=status)
    if status == 404 or codes & _MODEL:
        return Fatal("unknown_model", message, status=status)
    if 300 <= status < 400 or status == 405:
        return Fatal("not_an_endpoint", _redirected(response, message), status=status)
    if status == OVERLOADED or (status == 429 and not lower.startswith(_NEVER_FITS)):
        wait = retry_after_s(response.headers)
        return BackPressure("rate_limited", message, status=status, retry_after_s=wait)
    if codes & _CONTENT_FILTER:
        return RowFatal("content_filter", message, status=status)
    if codes & _CONTEXT or status in (413, 429) or any(words in lower for words in _CONTEXT_WORDS):
        return RowFatal("context_too_long", message, status=status)
    passing = {408: "timeout", 504: "timeout", 409: "conflict"}
    if status in passing or (status >= 500 and status != 501):
        return Transient(passing.get(status, "server_error"), message, status=status)
    return RowFatal("bad_request", message, status=status)


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait: `retry-after-ms`, or `retry-after` as seconds or HTTP date (RFC 9110, 10.2.3); None if absent.

    A date is compared with the response's own `date` where it has one: the two clocks are then the same.
    """
    if (millis := _number(headers.get("retry-after-ms"))) is not None:
        return millis / 1000
    value = headers.get("retry-after")
    if value is None or (seconds := _number(value)) is not None:
        return None if value is None else seconds
    until = _moment(value)
    if until is None:
        return None
    now = _moment(headers.get("date", ""))
    return max(0.0, until - (time.time() if now is None else now))


def _number(text: str | None) -> float | None:
    try:
        value = float(text or "")
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None


def _moment(text: str) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _json(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None


def _shown(body: bytes) -> str:
    text = body.decode("utf-8", "replace").strip()
    return text[:MESSAGE_LENGTH] or "(empty)"


def _no_object(body: bytes) -> str:
    return _page(body) or f"the body is not a JSON object: {_shown(body)}"


def _page(body: bytes) -> str:
    """What to look at where a page for people came back, as login pages of networks and wrong addresses send; or ''."""
    text = body[:MESSAGE_LENGTH].decode("utf-8", "replace").strip()
    if not text.lower().startswith(("<!doctype html", "<html")):
        return ""
    title = re.search("<title>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    named = f" '{' '.join(title[1].split())}'" if title else ""
    return (
        f"an HTML page{named} came back: is this the address of the API, and does the network want a login or a proxy?"
    )


def _error_in_success(body: dict[str, Any], response: HttpResponse) -> HttpResponse:
    """The response with the status that its error names: OpenRouter and vLLM send some errors as 200."""
    error = body["error"]
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 500
    return HttpResponse(status, response.headers, response.body)


def _described(body: bytes) -> tuple[str, frozenset[str]]:
    """The message for people, and the machine-readable words (`code`, `type`, inner codes) of an error body.

    Known shapes: {"error": {...}}, {"error": "..."}, [{"error": {...}}], {"message": ...}, {"detail": ...}, plain text.
    """
    data = _json(body)
    if isinstance(data, list) and data:
        data = data[0]
    if not isinstance(data, dict):
        return _shown(body), frozenset()
    error = data.get("error", data)
    if not isinstance(error, dict):
        return str(error)[:MESSAGE_LENGTH], frozenset()
    inner = error.get("innererror")
    words = [error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None]
    message = error.get("message") or error.get("detail")
    text = message if isinstance(message, str) else orjson.dumps(message or error).decode()
    return text[:MESSAGE_LENGTH], frozenset(word for word in words if isinstance(word, str))


def _redirected(response: HttpResponse, message: str) -> str:
    target = response.headers.get("location")
    where = f"it redirects to {target}" if target else message
    return f"the base URL is not a chat endpoint (HTTP {response.status}): {where}"
