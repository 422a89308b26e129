"""A server that speaks Amazon Bedrock's Converse API as AWS does: it checks signatures, and itself.

    python -m tests.servers.bedrock --forward http://127.0.0.1:8000/v1 --forward-key KEY
    python -m tests.servers.bedrock --forward embedded

    async with bedrock_server(Behaviour()) as server: ...  server.url, server.asked["prompt"]

Each request's signature is computed again with botocore; each request body and each answer of its own is held against
botocore's service model `bedrock-runtime`. Answers are made up from the prompt and the schema, given by a function, or
those of an OpenAI-compatible endpoint. It is also a token service (STS) that lends a role's credentials.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import random
import ssl
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, unquote

import orjson

from sdspec.faking.invent import invent, sentence
from tests.servers.aws_keys import Key, lent, signature
from tests.servers.bedrock_lists import LISTS, OFFERED, Model, page
from tests.servers.behind import Said, chat, model_behind
from tests.servers.converse_model import converse_errors
from tests.servers.http import Reply, Request, running, serving
from tests.servers.tokens import CHARS_PER_TOKEN, about_tokens, converse_tokens, text_of

CLOCK_SKEW_S = 300


@dataclass(frozen=True, slots=True)
class Failure:
    """How one request goes wrong, as AWS says it."""

    status: int
    name: str
    message: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent as it stands, in the place of an error's body; without a name there is no header that says one."""
    hang: bool = False
    """Never answer."""
    drop: bool = False
    """Close the connection without a word."""
    cut: bool = False
    """Close the connection in the middle of a right answer."""


THROTTLED = Failure(429, "ThrottlingException", "Too many requests, please wait before trying again.")


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server behaves."""

    region: str = "us-east-1"
    keys: tuple[Key, ...] = (Key(),)
    bearer: str | None = None
    """A Bedrock API key that is taken too."""
    models: tuple[str, ...] | None = None
    """Others are unknown; None knows all."""
    latency_s: float = 0.0
    limit: int | None = None
    """ThrottlingException for more requests in flight than this."""
    context: int = 200_000
    """Tokens of prompt and answer."""
    cached_tokens: int = 0
    """Of each prompt, how many come from the cache."""
    answer: Callable[[dict[str, Any]], str] | None = None
    """The text for a Converse body; None makes one up."""
    count: Callable[[str], int] | None = None
    """Tokens of a text, as a real tokenizer has them; None: one for `CHARS_PER_TOKEN` characters."""
    forward: str | None = None
    """Base URL of an OpenAI-compatible endpoint that answers."""
    forward_key: str = ""
    """Its API key."""
    stop_reason: str | None = None
    fault: Callable[[str, int], Failure | None] | None = None
    """How the n-th request (from 1) with this prompt goes wrong; None where it does not."""
    pthrottle: float = 0.0
    """Share of requests that are throttled."""
    seed: int = 0
    clock_s: float = 0.0
    """How far the server's clock is ahead."""
    offered: tuple[Model, ...] = OFFERED
    """What the region offers, in lists."""
    may_list: bool = True
    """False: these credentials may call models, and not list them."""


