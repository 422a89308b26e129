"""Responses of OpenAI-compatible servers, as they really look, become the right typed errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdspec import openai_format
from sdspec.calls import HttpResponse
from sdspec.errors import AuthExpired, BackPressure, CallError, Fatal, RowFatal, Transient


def response(status: int, body: Any, **headers: str) -> HttpResponse:
    """A response with a JSON body, or with these bytes."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return HttpResponse(status, {name.replace("_", "-"): value for name, value in headers.items()}, raw)


def error(code: str, message: str = "no", kind: str = "invalid_request_error") -> dict[str, Any]:
    """OpenAI's error body."""
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


SAID = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}]}

LLAMA_TOO_LONG = {"error": {"code": 400, "message": "request (6031 tokens)", "type": "exceed_context_size_error"}}
AZURE_FILTER = {"error": {"code": "x", "message": "no", "innererror": {"code": "ResponsibleAIPolicyViolation"}}}
VLLM_TOO_LONG = {"object": "error", "message": "This model's maximum context length is 8 tokens.", "code": 400}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code"),
    [
        (400, error("content_filter"), RowFatal, "content_filter"),
        (400, error("content_policy_violation"), RowFatal, "content_filter"),
        (400, AZURE_FILTER, RowFatal, "content_filter"),
        (400, error("context_length_exceeded"), RowFatal, "context_too_long"),
        (400, LLAMA_TOO_LONG, RowFatal, "context_too_long"),
        (400, VLLM_TOO_LONG, RowFatal, "context_too_long"),
        (413, b"<html>Payload Too Large</html>", RowFatal, "context_too_long"),
        (429, error("rate_limit_exceeded", "Request too large for m on TPM"), RowFatal, "context_too_long"),
        (400, error("model_not_found"), Fatal, "unknown_model"),
        (400, error("invalid_value"), RowFatal, "bad_request"),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, RowFatal, "bad_request"),
        (501, {"error": {"code": 501, "message": "no", "type": "not_supported_error"}}, RowFatal, "bad_request"),
        (401, error("invalid_api_key"), AuthExpired, "unauthorized"),
        (403, b"Forbidden", Fatal, "forbidden"),
        (404, error("model_not_found"), Fatal, "unknown_model"),
        (405, b"", Fatal, "not_an_endpoint"),
        (302, b"", Fatal, "not_an_endpoint"),
        (402, {"error": {"code": 402, "message": "no credits"}}, Fatal, "quota_spent"),
        (429, error("insufficient_quota", kind="insufficient_quota"), Fatal, "quota_spent"),
        (400, {"error": {"message": "Your credit balance is too low"}}, Fatal, "quota_spent"),
        (429, error("rate_limit_exceeded"), BackPressure, "rate_limited"),
        (429, b"", BackPressure, "rate_limited"),
        (408, b"", Transient, "timeout"),
        (409, b"", Transient, "conflict"),
        (500, error("server_error"), Transient, "server_error"),
        (
            503,
            {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}},
            Transient,
            "server_error",
        ),
        (504, b"<html>", Transient, "timeout"),
        (529, {"error": "overloaded"}, BackPressure, "rate_limited"),
        (200, {"error": {"code": 502, "message": "upstream"}}, Transient, "server_error"),
        (200, {"error": {"code": 429, "message": "slow down"}}, BackPressure, "rate_limited"),
        (200, {"error": "something"}, Transient, "server_error"),
        (200, b"<html>Log in</html>", Transient, "garbled"),
        (200, b"", Transient, "garbled"),
        (200, {"choices": []}, Transient, "garbled"),
        (200, {"choices": [{"message": None}]}, Transient, "garbled"),
        (200, [], Transient, "garbled"),
    ],
)
def test_a_bad_response_says_what_the_caller_must_do(status: int, body: Any, kind: type, code: str) -> None:
    """Each status and body of real servers becomes the one error type and the one stable code."""
    with pytest.raises(CallError) as caught:
        openai_format.answer(response(status, body))
    assert (kind, code) == (type(caught.value), caught.value.code)


def test_the_message_is_the_providers_own_text() -> None:
    """What the provider says stands in the message, from whichever of the known places."""
    bodies = [error("x", "the reason"), {"error": "the reason"}, {"message": "the reason"}, {"detail": "the reason"}]
    messages = [openai_format.failure(response(400, body)).message for body in [*bodies, [bodies[0]], b"the reason"]]
    assert ["the reason"] * 6 == messages


def test_a_redirect_says_where_it_leads() -> None:
    """A base URL that redirects is told with its target, so that it can be corrected."""
    assert "https://h/v1" in openai_format.failure(response(301, b"", location="https://h/v1")).message


@given(st.floats(0, 1e6))
def test_retry_after_is_read_in_seconds_and_milliseconds(wait_s: float) -> None:
    """Both headers give the same seconds, and the finer one wins."""
    plain = openai_format.retry_after_s({"retry-after": str(wait_s)})
    fine = openai_format.retry_after_s({"retry-after": "9", "retry-after-ms": str(wait_s * 1000)})
    assert wait_s == plain == pytest.approx(fine)


@given(st.integers(-1000, 100_000))
def test_retry_after_as_a_date_is_measured_on_the_servers_clock(ahead_s: int) -> None:
    """An HTTP date is so many seconds after the response's own date, whatever this machine's clock says."""
    now = datetime(2030, 1, 1, tzinfo=UTC)
    headers = {
        "date": format_datetime(now, usegmt=True),
        "retry-after": format_datetime(now + timedelta(seconds=ahead_s), usegmt=True),
    }
    assert max(0, ahead_s) == openai_format.retry_after_s(headers)


@pytest.mark.parametrize("value", ["soon", "-1", "nan", "inf", ""])
def test_a_retry_after_that_makes_no_sense_is_no_retry_after(value: str) -> None:
    """Nonsense in the header is as good as no header."""
    assert openai_format.retry_after_s({"retry-after": value}) is None


def test_a_refusal_keeps_its_text() -> None:
    """A filtered or refused answer is row-fatal, and what was said stands in the message."""
    refused = {"choices": [{"finish_reason": "stop", "message": {"content": None, "refusal": "I will not."}}]}
    filtered = {"choices": [{"finish_reason": "content_filter", "message": {"content": "half an ans"}}]}
    seen = []
    for body in (refused, filtered):
        with pytest.raises(RowFatal) as caught:
            openai_format.answer(response(200, body))
        seen.append((caught.value.code, caught.value.message))
    assert [("refusal", "I will not."), ("content_filter", "half an ans")] == seen


@given(st.integers(0, len(orjson.dumps(SAID)) - 1))
def test_a_body_cut_anywhere_is_tried_again(size: int) -> None:
    """No prefix of an answer is taken for the answer."""
    with pytest.raises(Transient, match="garbled"):
        openai_format.answer(response(200, orjson.dumps(SAID)[:size]))
