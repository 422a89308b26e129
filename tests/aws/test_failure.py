"""Bedrock's failures: each is what the caller must do about it, and says what the user must do."""

import pytest

from sdspec.aws.failure import Called, failure
from sdspec.calls import HttpResponse
from sdspec.errors import AuthExpired, BackPressure, CallError, Fatal, RowFatal, Transient
from tests.servers.bedrock import Failure, _failed

CALLED = Called("anthropic.claude-haiku-4-5-20251001-v1:0", "us-east-1", "us")

CASES: list[tuple[int, str, str, type[CallError], str, str]] = [
    (429, "ThrottlingException", "Too many requests", BackPressure, "rate_limited", ""),
    (429, "ThrottlingException", "Too many tokens per day, please wait", Fatal, "quota_spent", "go on tomorrow"),
    (400, "ServiceQuotaExceededException", "over quota", BackPressure, "rate_limited", ""),
    (503, "ServiceUnavailableException", "busy", Transient, "server_error", ""),
    (500, "InternalServerException", "oops", Transient, "server_error", ""),
    (424, "ModelErrorException", "oops", Transient, "server_error", ""),
    (429, "ModelNotReadyException", "not ready", Transient, "model_not_ready", ""),
    (408, "ModelTimeoutException", "took too long", Transient, "timeout", ""),
    (502, "", "bad gateway", Transient, "server_error", ""),
    (400, "ValidationException", "Input is too long for requested model.", RowFatal, "context_too_long", ""),
    (400, "ValidationException", "prompt is too long: 9 tokens > 8 maximum", RowFatal, "context_too_long", ""),
    (400, "ValidationException", "Output blocked by content filtering policy: content filter", RowFatal,
     "content_filter", ""),
    (400, "ValidationException", "The provided model identifier is invalid.", Fatal, "unknown_model", "us-east-1"),
    (400, "ValidationException", "Invocation of model ID x with on-demand throughput isn’t supported.", Fatal,
     "unknown_model", "us.anthropic.claude-haiku-4-5-20251001-v1:0"),
    (400, "ValidationException", "`temperature` and `top_p` cannot both be specified for this model.", Fatal,
     "unsupported_setting", ""),
    (400, "ValidationException", "The guardrail identifier or version provided does not exist.", Fatal,
     "unknown_guardrail", "provider.guardrail"),
    (400, "ValidationException", "messages.0 is odd", RowFatal, "bad_request", ""),
    (404, "ResourceNotFoundException", "Could not resolve the foundation model", Fatal, "unknown_model", "us-east-1"),
    (403, "AccessDeniedException", "You don't have access to the model with the specified model ID.", Fatal,
     "forbidden", "model access"),
    (403, "AccessDeniedException", "User: x is not authorized to perform: bedrock:InvokeModel", Fatal,
     "forbidden", "administrator"),
    (403, "ExpiredTokenException", "The security token included in the request is expired", AuthExpired,
     "expired", "aws sso login"),
    (403, "UnrecognizedClientException", "The security token included in the request is invalid.", AuthExpired,
     "unauthorized", "AWS_ACCESS_KEY_ID"),
    (403, "InvalidSignatureException", "The request signature we calculated does not match", AuthExpired,
     "unauthorized", "AWS_SECRET_ACCESS_KEY"),
    (403, "InvalidSignatureException", "Signature expired: a is now earlier than b", Fatal, "clock_skew", "GMT"),
    (403, "InvalidSignatureException", "Credential should be scoped to a valid region", Fatal,
     "wrong_region", "provider.region"),
    (403, "MissingAuthenticationTokenException", "Missing Authentication Token", AuthExpired, "unauthorized", ""),
    (302, "", "elsewhere", Fatal, "not_an_endpoint", "provider.endpoint_url"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "name", "message", "kind", "code", "says"), CASES)
def test_a_failure_is_typed_and_says_what_to_do(
    status: int, name: str, message: str, kind: type[CallError], code: str, says: str
) -> None:
    """Type, code and advice of each failure, as Bedrock sends them."""
    reply = _failed(Failure(status, name, message))
    found = failure(HttpResponse(status, reply.headers, reply.body), CALLED)
    assert (kind, code, status) == (type(found), found.code, found.status)
    assert message in found.message and says in found.message


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"Message": null}', b'{"message": {"a": 1}}'])
def test_a_body_of_any_shape_is_typed(body: bytes) -> None:
    """A proxy's answer is no reason to fall over."""
    assert isinstance(failure(HttpResponse(503, {}, body), CALLED), Transient)


def test_the_wait_that_is_asked_for_is_known() -> None:
    """Retry-After comes with the back-pressure."""
    found = failure(HttpResponse(429, {"retry-after": "7"}, b"{}"), CALLED)
    assert isinstance(found, BackPressure) and found.retry_after_s == 7.0
