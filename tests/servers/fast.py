"""A fast server for measurements: OpenAI's chat format and Bedrock's Converse, without the checks that cost time.

    python -m tests.servers.fast --latency 0.2 --sigma 0.8 --p429 0.01

It answers out of timers instead of tasks, for about 0.1 ms of processor time a request: what drives it is what is
measured. Answers follow from the prompt alone, latencies and faults from the prompt and how often it was asked: so
every client meets the same, and equal runs get equal rows. Signatures and keys are not looked at. GET /stats shows the
counters, POST /reset clears them; a JSON body there sets what the flags set, by the names of `Load`.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, fields
from hashlib import blake2b
from statistics import NormalDist
from typing import Any

import orjson

from tests.servers.http import Connection, Reply, Request, taking
from tests.servers.meter import Busy
from tests.servers.tokens import CHARS_PER_TOKEN, text_of

PROSE = 64 * (
    "the harbour was quiet before dawn and the first boats came in with lanterns still burning at the bow while "
    "people counted baskets on the pier and somebody wrote each number into a long green book "
)
"""Answers are pieces of this."""
MOST_S = 60.0
"""The longest latency: a log-normal has no end, and a run has."""


@dataclass(frozen=True, slots=True)
class Load:
    """How the server answers; probabilities are shares of requests."""

    latency: float = 0.2
    """Seconds; the median where `sigma` spreads it."""
    sigma: float = 0.0
    """Of the log-normal; 0 is a fixed latency."""
    chars: int = 600
    """Length of an answer's text."""
    columns: str = ""
    """Names with commas between them: a request without a schema is answered by a JSON object of these."""
    p429: float = 0.0
    p500: float = 0.0
    pgarbled: float = 0.0
    """Answers of which only half arrives, as if it were all."""
    pdropped: float = 0.0
    """Connections that are closed without a word when the latency is over."""
    fault_latency: float = 0.02
    """Seconds of a 429 and of a 500."""
    retry_after: float = 1.0
    """Seconds that a 429 asks for."""
    seed: int = 0


@dataclass(slots=True)
class Asked:
    """What became of the requests with one prompt."""

    times: int = 0
    in_flight: int = 0
    answered: int = 0


class Books:
    """What the server was asked and what it answered, from a reset on."""

    def __init__(self) -> None:
        self.prompts: dict[str, Asked] = {}
        self.requests = 0
        self.in_flight = 0
        self.peak_in_flight = 0
        self.busy = Busy()
        self.cpu_s = time.process_time()
        self.latency_s = 0.0
        """Of all requests together."""
        self.ended: Counter[str] = Counter()
        """answered, 429, 500, garbled, dropped, or gone: nobody waited for it any more."""
        self.repeated: Counter[str] = Counter()
        """Requests whose prompt had come before: after_answer, in_flight or after_fault."""

    def arrives(self, prompt: str) -> Asked:
        """Counts a request."""
        asked = self.prompts.get(prompt)
        if asked is None:
            asked = self.prompts[prompt] = Asked()
        else:
            before = "after_answer" if asked.answered else "in_flight" if asked.in_flight else "after_fault"
            self.repeated[before] += 1
        asked.times += 1
        asked.in_flight += 1
        self.requests += 1
        self.busy.change(self.in_flight)
        self.in_flight += 1
        self.peak_in_flight = max(self.peak_in_flight, self.in_flight)
        return asked

    def leaves(self, asked: Asked, how: str) -> None:
        """Counts how it ended."""
        asked.in_flight -= 1
        asked.answered += how == "answered"
        self.ended[how] += 1
        self.busy.change(self.in_flight)
        self.in_flight -= 1

    def stats(self) -> dict[str, Any]:
        """The counters, for scripts elsewhere."""
        return {
            "requests": self.requests,
            "prompts": len(self.prompts),
            "answered_prompts": sum(asked.answered > 0 for asked in self.prompts.values()),
            "ended": dict(self.ended),
            "repeated": dict(self.repeated),
            "in_flight": self.in_flight,
            "peak_in_flight": self.peak_in_flight,
            "mean_in_flight": self.busy.mean(),
            "busy_s": self.busy.last - self.busy.first,
            "latency_s": self.latency_s,
            "cpu_s": time.process_time() - self.cpu_s,
        }


