"""Failures of Amazon Bedrock, typed as CallErrors: by the exception's name, and for ValidationException by its words.

Names and statuses: the errors of botocore's service model `bedrock-runtime`, and the common errors of AWS signatures.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from sdspec.calls import HttpResponse
from sdspec.errors import AuthExpired, BackPressure, CallError, Fatal, RowFatal, Transient
from sdspec.openai_format import MESSAGE_LENGTH, retry_after_s

_PASSING = {
    "InternalServerException": "server_error",
    "InternalFailure": "server_error",
    "ServiceUnavailableException": "server_error",
    "ServiceUnavailable": "server_error",
    "ModelErrorException": "server_error",
    "ModelStreamErrorException": "server_error",
    "ModelNotReadyException": "model_not_ready",
    "ModelTimeoutException": "timeout",
    "RequestTimeout": "timeout",
}
_SLOW_DOWN = ("ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException")
_STALE = ("ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId")
_UNSIGNED = ("MissingAuthenticationTokenException", "IncompleteSignatureException", "MissingAuthenticationToken")

_TOO_LONG = (
    "input is too long",
    "prompt is too long",
    "too many input tokens",
    "maximum context length",
    "exceed context limit",
    "exceeds the maximum number of tokens",
    "context window",
)
_FILTERED = ("content filter", "content policy", "responsible ai")
_SETTING = (
    "exceeds the model limit",
    "cannot both be specified",
    "is deprecated for this model",
    "doesn't support tool use",
    "doesn't support the",
    "malformed input request",
    "extraneous key",
)


@dataclass(frozen=True, slots=True)
class Called:
    """What was called, for messages that say what to do."""

    model: str
    region: str
    geography: str
    """How inference profiles of the region begin: `us`."""


def failure(response: HttpResponse, called: Called) -> CallError:
    """What a response of Bedrock that is no success means for the caller."""
    name, message = _described(response)
    status = response.status
    if name in _SLOW_DOWN or (status == 429 and name not in _PASSING):
        return _pressed(response, message)
    if name in _PASSING:
        return Transient(_PASSING[name], message, status=status)
    unproven = (*_STALE, *_UNSIGNED, "InvalidSignatureException")
    if name in unproven or status == 401 or "authentication failed" in message.lower():
        return _unproven(name, message, called, response)
    if name == "AccessDeniedException" or status == 403:
        return Fatal("forbidden", f"{message} {_access(message, called)}", status=status)
    if name == "ValidationException":
        return _invalid(message, called, status)
    if name == "ResourceNotFoundException" or status == 404:
        return Fatal("unknown_model", f"{message} {_where(called)}", status=status)
    if 300 <= status < 400 or status == 405:
        return Fatal("not_an_endpoint", f"HTTP {status}: {message} Look at provider.endpoint_url.", status=status)
    if status in (408, 504):
        return Transient("timeout", message, status=status)
    if status >= 500:
        return Transient("server_error", message, status=status)
    return RowFatal("bad_request", message, status=status)


def _described(response: HttpResponse) -> tuple[str, str]:
    """The exception's name and its message; the header `x-amzn-errortype` may have a URL after a colon."""
    try:
        body: Any = orjson.loads(response.body)
    except orjson.JSONDecodeError:
        body = None
    if not isinstance(body, dict):
        body = {}
    name = response.headers.get("x-amzn-errortype") or str(body.get("__type") or "")
    message = body.get("message") or body.get("Message") or response.body.decode("utf-8", "replace").strip()
    return name.partition(":")[0].rpartition("#")[2], str(message)[:MESSAGE_LENGTH] or f"HTTP {response.status}"


def _plain(message: str) -> str:
    return message.lower().replace("’", "'")


def _pressed(response: HttpResponse, message: str) -> CallError:
    if "per day" in message.lower():
        what = f"{message} The account's tokens of this day are spent: go on tomorrow, or ask AWS for a higher quota."
        return Fatal("quota_spent", what, status=response.status)
    wait_s = retry_after_s(response.headers)
    return BackPressure("rate_limited", message, status=response.status, retry_after_s=wait_s)


def _unproven(name: str, message: str, called: Called, response: HttpResponse) -> CallError:
    lower, status = message.lower(), response.status
    if "signature expired" in lower or "signature not yet current" in lower:
        there = response.headers.get("date", "")
        what = f"{message} This machine's clock is wrong{f' (AWS says {there})' if there else ''}: set it."
        return Fatal("clock_skew", what, status=status)
    if "valid region" in lower or "credential should be scoped" in lower:
        what = f"{message} The endpoint is not in {called.region}: set provider.region to the endpoint's region."
        return Fatal("wrong_region", what, status=status)
    if name.startswith("ExpiredToken"):
        what = f"{message} Get new ones, e.g. `aws sso login` or fresh AWS_... variables, and resume the run."
        return AuthExpired("expired", what, status=status)
    what = (
        f"{message} Look at AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN (or "
        "AWS_BEARER_TOKEN_BEDROCK), or at provider.profile."
    )
    return AuthExpired("unauthorized", what, status=status)


def _access(message: str, called: Called) -> str:
    if "not authorized to perform" in message.lower():
        return "Let an administrator allow bedrock:InvokeModel on this model for that user or role."
    return f"Ask for access to {called.model} in the Bedrock console of {called.region}, under model access."


def _where(called: Called) -> str:
    return f"Is the id right, and is the model in {called.region}? Called was {called.model}."


def _invalid(message: str, called: Called, status: int) -> CallError:
    plain = _plain(message)
    if "on-demand throughput isn't supported" in plain or "inference profile" in plain:
        name = called.model if called.model.startswith("arn:") else f"{called.geography}.{called.model}"
        what = f"{message} Set model.id to the inference profile, mostly {name} or global.{called.model}."
        return Fatal("unknown_model", what, status=status)
    if "model identifier is invalid" in plain or "model id" in plain:
        return Fatal("unknown_model", f"{message} {_where(called)}", status=status)
    if "guardrail" in plain and ("not exist" in plain or "invalid" in plain or "version" in plain):
        what = f"{message} Look at provider.guardrail and provider.guardrail_version in {called.region}."
        return Fatal("unknown_guardrail", what, status=status)
    if "operation not allowed" in plain:
        return Fatal("forbidden", f"{message} {_access(message, called)}", status=status)
    if any(words in plain for words in _TOO_LONG):
        return RowFatal("context_too_long", message, status=status)
    if any(words in plain for words in _FILTERED):
        return RowFatal("content_filter", message, status=status)
    if any(words in plain for words in _SETTING):
        return Fatal("unsupported_setting", message, status=status)
    return RowFatal("bad_request", message, status=status)
