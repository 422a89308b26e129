"""A server that speaks the OpenAI chat format, counts what it is asked, and fails on request.

    python -m tests.servers.openai --port 8000 --latency 0.2 --p429 0.01

    async with openai_server(Behaviour(latency_s=0.1)) as server: ...  server.base_url, server.asked["prompt"]

Equal requests get equal answers: the text follows from the prompt and the seed, and from the schema where one is sent.
GET /stats shows the counters, POST /reset clears them.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import math
import random
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from sdspec.faking.invent import invent, sentence
from tests.servers.http import Reply, Request, running, serving
from tests.servers.meter import NO_LIMITS, Busy, Meter, MinuteLimits

ROLES = ("system", "developer", "user", "assistant", "tool")
CHARS_PER_TOKEN = 4


@dataclass(frozen=True, slots=True)
class Fault:
    """How one request goes wrong."""

    status: int = 200
    code: str = "server_error"
    message: str = "a fault was asked for"
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent as it stands, instead of an error body."""
    hang: bool = False
    """Never answer."""
    drop: bool = False
    """Close the connection without a word."""
    cut: bool = False
    """Close the connection in the middle of a right answer."""
    message_fields: dict[str, Any] | None = None
    """With status 200: put over the message of the right answer, e.g. {"content": None, "refusal": "No."}."""
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server behaves; probabilities are shares of requests."""

    latency_s: float = 0.0
    """Median; spread by `latency_sigma` (log-normal)."""
    latency_sigma: float = 0.0
    p429: float = 0.0
    p500: float = 0.0
    pdrop: float = 0.0
    retry_after: str | None = None
    limit: int | None = None
    """429 for more requests in flight than this; at once, and those are not in flight."""
    limit_then: tuple[tuple[int, int], ...] = ()
    """(answers given, limit): after so many answers the limit is another one."""
    refusal_s: float = 0.0
    """Seconds that it takes to refuse what is beyond a limit."""
    minute: MinuteLimits = NO_LIMITS
    """429 for more requests or tokens than this in any 60 s."""
    api_key: str | None = None
    models: tuple[str, ...] | None = None
    """Other models are unknown; None knows all."""
    context: int = 128_000
    """Tokens of prompt and answer."""
    answer: Callable[[dict[str, Any]], str] | None = None
    """The text for a request body; None makes one up."""
    count: Callable[[str], int] | None = None
    """Tokens of a text, as a real tokenizer has them; None: one for `CHARS_PER_TOKEN` characters."""
    fault: Callable[[str, int], Fault | None] | None = None
    """The fault for the n-th request (from 1) with this prompt."""
    seed: int = 0


class OpenAIServer:
    """The counters of a running server, and the faults of the next requests."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.base_url = ""
        self.next: deque[Fault] = deque()
        """Faults of the next requests, in order; before any other fault."""
        self.asked: Counter[str] = Counter()
        """Requests per prompt (the last message's text)."""
        self.statuses: Counter[int] = Counter()
        """Answers per HTTP status; 0 counts connections that were dropped or left hanging."""
        self.bodies: deque[dict[str, Any]] = deque(maxlen=1000)
        self.headers: deque[dict[str, str]] = deque(maxlen=1000)
        self.in_flight = 0
        self.peak_in_flight = 0
        self.meter = Meter(behaviour.minute)
        self.busy = Busy()
        self._rng = random.Random(behaviour.seed)

    @property
    def requests(self) -> int:
        """Chat requests received."""
        return sum(self.asked.values())

    def reset(self) -> None:
        """Counters and planned faults are as at the start."""
        for seen in (self.asked, self.statuses, self.bodies, self.headers, self.next):
            seen.clear()
        self.peak_in_flight = self.in_flight
        self.meter, self.busy = Meter(self.behaviour.minute), Busy()

    async def handle(self, request: Request) -> Reply:
        """The reply to one request."""
        path = request.path.partition("?")[0]
        if path == "/v1/chat/completions" and request.method == "POST":
            return await self._counted(request)
        if path == "/v1/models" and request.method == "GET":
            models = [{"id": name, "object": "model"} for name in self.behaviour.models or ("any",)]
            return _json({"object": "list", "data": models})
        if path == "/stats":
            return _json(self._stats())
        if path == "/reset" and request.method == "POST":
            self.reset()
            return _json({})
        return _error(404, "not_found", f"Invalid URL ({request.method} {path})")

    def _stats(self) -> dict[str, Any]:
        return {
            "requests": self.requests,
            "prompts": len(self.asked),
            "asked_twice": sum(count > 1 for count in self.asked.values()),
            "statuses": {str(status): count for status, count in self.statuses.items()},
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
            "mean_in_flight": self.busy.mean(),
            "busy_s": self.busy.last - self.busy.first,
            "meter": self.meter.stats(),
        }

    async def _counted(self, request: Request) -> Reply:
        if (limit := self._limit()) is not None and self.in_flight >= limit:
            return await self._beyond(request)
        self._busy_with(1)
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        status = 0
        try:
            reply = await self._replied(request)
            status = 0 if reply.drop or reply.cut is not None else reply.status
            return reply
        finally:
            self._busy_with(-1)
            self.statuses[status] += 1

    def _busy_with(self, change: int) -> None:
        self.busy.change(self.in_flight)
        self.in_flight += change

    def _limit(self) -> int | None:
        given = self.statuses[200]
        return next((limit for after, limit in reversed(self.behaviour.limit_then) if given >= after), None) or (
            self.behaviour.limit
        )

    async def _beyond(self, request: Request) -> Reply:
        """Refuses a request that is beyond a limit; it is not in flight."""
        self.asked[str(orjson.loads(request.body)["messages"][-1]["content"])] += 1
        self.statuses[429] += 1
        await asyncio.sleep(self.behaviour.refusal_s)
        return _failed(self._slow_down("requests"))

    def _slow_down(self, what: str) -> Fault:
        wait = {"retry-after": self.behaviour.retry_after} if self.behaviour.retry_after is not None else {}
        return Fault(429, "rate_limit_exceeded", f"Rate limit reached for {what}", wait)

    async def _replied(self, request: Request) -> Reply:
        try:
            body = orjson.loads(request.body)
            prompt = str(body["messages"][-1]["content"])
        except (orjson.JSONDecodeError, LookupError, TypeError):
            return _error(400, "invalid_request_error", "the body must be JSON with a list of messages")
        self.asked[prompt] += 1
        self.bodies.append(body)
        self.headers.append(dict(request.headers))
        if beyond := self.meter.arrived(_prompt_tokens(body)):
            return _failed(self._slow_down(beyond))
        fault = self._fault(prompt)
        await asyncio.sleep(self._latency_s())
        if fault and fault.hang:
            await asyncio.Event().wait()
        if fault and (fault.drop or fault.status != 200 or fault.body is not None):
            return _failed(fault)
        if refused := self._refused(request, body):
            return refused
        reply = self._completion(body, fault or Fault())
        return Reply(200, reply, cut=len(reply) // 2) if fault and fault.cut else Reply(200, reply)

    def _fault(self, prompt: str) -> Fault | None:
        behaviour = self.behaviour
        if self.next:
            return self.next.popleft()
        if behaviour.fault and (planned := behaviour.fault(prompt, self.asked[prompt])):
            return planned
        drawn = self._rng.random()
        if drawn < (edge := behaviour.p429):
            return self._slow_down("requests")
        if drawn < (edge := edge + behaviour.p500):
            return Fault(500)
        return Fault(drop=True) if drawn < edge + behaviour.pdrop else None

    def _latency_s(self) -> float:
        sigma = self.behaviour.latency_sigma
        return self.behaviour.latency_s * (math.exp(self._rng.gauss(0, sigma)) if sigma else 1.0)

    def _refused(self, request: Request, body: dict[str, Any]) -> Reply | None:
        """The error of a request that OpenAI would not answer."""
        behaviour, model = self.behaviour, body.get("model")
        if behaviour.api_key and request.headers.get("authorization") != f"Bearer {behaviour.api_key}":
            return _error(401, "invalid_api_key", "Incorrect API key provided.")
        if not model or (behaviour.models is not None and model not in behaviour.models):
            return _error(404, "model_not_found", f"The model '{model}' does not exist.")
        for message in body["messages"]:
            if message.get("role") not in ROLES or not isinstance(message.get("content"), str):
                return _error(400, "invalid_request_error", f"Invalid message: {message!r}")
        if not 0 <= (body.get("temperature") or 0) <= 2 or (body.get("max_tokens") or 1) < 1:
            return _error(400, "invalid_request_error", "temperature or max_tokens is out of its range")
        if (tokens := _prompt_tokens(body)) >= behaviour.context:
            text = f"This model's maximum context length is {behaviour.context} tokens, yours has {tokens}."
            return _error(400, "context_length_exceeded", text)
        return None

    def _completion(self, body: dict[str, Any], fault: Fault) -> bytes:
        text, finish = self.behaviour.answer(body) if self.behaviour.answer else _made_up(body), "stop"
        stops = body.get("stop") or []
        for stop in [stops] if isinstance(stops, str) else stops:
            text = text.split(stop, 1)[0]
        asked = _prompt_tokens(body)
        room = min(body.get("max_tokens") or self.behaviour.context, self.behaviour.context - asked)
        if len(text) > room * CHARS_PER_TOKEN:
            text, finish = text[: room * CHARS_PER_TOKEN], "length"
        spoken = -(-len(text) // CHARS_PER_TOKEN)
        self.meter.answered(spoken)
        message = {"role": "assistant", "content": text, "refusal": None, **(fault.message_fields or {})}
        if (count := self.behaviour.count) is not None:
            asked, spoken = _counted(body, count), count(text)
        usage = {"prompt_tokens": asked, "completion_tokens": spoken, "total_tokens": asked + spoken}
        return orjson.dumps(
            {
                "id": f"chatcmpl-{self.requests}",
                "object": "chat.completion",
                "created": 1_700_000_000,
                "model": body["model"],
                "choices": [{"index": 0, "message": message, "finish_reason": fault.finish_reason or finish}],
                "usage": usage | {"prompt_tokens_details": {"cached_tokens": 0}},
            }
        )


def _made_up(body: dict[str, Any]) -> str:
    """A text that follows from the messages and the seed, and obeys the schema."""
    said = orjson.dumps([body["messages"], body.get("seed")])
    rng = random.Random(hashlib.sha256(said).digest())
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        return orjson.dumps(invent(wanted["json_schema"]["schema"], rng)).decode()
    return sentence(rng)


def _prompt_tokens(body: dict[str, Any]) -> int:
    return -(-sum(len(message["content"]) for message in body["messages"]) // CHARS_PER_TOKEN)


def _counted(body: dict[str, Any], count: Callable[[str], int]) -> int:
    """Tokens of a prompt as OpenAI counts them: four for each message beside its own, and the schema's."""
    schema = body.get("response_format")
    texts = [message["content"] for message in body["messages"]]
    return sum(count(text) + 4 for text in texts) + (count(orjson.dumps(schema).decode()) if schema else 0)


def _failed(fault: Fault) -> Reply:
    if fault.drop:
        return Reply(drop=True)
    if fault.body is not None:
        return Reply(fault.status, fault.body, fault.headers)
    error = _error(fault.status, fault.code, fault.message)
    return Reply(error.status, error.body, fault.headers)


def _json(data: Any, status: int = 200) -> Reply:
    return Reply(status, orjson.dumps(data))


def _error(status: int, code: str, message: str) -> Reply:
    error = {"message": message, "type": "invalid_request_error" if status < 429 else code, "param": None, "code": code}
    return _json({"error": error}, status)


@asynccontextmanager
async def openai_server(behaviour: Behaviour = Behaviour(), port: int = 0) -> AsyncIterator[OpenAIServer]:
    """A server in the running event loop."""
    server = OpenAIServer(behaviour)
    async with serving(server.handle, port) as url:
        server.base_url = f"{url}/v1"
        yield server


@contextmanager
def openai_server_in_thread(behaviour: Behaviour = Behaviour(), port: int = 0) -> Iterator[OpenAIServer]:
    """A server in a thread of its own, for tests that start commands."""
    server = OpenAIServer(behaviour)
    with running(server.handle, port) as url:
        server.base_url = f"{url}/v1"
        yield server


def _pair(text: str) -> tuple[int, int]:
    after, _, limit = text.partition(":")
    return int(after), int(limit)


async def _main() -> None:
    parser = argparse.ArgumentParser(description="An OpenAI-compatible server on loopback, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="median seconds of an answer")
    parser.add_argument("--sigma", type=float, default=0.0, help="spread of the latency (log-normal)")
    parser.add_argument("--limit", type=int, help="429 above this many requests in flight")
    parser.add_argument("--limit-then", type=_pair, action="append", default=[], help="ANSWERS:LIMIT from then on")
    parser.add_argument("--refusal", type=float, default=0.0, help="seconds of a 429")
    parser.add_argument("--rpm", type=int, help="429 above this many requests in any 60 s")
    parser.add_argument("--itpm", type=int, help="the same for input tokens")
    parser.add_argument("--otpm", type=int, help="the same for output tokens")
    parser.add_argument("--p429", type=float, default=0.0)
    parser.add_argument("--p500", type=float, default=0.0)
    parser.add_argument("--pdrop", type=float, default=0.0)
    parser.add_argument("--retry-after", help="Retry-After of every 429")
    parser.add_argument("--api-key")
    parser.add_argument("--context", type=int, default=128_000)
    said = parser.parse_args()
    behaviour = Behaviour(
        latency_s=said.latency,
        latency_sigma=said.sigma,
        limit=said.limit,
        limit_then=tuple(said.limit_then),
        refusal_s=said.refusal,
        minute=MinuteLimits(said.rpm, said.itpm, said.otpm),
        p429=said.p429,
        p500=said.p500,
        pdrop=said.pdrop,
        retry_after=said.retry_after,
        api_key=said.api_key,
        context=said.context,
    )
    async with openai_server(behaviour, said.port) as server:
        print(server.base_url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
