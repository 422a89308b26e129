"""A server that speaks Anthropic's Messages API, and refuses what that refuses.

    with anthropic_server_in_thread(Behaviour(api_key="k")) as server: ...  server.base_url, server.bodies

The format is that of https://docs.anthropic.com/en/api/messages, errors with their types as on its page on errors.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from sdspec.faking.invent import invent, sentence
from tests.servers.http import Reply, Request, running

KNOWN = frozenset(
    {"model", "messages", "max_tokens", "system", "temperature", "top_p", "top_k", "stop_sequences", "metadata"}
    | {"tools", "tool_choice", "output_format", "stream"}
)
STRUCTURED = "structured-outputs-2025-11-13"
"""The beta without which `output_format` is an extra input."""
CHARS_PER_TOKEN = 4
TYPES = {400: "invalid_request_error", 401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How the server behaves."""

    api_key: str = "k"
    models: tuple[str, ...] | None = None
    """Other models are unknown; None knows all."""
    context: int = 200_000
    answer: Callable[[dict[str, Any]], str] | None = None
    """The text of an answer without a schema; None makes one up."""


@dataclass(frozen=True, slots=True)
class Failure:
    """How the next request goes wrong."""

    status: int
    type: str
    message: str


class AnthropicServer:
    """A running server, and the failures of the next requests."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.base_url = ""
        self.next: deque[Failure] = deque()
        self.bodies: list[dict[str, Any]] = []
        self._rng = random.Random(0)

    async def handle(self, request: Request) -> Reply:
        """The reply to one request."""
        if (request.method, request.path) != ("POST", "/v1/messages"):
            return _error(404, f"{request.path}: no such path")
        if request.headers.get("x-api-key") != self.behaviour.api_key:
            return _error(401, "invalid x-api-key")
        if "anthropic-version" not in request.headers:
            return _error(400, "anthropic-version: header is required")
        body: dict[str, Any] = orjson.loads(request.body)
        self.bodies.append(body)
        if self.next:
            failure = self.next.popleft()
            return _error(failure.status, failure.message, failure.type)
        if wrong := self._wrong(body, request.headers.get("anthropic-beta", "")):
            return _error(404 if wrong.startswith("model:") else 400, wrong)
        return Reply(200, orjson.dumps(self._message(body)))

    def _wrong(self, body: dict[str, Any], betas: str) -> str:
        if extra := sorted(body.keys() - KNOWN) or (
            ["output_format"] if _format(body) and STRUCTURED not in betas else []
        ):
            return f"{extra[0]}: Extra inputs are not permitted"
        if missing := [name for name in ("model", "messages", "max_tokens") if name not in body]:
            return f"{missing[0]}: Field required"
        if self.behaviour.models is not None and body["model"] not in self.behaviour.models:
            return f"model: {body['model']}"
        roles = [message["role"] for message in body["messages"]]
        if roles[0] != "user" or not set(roles) <= {"user", "assistant"}:
            return 'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter'
        if not 0 <= body.get("temperature", 0) <= 1:
            return "temperature: range: 0..1"
        if any(not stop.strip() for stop in body.get("stop_sequences", ())):
            return "stop_sequences: each stop sequence must contain non-whitespace"
        if (tokens := _tokens(body)) > self.behaviour.context:
            return f"prompt is too long: {tokens} tokens > {self.behaviour.context} maximum"
        return ""

    def _message(self, body: dict[str, Any]) -> dict[str, Any]:
        stopped, wanted = "end_turn", _format(body)
        choice = body.get("tool_choice") or {}
        if choice.get("type") == "tool":
            tool = next(tool for tool in body["tools"] if tool["name"] == choice["name"])
            said = invent(tool["input_schema"], self._rng)
            content, stopped = {"type": "tool_use", "id": "toolu_1", "name": tool["name"], "input": said}, "tool_use"
            text = orjson.dumps(said).decode()
        else:
            made = self.behaviour.answer(body) if self.behaviour.answer else sentence(self._rng)
            text = orjson.dumps(invent(wanted, self._rng)).decode() if wanted else made
            content = {"type": "text", "text": text}
        usage = {"input_tokens": _tokens(body), "output_tokens": -(-len(text) // CHARS_PER_TOKEN)}
        return {
            "id": f"msg_{len(self.bodies)}",
            "type": "message",
            "role": "assistant",
            "model": body["model"],
            "content": [content],
            "stop_reason": stopped,
            "stop_sequence": None,
            "usage": usage | {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0},
        }


def _format(body: dict[str, Any]) -> dict[str, Any] | None:
    return (body.get("output_format") or {}).get("schema")


def _tokens(body: dict[str, Any]) -> int:
    parts = [body.get("system") or [], *(message["content"] for message in body["messages"])]
    texts = [part if isinstance(part, str) else "".join(block.get("text", "") for block in part) for part in parts]
    return -(-sum(map(len, texts)) // CHARS_PER_TOKEN)


def _error(status: int, message: str, kind: str = "") -> Reply:
    error = {"type": kind or TYPES[status], "message": message}
    return Reply(status, orjson.dumps({"type": "error", "error": error, "request_id": "req_1"}))


@contextmanager
def anthropic_server_in_thread(behaviour: Behaviour = Behaviour()) -> Iterator[AnthropicServer]:
    """A server in a thread of its own."""
    server = AnthropicServer(behaviour)
    with running(server.handle) as url:
        server.base_url = url
        yield server