class BedrockServer:
    """The counters of a running server, and what it is to do next."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.url = ""
        self.next: deque[Failure] = deque()
        """Failures of the next requests, in order."""
        self.expired: set[str] = set()
        """Access keys that have expired."""
        self.asked: Counter[str] = Counter()
        """Requests per prompt (the last message's text)."""
        self.models: Counter[str] = Counter()
        self.statuses: Counter[int] = Counter()
        self.bodies: deque[dict[str, Any]] = deque(maxlen=1000)
        self.after: dict[int, Callable[[], None]] = {}
        """What happens once so many calls have been answered."""
        self.listed: Counter[str] = Counter()
        """Pages of each list."""
        self.lent = 0
        """How often a role was assumed."""
        self.in_flight = 0
        self.peak_in_flight = 0
        self._lent_keys: list[Key] = []
        self._rng = random.Random(behaviour.seed)

    async def handle(self, request: Request) -> Reply:
        """The reply to one request."""
        parts = request.path.partition("?")[0].split("/")
        if request.method == "POST" and len(parts) == 4 and (parts[1], parts[3]) == ("model", "converse"):
            self.in_flight += 1
            self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
            try:
                reply = await self._converse(request, unquote(parts[2]))
            finally:
                self.in_flight -= 1
            self.statuses[0 if reply.drop or reply.cut is not None else reply.status] += 1
            if happens := self.after.pop(self.statuses[200], None):
                happens()
            return reply
        if request.method == "POST" and request.path == "/":
            return self._assume_role(request)
        if request.method == "GET" and parts[1] in LISTS:
            return self._listed(request, parts[1])
        return self._failed(Failure(404, "UnknownOperationException", f"{request.method} {request.path}"))

    def _listed(self, request: Request, what: str) -> Reply:
        """A page of a list of the control plane."""
        self.listed[what] += 1
        if refused := self._unproven(request):
            return self._failed(refused)
        if not self.behaviour.may_list:
            who = "User: arn:aws:iam::123456789012:user/writer is not authorized to perform: bedrock:" + LISTS[what]
            return self._failed(Failure(403, "AccessDeniedException", who))
        query = {name: values[0] for name, values in parse_qs(request.path.partition("?")[2]).items()}
        body = page(what, query, self.behaviour.offered, self.behaviour.region)
        return Reply(200, orjson.dumps(body), {"date": format_datetime(self._now(), usegmt=True)})

    def _now(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.behaviour.clock_s)

    def _failed(self, failure: Failure) -> Reply:
        return _failed(failure, self._now())

    async def _converse(self, request: Request, model: str) -> Reply:
        if refused := self._unproven(request):
            return self._failed(refused)
        try:
            body = orjson.loads(request.body)
        except orjson.JSONDecodeError:
            return self._failed(Failure(400, "SerializationException", "the body is not JSON"))
        if wrong := converse_errors("input", {**body, "modelId": model}):
            return self._failed(Failure(400, "ValidationException", wrong))
        self.asked[text_of(body["messages"][-1])] += 1
        self.models[model] += 1
        self.bodies.append(body)
        failure = self._failure(model, body)
        await asyncio.sleep(self.behaviour.latency_s if failure is None or failure.cut else 0)
        if failure and failure.hang:
            await asyncio.Event().wait()
        if failure and not failure.cut:
            return self._failed(failure)
        answer = await self._answer(body)
        if isinstance(answer, Failure):
            return _failed(answer)
        if wrong := converse_errors("output", answer):
            raise AssertionError(f"this server's own answer is wrong: {wrong}")
        said = orjson.dumps(answer)
        return Reply(200, said, {"x-amzn-requestid": "0"}, cut=len(said) // 2 if failure else None)

    def _failure(self, model: str, body: dict[str, Any]) -> Failure | None:
        behaviour = self.behaviour
        if self.next:
            return self.next.popleft()
        prompt = text_of(body["messages"][-1])
        if behaviour.fault and (planned := behaviour.fault(prompt, self.asked[prompt])):
            return planned
        if behaviour.pthrottle and self._rng.random() < behaviour.pthrottle:
            return THROTTLED
        if behaviour.limit is not None and self.in_flight > behaviour.limit:
            return THROTTLED
        if behaviour.models is not None and model not in behaviour.models:
            return Failure(400, "ValidationException", "The provided model identifier is invalid.")
        if about_tokens(body) > behaviour.context:
            return Failure(400, "ValidationException", "Input is too long for requested model.")
        return None

    def _unproven(self, request: Request) -> Failure | None:
        """What AWS says to a request that does not prove who sends it."""
        said = request.headers.get("authorization", "")
        if said.startswith("Bearer "):
            right = self.behaviour.bearer is not None and said == f"Bearer {self.behaviour.bearer}"
            return None if right else Failure(403, "AccessDeniedException", "Authentication failed: invalid API Key.")
        if not said.startswith("AWS4-HMAC-SHA256 "):
            return Failure(403, "MissingAuthenticationTokenException", "Missing Authentication Token")
        fields = dict(one.strip().split("=", 1) for one in said.removeprefix("AWS4-HMAC-SHA256 ").split(","))
        access, day, region, service, _ = fields["Credential"].split("/")
        key = next((one for one in (*self.behaviour.keys, *self._lent_keys) if one.access == access), None)
        if key is None or request.headers.get("x-amz-security-token") != key.token:
            text = "The security token included in the request is invalid."
            return Failure(403, "UnrecognizedClientException", text)
        if access in self.expired:
            return Failure(403, "ExpiredTokenException", "The security token included in the request is expired")
        if (region, service) != (self.behaviour.region, "bedrock"):
            text = f"Credential should be scoped to a valid region, not '{region}'."
            return Failure(403, "InvalidSignatureException", text)
        sent = datetime.strptime(request.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((self._now() - sent).total_seconds()) > CLOCK_SKEW_S or sent.strftime("%Y%m%d") != day:
            text = f"Signature expired: {sent:%Y%m%dT%H%M%SZ} is now earlier than this server's time."
            return Failure(403, "InvalidSignatureException", text)
        if not hmac.compare_digest(signature(request, fields["SignedHeaders"], key, region), fields["Signature"]):
            text = "The request signature we calculated does not match the signature you provided."
            return Failure(403, "InvalidSignatureException", text)
        return None

    def _assume_role(self, request: Request) -> Reply:
        """What STS answers to AssumeRole: credentials for an hour, always new ones."""
        assert "authorization" in request.headers
        self.lent += 1
        key = Key(f"ASIALENT{self.lent}", f"lent-secret-{self.lent}", f"lent-token-{self.lent}")
        self._lent_keys.append(key)
        return Reply(200, lent(key, request.body), {"content-type": "text/xml"})

    async def _answer(self, body: dict[str, Any]) -> dict[str, Any] | Failure:
        said = await self._said(body)
        if isinstance(said, Failure):
            return said
        text, stop = said.text, "max_tokens" if said.cut else "end_turn"
        settings = body.get("inferenceConfig", {})
        for word in settings.get("stopSequences", ()):
            if word in text:
                text, stop = text.split(word, 1)[0], "stop_sequence"
        room = settings.get("maxTokens", self.behaviour.context) * CHARS_PER_TOKEN
        if said.output_tokens is None and len(text) > room:
            text, stop = text[:room], "max_tokens"
        content: dict[str, Any] = {"text": text}
        if (tool := _forced_tool(body)) is not None and stop == "end_turn":
            content = {"toolUse": {"toolUseId": "tooluse_1", "name": tool, "input": orjson.loads(text)}}
            stop = "tool_use"
        asked = about_tokens(body) if said.input_tokens is None else said.input_tokens
        spoken = -(-len(text) // CHARS_PER_TOKEN) if said.output_tokens is None else said.output_tokens
        if (count := self.behaviour.count) is not None:
            asked, spoken = converse_tokens(body, count), count(text)
        cached = min(self.behaviour.cached_tokens, asked)
        return {
            "output": {"message": {"role": "assistant", "content": [content]}},
            "stopReason": self.behaviour.stop_reason or stop,
            "usage": {
                "inputTokens": asked - cached,
                "outputTokens": spoken,
                "totalTokens": asked + spoken,
                "cacheReadInputTokens": cached,
                "cacheWriteInputTokens": 0,
            },
            "metrics": {"latencyMs": round(self.behaviour.latency_s * 1000)},
        }

    async def _said(self, body: dict[str, Any]) -> Said | Failure:
        if self.behaviour.answer is not None:
            return Said(self.behaviour.answer(body))
        if self.behaviour.forward is not None:
            return await _forwarded(self.behaviour.forward, self.behaviour.forward_key, body)
        rng = random.Random(hashlib.sha256(orjson.dumps([body["messages"], body.get("system")])).digest())
        schema = schema_of(body)
        return Said(sentence(rng) if schema is None else orjson.dumps(invent(schema, rng)).decode())


def schema_of(body: dict[str, Any]) -> dict[str, Any] | None:
    """The schema that an answer to this body must have; None for free text."""
    if "outputConfig" in body:
        schema: dict[str, Any] = orjson.loads(body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])
        return schema
    tools = body.get("toolConfig", {}).get("tools", ())
    return tools[0]["toolSpec"]["inputSchema"]["json"] if tools else None


def _forced_tool(body: dict[str, Any]) -> str | None:
    return body.get("toolConfig", {}).get("toolChoice", {}).get("tool", {}).get("name")


async def _forwarded(base_url: str, key: str, body: dict[str, Any]) -> Said | Failure:
    """What the endpoint says to the same conversation, with its own token counts."""
    settings = body.get("inferenceConfig", {})
    messages = [{"role": "system", "content": block["text"]} for block in body.get("system", ())]
    messages += [{"role": message["role"], "content": text_of(message)} for message in body["messages"]]
    names = {"temperature": "temperature", "topP": "top_p", "maxTokens": "max_tokens", "stopSequences": "stop"}
    wanted: dict[str, Any] = {"model": "any", "messages": messages}
    wanted |= {theirs: settings[ours] for ours, theirs in names.items() if ours in settings}
    if (schema := schema_of(body)) is not None:
        described = {"name": "answer", "strict": True, "schema": schema}
        wanted["response_format"] = {"type": "json_schema", "json_schema": described}
    said = await chat(base_url, key, wanted)
    if isinstance(said, Said):
        return said
    if "context" in said.message:
        return Failure(400, "ValidationException", f"Input is too long for requested model. {said.message}")
    if said.status == 429:
        return THROTTLED
    if said.status < 500:
        return Failure(400, "ValidationException", said.message)
    return Failure(424, "ModelErrorException", said.message)


def _failed(failure: Failure, now: datetime | None = None) -> Reply:
    if failure.drop:
        return Reply(drop=True)
    body = orjson.dumps({"message": failure.message}) if failure.body is None else failure.body
    if not failure.name:
        return Reply(failure.status, body, failure.headers)
    headers = {
        "x-amzn-errortype": f"{failure.name}:http://internal.amazon.com/coral/com.amazon.bedrock/",
        "date": format_datetime(now or datetime.now(UTC), usegmt=True),
        **failure.headers,
    }
    return Reply(failure.status, body, headers)


@asynccontextmanager
async def bedrock_server(
    behaviour: Behaviour = Behaviour(), port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[BedrockServer]:
    """A server in the running event loop."""
    server = BedrockServer(behaviour)
    async with serving(server.handle, port, tls) as url:
        server.url = url
        yield server


@contextmanager
def bedrock_server_in_thread(behaviour: Behaviour = Behaviour(), port: int = 0) -> Iterator[BedrockServer]:
    """A server in a thread of its own, for tests that start commands."""
    server = BedrockServer(behaviour)
    with running(server.handle, port) as url:
        server.url = url
        yield server


async def _main() -> None:
    parser = argparse.ArgumentParser(description="A server that speaks Amazon Bedrock's Converse API, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds of an answer")
    parser.add_argument("--limit", type=int, help="ThrottlingException above this many requests in flight")
    parser.add_argument("--pthrottle", type=float, default=0.0, help="share of requests that are throttled")
    parser.add_argument("--forward", help="base URL of an OpenAI-compatible endpoint that answers, or `embedded`")
    parser.add_argument("--forward-key", default="", help="its API key")
    said = parser.parse_args()
    async with model_behind(said.forward, said.forward_key) as (forward, forward_key):
        behaviour = Behaviour(
            region=said.region,
            latency_s=said.latency,
            limit=said.limit,
            pthrottle=said.pthrottle,
            forward=forward,
            forward_key=forward_key,
        )
        await _serve(behaviour, said.port)


async def _serve(behaviour: Behaviour, port: int) -> None:
    async with bedrock_server(behaviour, port) as server:
        key = behaviour.keys[0]
        print(f"export AWS_ACCESS_KEY_ID={key.access} AWS_SECRET_ACCESS_KEY={key.secret}")
        print(f"export AWS_ENDPOINT_URL_BEDROCK_RUNTIME={server.url} AWS_ENDPOINT_URL_BEDROCK={server.url}", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
