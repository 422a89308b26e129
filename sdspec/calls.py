"""What is asked of a model and what it answers, free of any provider; and what decides an answer.

An `Ask` becomes an `HttpRequest` and an `HttpResponse` becomes an `Answer` in a provider's two pure functions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypedDict

import orjson

KEY_VERSION = 1
"""Raised when the meaning of a field below changes; old journal entries are then not found."""

# Which fields decide an answer, and so make the journal's key.
#
# | field              | decides | why                                                                     |
# |--------------------|---------|-------------------------------------------------------------------------|
# | provider family    | yes     | base URL, or region family: another endpoint may serve another model    |
# | model id           | yes     | for local files the SHA-256 of the weights stands in its place          |
# | sampling           | yes     | temperature, top_p, top_k, max_tokens, stop, seed                       |
# | messages           | yes     | as rendered                                                             |
# | output schema      | yes     | it constrains or instructs decoding                                     |
# | draw               | yes     | two rows with equal prompts are two draws from one distribution         |
# | base model         | no      | it says how an id is asked, and the id is what answers                  |
# | concurrency, rpm   | no      | they decide when, not what                                              |
# | timeout, tries     | no      | likewise                                                                |
# | keys, credentials  | no      | they decide who pays                                                    |
# | fault knobs of fake| no      | they decide how a call fails, not what it says                          |
# | step name, row     | no      | only through the draw, which is derived from them                       |
# | hints              | if any  | set for provider `fake` alone, whose answers are made from them         |


class Message(TypedDict):
    """One chat message."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class ModelCall:
    """A model with everything that decides how it samples; shared by all asks of a step."""

    endpoint: str
    """What of the provider decides an answer, e.g. `openai_compatible http://host/v1` or `bedrock us`."""
    id: str
    """The id sent to the provider."""
    identity: str
    """What stands for the model in the key: the id, or `sha256:...` of local weights."""
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    base: str | None = None
    """The model behind an id that hides it: says which settings it takes, its window, its price; never sent."""

    @property
    def known_as(self) -> str:
        """The id under which something is known of the model."""
        return self.base or self.id

    def deciding(self) -> dict[str, Any]:
        """The fields that decide an answer, in the shape that is hashed."""
        return {
            "endpoint": self.endpoint,
            "model": self.identity,
            "temperature": self.temperature,
            "top_p": self.top_p,
            "top_k": self.top_k,
            "max_tokens": self.max_tokens,
            "stop": list(self.stop),
        }


@dataclass(frozen=True)
class Ask:
    """One question to a model; equal asks have equal keys and are bought once."""

    model: ModelCall
    messages: tuple[Message, ...]
    draw: str
    """16 hex digits from the row's identity, the step and the purpose: which draw of the distribution this is."""
    schema: Mapping[str, Any] | None = None
    """JSON Schema of the answer, sent natively where the provider can; None for free text."""
    hints: Mapping[str, Any] = field(default_factory=dict)
    """What only the `fake` provider reads: the row's columns and the template's `fake:` answers; else empty."""

    @cached_property
    def key(self) -> bytes:
        """32 bytes: SHA-256 over the deciding fields."""
        body: dict[str, Any] = {
            "version": KEY_VERSION,
            "call": self.model.deciding(),
            "messages": self.messages,
            "schema": self.schema,
            "draw": self.draw,
        }
        if self.hints:
            body["hints"] = self.hints
        return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)).digest()

    @cached_property
    def prompt_bytes(self) -> int:
        """Bytes of the messages: what estimates of their tokens go by."""
        return sum(len(message["content"].encode(errors="replace")) for message in self.messages)

    @property
    def random_seed(self) -> int:
        """31 bits from the draw, for providers that take a sampling seed."""
        return int(self.draw[:8], 16) & 0x7FFFFFFF


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said, raw; parsing comes later so that a parser's fix re-parses instead of buying again."""

    text: str
    finish_reason: str = "stop"
    """`stop`, `length`, `content_filter`, or the provider's own word."""
    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """Of the input tokens, how many the provider served from its prompt cache."""
    cache_write_tokens: int = 0
    """Of the input tokens, how many it stored in that cache, where it says so."""
    reasoning_tokens: int = 0
    """Of the output tokens, how many the model thought with, where the provider says so."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request, ready to send."""

    url: str
    headers: Mapping[str, str]
    body: bytes
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Wait:
    """An endpoint is there, and not ready yet."""

    said: str
    """Tells the user what is being waited for."""
    pause_s: float
    """Until it is asked again."""
    longest_s: float
    """How long it is waited for, in all."""
    hint: str
    """What to do when that was not enough."""
