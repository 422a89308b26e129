"""An endpoint in this process: it answers requests in the OpenAI format after a latency, and fails as it is told to."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import orjson
from jinja2 import TemplateError

from sdspec.calls import HttpRequest, HttpResponse
from sdspec.errors import PrerequisiteError
from sdspec.faking.faults import Fate, Knobs, broken, fate, prose
from sdspec.faking.texts import text, texts

TEMPLATE_FAULT = "fake_template"
"""Error code of an answer whose own template is wrong: every ask would fail alike."""

CHARS_PER_TOKEN = 4

_JSON = {"content-type": "application/json"}


class FakeEndpoint:
    """Counts what is in flight and which keys have failed so far; one for each opened provider."""

    def __init__(self, knobs: Knobs, log: int | None) -> None:
        self._knobs = knobs
        self._log = log
        self._in_flight = 0
        self._tries: dict[str, int] = {}  # only keys that failed and were not answered since: it stays small

    async def send(self, request: HttpRequest, timeout_s: float) -> HttpResponse:
        """The response after its latency; raises TimeoutError or ConnectionError."""
        if self._knobs.down:
            raise ConnectionRefusedError("the fake endpoint is down (provider.down)")
        body = orjson.loads(request.body)
        key = body["fake"]["key"]
        happens = fate(self._knobs, key, self._tries.get(key, 0))
        if happens.latency_s > timeout_s:
            happens = replace(happens, passing="timeout")
        self._in_flight += 1
        try:
            response = self._decided(body, key, happens)
            self._note(key, response)
            await asyncio.sleep(timeout_s if response is None else happens.latency_s)
            if response is None:
                raise TimeoutError(f"no answer within {timeout_s:g} s")
            return response
        finally:
            self._in_flight -= 1

    def _decided(self, body: Mapping[str, Any], key: str, happens: Fate) -> HttpResponse | None:
        """The response, known as soon as the request is here; None for an answer that never comes."""
        if self._knobs.limit is not None and self._in_flight > self._knobs.limit:
            return self._too_many(f"more than {self._knobs.limit} requests in flight")
        if happens.passing is None:
            self._tries.pop(key, None)
            return _spoken(body, happens)
        self._tries[key] = self._tries.get(key, 0) + 1
        match happens.passing:
            case "rate_limited":
                return self._too_many("slow down")
            case "server_error":
                return _error(500, "server_error", "the fake endpoint stumbled")
            case "malformed":
                whole = _spoken(body, happens)
                return HttpResponse(200, whole.headers, whole.body[: len(whole.body) // 2])
            case "timeout":
                return None

    def _too_many(self, message: str) -> HttpResponse:
        wait = self._knobs.retry_after_s
        headers = _JSON if wait is None else {**_JSON, "retry-after": f"{wait:g}"}
        return _error(429, "rate_limit_exceeded", message, headers)

    def _note(self, key: str, response: HttpResponse | None) -> None:
        """One line for the request is in the log; appends of single lines do not mix between processes."""
        if self._log is not None:
            status = None if response is None else response.status
            os.write(self._log, orjson.dumps({"key": key, "status": status}) + b"\n")


@contextmanager
def fake_endpoint(knobs: Knobs) -> Iterator[FakeEndpoint]:
    """An endpoint that answers until the context ends; raises PrerequisiteError when its log cannot be written."""
    if knobs.request_log is None:
        yield FakeEndpoint(knobs, None)
        return
    try:
        log = os.open(knobs.request_log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError as error:
        raise PrerequisiteError(f"provider.request_log: cannot write {knobs.request_log}: {error.strerror}.") from error
    try:
        yield FakeEndpoint(knobs, log)
    finally:
        os.close(log)


def _spoken(body: Mapping[str, Any], happens: Fate) -> HttpResponse:
    """The 200 with what is said, or the 400 that says why nothing is."""
    if happens.lasting == "content_filter":
        return _error(400, "content_filter", "the fake content filter refused this prompt")
    if happens.lasting == "bad_request":
        return _error(400, "invalid_request_error", "the fake endpoint cannot serve this request")
    fake = body["fake"]
    if happens.lasting == "nonsense":
        return _completion(body, prose(fake["draw"]))
    try:
        say = text if fake["rows"] == 1 else partial(texts, count=fake["rows"])
        said = say(fake["answers"], fake["columns"], body.get("schema"), fake["draw"])
    except (TemplateError, TypeError, ArithmeticError) as error:
        return _error(400, TEMPLATE_FAULT, f"template.fake: {error}")
    return _completion(body, broken(said, happens.shape) if happens.lasting == "broken_json" else said)


def _completion(body: Mapping[str, Any], said: str) -> HttpResponse:
    """The text as a chat completion, cut where `stop` and `max_tokens` say."""
    finish = "stop"
    for stop in body["stop"]:
        said = said.split(stop, 1)[0]
    longest = body["max_tokens"]
    if longest is not None and len(said) > longest * CHARS_PER_TOKEN:
        said, finish = said[: longest * CHARS_PER_TOKEN], "length"
    prompt = sum(len(message["content"]) for message in body["messages"])
    asked, spoken = -(-prompt // CHARS_PER_TOKEN), -(-len(said) // CHARS_PER_TOKEN)
    reply = {
        "id": f"fake-{body['fake']['key'][:16]}",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [{"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": finish}],
        "usage": {"prompt_tokens": asked, "completion_tokens": spoken, "total_tokens": asked + spoken},
    }
    return HttpResponse(200, _JSON, orjson.dumps(reply))


def _error(status: int, code: str, message: str, headers: Mapping[str, str] = _JSON) -> HttpResponse:
    return HttpResponse(status, headers, orjson.dumps({"error": {"message": message, "type": code, "code": code}}))