@dataclass(frozen=True, slots=True)
class Call:
    """One request in flight."""

    books: Books
    """Those of its arrival: a reset in between does not count it."""
    asked: Asked
    body: Mapping[str, Any]
    prompt: str
    converse: bool
    fault: str
    """429, 500, garbled, dropped, or empty."""
    connection: Connection


class FastServer:
    """A running server: what it does, and its books."""

    def __init__(self, load: Load = Load()) -> None:
        self.load = load
        self.base_url = ""
        self.books = Books()
        self._later = asyncio.get_running_loop().call_later

    def take(self, request: Request, connection: Connection) -> None:
        """Replies to one request, once its latency is over."""
        path = request.path
        if path.endswith("/chat/completions"):
            self._arrived(request, connection, converse=False)
        elif path.endswith("/converse"):
            self._arrived(request, connection, converse=True)
        elif path == "/stats":
            connection.reply(_json(self.books.stats()))
        elif path == "/reset":
            connection.reply(self._reset(request.body))
        else:
            connection.reply(_json({"error": {"message": f"no such path: {path}"}}, 404))

    def _reset(self, body: bytes) -> Reply:
        try:
            self.load = Load(**orjson.loads(body or b"{}"))
        except TypeError as wrong:
            return _json({"error": {"message": str(wrong)}}, 400)
        self.books = Books()
        return _json(asdict(self.load))

    def _arrived(self, request: Request, connection: Connection, *, converse: bool) -> None:
        try:
            body = orjson.loads(request.body)
            prompt = _prompt(body, converse=converse)
        except (orjson.JSONDecodeError, LookupError, TypeError):
            connection.reply(_json({"message": "the body must be JSON with a list of messages"}, 400))
            return
        books, load = self.books, self.load
        asked = books.arrives(prompt)
        latency_s, fault = self._drawn(prompt, asked.times)
        books.latency_s += latency_s
        call = Call(books, asked, body, prompt, converse, fault, connection)
        if latency_s > 0:
            self._later(latency_s, self._answer, call, load)
        else:
            self._answer(call, load)

    def _drawn(self, prompt: str, times: int) -> tuple[float, str]:
        """The latency and the fault of this request."""
        load = self.load
        shares = {"429": load.p429, "500": load.p500, "garbled": load.pgarbled, "dropped": load.pdropped}
        if not load.sigma and not any(shares.values()):
            return load.latency, ""
        digest = blake2b(f"{load.seed} {times} {prompt}".encode(), digest_size=16).digest()
        slow, at = ((int.from_bytes(digest[n : n + 8]) + 0.5) / 2**64 for n in (0, 8))
        for fault, share in shares.items():
            if at < share:
                return load.latency if fault in ("garbled", "dropped") else load.fault_latency, fault
            at -= share
        return min(MOST_S, load.latency * math.exp(load.sigma * _NORMAL.inv_cdf(slow))), ""

    def _answer(self, call: Call, load: Load) -> None:
        if not call.connection.open:
            call.books.leaves(call.asked, "gone")
            return
        call.books.leaves(call.asked, call.fault or "answered")
        if call.fault in ("429", "500"):
            call.connection.reply(_failed(call, load))
        elif call.fault == "dropped":
            call.connection.reply(Reply(drop=True))
        else:
            text = _text(call.prompt, load.chars)
            if load.columns and not call.body.keys() & {"response_format", "outputConfig", "toolConfig"}:
                text = orjson.dumps(dict.fromkeys(load.columns.split(","), text)).decode()
            said = orjson.dumps(_converse(call, text) if call.converse else _completion(call, text))
            call.connection.reply(Reply(200, said[: len(said) // 2] if call.fault else said))


_NORMAL = NormalDist()


def _prompt(body: Mapping[str, Any], *, converse: bool) -> str:
    """What names the request: all its messages, the system's included."""
    if converse:
        return "\n".join([*(block["text"] for block in body.get("system", ())), *map(text_of, body["messages"])])
    messages = body["messages"]
    return str(messages[0]["content"]) if len(messages) == 1 else "\n".join(str(one["content"]) for one in messages)


def _text(prompt: str, chars: int) -> str:
    digest = blake2b(prompt.encode(), digest_size=8).hexdigest()
    start = int(digest, 16) % (len(PROSE) // 2)
    return f"{digest} {PROSE[start : start + chars]}".strip()


def _fill(schema: Mapping[str, Any], text: str) -> dict[str, str]:
    """An object for a schema of strings."""
    return dict.fromkeys(schema["properties"], text)


def _completion(call: Call, text: str) -> dict[str, Any]:
    wanted = call.body.get("response_format") or {}
    if "json_schema" in wanted:
        text = orjson.dumps(_fill(wanted["json_schema"]["schema"], text)).decode()
    asked, spoken = len(call.prompt) // CHARS_PER_TOKEN + 1, len(text) // CHARS_PER_TOKEN + 1
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": call.body.get("model"),
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text, "refusal": None}, "finish_reason": "stop"}
        ],
        "usage": {"prompt_tokens": asked, "completion_tokens": spoken, "total_tokens": asked + spoken},
    }


