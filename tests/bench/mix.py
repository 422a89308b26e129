"""Faults in given shares at a test server, and its own books: what it delivered, spoiled, and was asked again.

An answer is *delivered* when it went out whole and as it should be: the provider charges for it, and it can be used.
It is *spoiled* when the model made it, so that the provider charges for it, and it cannot be used: a garbled body, or
one cut in the middle. A delivered answer that is asked for again is *paid twice*.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Mapping
from typing import Generic, TypeVar

import orjson

from tests.servers.bedrock import BedrockServer, Failure
from tests.servers.bedrock import Behaviour as BedrockBehaviour
from tests.servers.http import Reply, Request
from tests.servers.openai import Behaviour, Fault, OpenAIServer

SHARES = {"throttled": 0.05, "error": 0.02, "dropped": 0.02, "garbled": 0.02, "hanging": 0.01}
"""Of the requests, as the reach asks for."""

_F = TypeVar("_F")

HTML = b"<html><body>upstream connect error</body></html>"

OPENAI: Mapping[str, tuple[Fault, ...]] = {
    "throttled": (Fault(429, "rate_limit_exceeded", "Rate limit reached for requests"),),
    "error": (Fault(500), Fault(502, body=HTML), Fault(503), Fault(529, "overloaded_error", "Overloaded")),
    "dropped": (Fault(drop=True),),
    "garbled": (Fault(body=HTML), Fault(body=b'{"choices": [{"mess'), Fault(body=b""), Fault(cut=True)),
    "hanging": (Fault(hang=True),),
}
"""What each kind of fault looks like at an OpenAI-compatible endpoint, in turns."""

UNKNOWN_OPERATION = orjson.dumps({"Output": {"__type": "com.amazon.coral.service#UnknownOperationException"}})
"""A 200 whose body is an error: AWS's front end can do that."""

BEDROCK: Mapping[str, tuple[Failure, ...]] = {
    "throttled": (
        Failure(429, "ThrottlingException", "Too many requests, please wait before trying again."),
        Failure(429, "ThrottlingException", "Too many tokens, please wait before trying again."),
    ),
    "error": (
        Failure(500, "InternalServerException", "The system encountered an unexpected error during processing."),
        Failure(503, "ServiceUnavailableException", "Bedrock is unable to process your request."),
        Failure(424, "ModelErrorException", "The system encountered an unexpected error during processing."),
        Failure(408, "ModelTimeoutException", "Model has timed out in processing the request."),
        Failure(429, "ModelNotReadyException", "The model is not ready for inference."),
        Failure(502, "", "", body=HTML),
    ),
    "dropped": (Failure(0, "", "", drop=True),),
    "garbled": (
        Failure(200, "", "", body=HTML),
        Failure(200, "", "", body=UNKNOWN_OPERATION),
        Failure(200, "", "", body=b""),
        Failure(200, "", "", cut=True),
    ),
    "hanging": (Failure(0, "", "", hang=True),),
}
"""The same at Amazon Bedrock, with AWS's own exceptions."""


class Mix(Generic[_F]):
    """Draws the fault of each request, and counts."""

    def __init__(self, kinds: Mapping[str, tuple[_F, ...]], shares: Mapping[str, float], seed: int) -> None:
        self._kinds, self._shares = kinds, shares
        self._rng = random.Random(seed)
        self.drawn: Counter[str] = Counter()

    def __call__(self, prompt: str, attempt: int) -> _F | None:
        """The fault of this request, or none."""
        at = self._rng.random()
        for kind, share in self._shares.items():
            if at < share:
                self.drawn[kind] += 1
                return self._kinds[kind][self.drawn[kind] % len(self._kinds[kind])]
            at -= share
        return None


class Books:
    """What a server delivered and spoiled, by the request's body: equal asks have equal bodies."""

    def __init__(self) -> None:
        self.delivered: Counter[bytes] = Counter()
        self.requests = 0
        self.spoiled = 0
        self.asked_again = 0
        """Requests for what had been delivered before."""

    def arrives(self, request: Request) -> bytes:
        """Counts a request; what names its ask."""
        self.requests += 1
        ask = hashlib.sha256(request.body).digest()
        self.asked_again += self.delivered[ask] > 0
        return ask

    def leaves(self, ask: bytes, reply: Reply) -> None:
        """Counts its reply."""
        if reply.drop or reply.status != 200:
            return
        if reply.cut is None and _is_whole(reply.body):
            self.delivered[ask] += 1
        else:
            self.spoiled += 1


def _is_whole(body: bytes) -> bool:
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return "choices" in said or "output" in said


class BookedOpenAI(OpenAIServer):
    """An OpenAI-compatible server with books."""

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__(behaviour)
        self.books = Books()

    async def handle(self, request: Request) -> Reply:
        if request.method != "POST":
            return await super().handle(request)
        ask = self.books.arrives(request)
        reply = await super().handle(request)
        self.books.leaves(ask, reply)
        return reply


class BookedBedrock(BedrockServer):
    """Bedrock with books."""

    def __init__(self, behaviour: BedrockBehaviour) -> None:
        super().__init__(behaviour)
        self.books = Books()

    async def handle(self, request: Request) -> Reply:
        if not request.path.endswith("/converse"):
            return await super().handle(request)
        ask = self.books.arrives(request)
        reply = await super().handle(request)
        self.books.leaves(ask, reply)
        return reply
