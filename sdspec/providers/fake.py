"""A provider without a model: answers from the template's `fake:` or the output schema, and faults as knobs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any, ClassVar

import orjson
from pydantic import Field, model_validator

from sdspec import openai_format
from sdspec.calls import Answer, Ask, HttpRequest, HttpResponse
from sdspec.contracts import Endpoint, Provider
from sdspec.errors import Fatal
from sdspec.faking.endpoint import TEMPLATE_FAULT, fake_endpoint
from sdspec.faking.faults import Knobs
from sdspec.offer import Offer

_SAYS = ("prefusal", "pnonsense", "pbroken_json", "bad_request_every")
"""Knobs that decide what comes of an ask; all others only decide when, and after how many tries."""


class Fake(Provider):
    """Answers in this process, the same for the same ask, whatever fails on the way."""

    sampling: ClassVar[frozenset[str]] = frozenset({"temperature", "top_p", "top_k", "max_tokens", "stop"})
    reads_hints: ClassVar[bool] = True
    free: ClassVar[bool] = True
    slow_start: ClassVar[bool] = False
    does_not_decide: ClassVar[frozenset[str]] = frozenset(
        {"limits", "latency_s", "latency_sigma", "p429", "retry_after_s", "p500", "ptimeout", "pmalformed", "down"}
        | {"limit", "request_log"}
    )

    latency_s: float = Field(default=0.0, ge=0, description="Seconds that an answer takes; the median where they vary.")
    latency_sigma: float = Field(
        default=0.0, ge=0, description="Spread of the latency (log-normal); 0.5 is like a real one."
    )
    p429: float = Field(default=0.0, ge=0, le=1, description="Share of requests answered with 429, slow down.")
    retry_after_s: float | None = Field(
        default=None, ge=0, description="Retry-After of every 429; null sends no such header."
    )
    p500: float = Field(default=0.0, ge=0, le=1, description="Share of requests answered with 500.")
    ptimeout: float = Field(default=0.0, ge=0, le=1, description="Share of requests that never get an answer.")
    pmalformed: float = Field(
        default=0.0, ge=0, le=1, description="Share of answers whose HTTP body is cut in the middle."
    )
    pnonsense: float = Field(default=0.0, ge=0, le=1, description="Share of asks answered with prose instead of JSON.")
    pbroken_json: float = Field(
        default=0.0, ge=0, le=1, description="Share of asks answered with JSON that needs a repair."
    )
    prefusal: float = Field(default=0.0, ge=0, le=1, description="Share of asks that a content filter refuses (400).")
    bad_request_every: int | None = Field(
        default=None, ge=1, description="One ask in this many is a bad request (400)."
    )
    down: bool = Field(default=False, description="Connections are refused.")
    limit: int | None = Field(default=None, ge=0, description="429 while more than this many requests are in flight.")
    request_log: str | None = Field(
        default=None, description="File that gets one JSON line per request: its key and status."
    )
    seed: int = Field(default=0, ge=0, description="Which requests fail.")

    @model_validator(mode="after")
    def _shares_add_up(self) -> Fake:
        for names in (("p429", "p500", "ptimeout", "pmalformed"), ("prefusal", "pnonsense", "pbroken_json")):
            if (total := sum(getattr(self, name) for name in names)) > 1:
                raise ValueError(f"{', '.join(names)} add up to {total:g}, and are shares of one whole")
        return self

    def deciding(self) -> dict[str, Any]:
        """The knobs that decide what comes of an ask, where any is set: which asks they hit hangs on the seed."""
        knobs = {name: getattr(self, name) for name in _SAYS if getattr(self, name)}
        return knobs | {"seed": self.seed} if knobs else {}

    def endpoint_identity(self) -> str:
        """`fake`, and the knobs that decide what comes of an ask."""
        return " ".join(["fake", *(f"{name}={value}" for name, value in self.deciding().items())])

    def offered(self) -> tuple[Offer, ...]:
        """One that takes any id."""
        return (Offer("fake", "any id will do", note="answers without a model"),)

    @asynccontextmanager
    async def open(self, model_id: str, concurrency: int, say: Callable[[str], None]) -> AsyncIterator[Endpoint]:
        """An endpoint in this process; raises PrerequisiteError when its request log cannot be written."""
        knobs = Knobs(**{knob.name: getattr(self, knob.name) for knob in fields(Knobs)})
        with fake_endpoint(knobs) as endpoint:
            yield Endpoint(base_url="fake:", transport=endpoint.send)

    def request(self, ask: Ask, endpoint: Endpoint) -> HttpRequest:
        """The ask as it stands, with its hints."""
        body = {
            "model": ask.model.id,
            "messages": ask.messages,
            "max_tokens": ask.model.max_tokens,
            "stop": ask.model.stop,
            "schema": ask.schema,
            "fake": {
                "key": ask.key.hex(),
                "draw": ask.draw,
                "answers": ask.hints.get("fake"),
                "columns": ask.hints.get("columns", {}),
                "rows": ask.hints.get("rows", 1),
            },
        }
        return HttpRequest(url=endpoint.base_url, headers={}, body=orjson.dumps(body))

    def answer(self, ask: Ask, response: HttpResponse) -> Answer:
        """The answer, read as that of any OpenAI-compatible endpoint; a wrong `template.fake` is fatal."""
        if response.status == 400 and orjson.loads(response.body)["error"]["code"] == TEMPLATE_FAULT:
            raise Fatal(TEMPLATE_FAULT, orjson.loads(response.body)["error"]["message"], status=400)
        return openai_format.answer(response)