def _converse(call: Call, text: str) -> dict[str, Any]:
    content, stop = {"text": text}, "end_turn"
    if "outputConfig" in call.body:
        schema = orjson.loads(call.body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"])
        content = {"text": orjson.dumps(_fill(schema, text)).decode()}
    elif "toolConfig" in call.body:
        tool = call.body["toolConfig"]["tools"][0]["toolSpec"]
        said = {"toolUseId": "tooluse_1", "name": tool["name"], "input": _fill(tool["inputSchema"]["json"], text)}
        content, stop = {"toolUse": said}, "tool_use"
    asked, spoken = len(call.prompt) // CHARS_PER_TOKEN + 1, len(text) // CHARS_PER_TOKEN + 1
    return {
        "output": {"message": {"role": "assistant", "content": [content]}},
        "stopReason": stop,
        "usage": {"inputTokens": asked, "outputTokens": spoken, "totalTokens": asked + spoken},
        "metrics": {"latencyMs": 1},
    }


def _failed(call: Call, load: Load) -> Reply:
    slow_down = call.fault == "429"
    headers = {"retry-after": f"{load.retry_after:g}"} if slow_down else {}
    message = "Too many requests." if slow_down else "The server had an error."
    if call.converse:
        headers["x-amzn-errortype"] = "ThrottlingException" if slow_down else "InternalServerException"
        return _json({"message": message}, int(call.fault), headers)
    code = "rate_limit_exceeded" if slow_down else "server_error"
    return _json({"error": {"message": message, "type": code, "code": code}}, int(call.fault), headers)


def _json(data: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    return Reply(status, orjson.dumps(data), headers or {})


@asynccontextmanager
async def fast_server(load: Load = Load(), port: int = 0) -> AsyncIterator[FastServer]:
    """A server in the running event loop."""
    server = FastServer(load)
    async with taking(server.take, port) as url:
        server.base_url = f"{url}/v1"
        yield server


async def _main() -> None:
    parser = argparse.ArgumentParser(description="A fast server on loopback, for measurements.")
    parser.add_argument("--port", type=int, default=0)
    for one in fields(Load):
        parser.add_argument(f"--{one.name.replace('_', '-')}", type=type(one.default), default=one.default)
    said = vars(parser.parse_args())
    async with fast_server(Load(**{one.name: said[one.name] for one in fields(Load)}), said["port"]) as server:
        print(server.base_url, flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
