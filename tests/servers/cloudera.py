"""A Cloudera AI Inference endpoint: OpenAI's format behind a gateway that checks a bearer token, and that may sleep.

    python -m tests.servers.cloudera --token T --asleep 3
    python -m tests.servers.cloudera --token T --forward http://127.0.0.1:8080/v1 --forward-key KEY
    python -m tests.servers.cloudera --forward embedded

The gateway's own answers (401, 403, 404, 503) are plain text, as Envoy writes them; the model behind it is the test
server of OpenAI's format, or any endpoint that speaks it.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import random
import ssl
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import aiohttp

from tests.servers.behind import model_behind
from tests.servers.http import Reply, Request, running, serving
from tests.servers.openai import Behaviour, OpenAIServer

CHALLENGE = 'Bearer realm="cloudera", error="invalid_token"'


def jwt(name: str, expires: float) -> str:
    """A token in the shape of a JSON web token, signed by nobody; `name` tells tokens apart."""
    parts = [{"alg": "RS256", "typ": "JWT"}, {"sub": name, "exp": int(expires)}, {"signature": name}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)


@dataclass(frozen=True, slots=True)
class Gateway:
    """How the gateway behaves."""

    endpoint: str = "llama"
    forward: str | None = None
    """Base URL of the model to ask; None: the made-up answers of the OpenAI server."""
    forward_key: str = ""
    """Its API key: the caller's token is the gateway's own."""
    models: tuple[str, ...] = ("meta/llama-3.1-8b-instruct",)
    latency_s: float = 0.005
    p429: float = 0.0
    """Share of the calls for which the gateway asks for less."""
    seed: int = 0


class ClouderaServer:
    """The state of a running server, which a test may change at any time."""

    def __init__(self, gateway: Gateway, *tokens: str) -> None:
        self.gateway = gateway
        self.tokens = set(tokens)
        """Those that are taken; take one away, and it has expired."""
        self.without_access: set[str] = set()
        """Tokens of users who may not use the endpoint."""
        self.asleep = 0
        """So many more requests find the endpoint scaled to zero."""
        self.retry_after: str | None = "0"
        """Sent with each 503."""
        self.after: dict[int, Callable[[], None]] = {}
        """What happens once so many calls have been answered."""
        self.instead: Reply | None = None
        """Sent to every chat request, where there is one."""
        self.statuses: Counter[tuple[str, int]] = Counter()
        """Answers by the last word of the path and the status."""
        self.behind = OpenAIServer(Behaviour(models=gateway.models, latency_s=gateway.latency_s))
        self.base_url = ""
        self._rng = random.Random(gateway.seed)

    async def handle(self, request: Request) -> Reply:
        """The reply of the gateway, or of the model behind it."""
        reply = self._refused(request) or await self._answered(request)
        self.statuses[request.path.rpartition("/")[2], reply.status] += 1
        if happens := self.after.pop(self.statuses["completions", 200], None):
            happens()
        return reply

    def _refused(self, request: Request) -> Reply | None:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens | self.without_access:
            said = b"Jwt is expired" if token else b"Jwt is missing"
            return Reply(401, said, {"content-type": "text/plain", "www-authenticate": CHALLENGE})
        if token in self.without_access:
            return Reply(403, b"RBAC: access denied", {"content-type": "text/plain"})
        if not request.path.startswith(self._prefix):
            return Reply(404, b"", {"content-type": "text/plain"})
        if self.asleep > 0:
            self.asleep -= 1
            wait = {} if self.retry_after is None else {"retry-after": self.retry_after}
            return Reply(503, b"no healthy upstream", {"content-type": "text/plain", **wait})
        return None

    async def _answered(self, request: Request) -> Reply:
        if self.instead is not None and request.method == "POST":
            return self.instead
        path = request.path.removeprefix(self._prefix)
        if request.method == "POST" and self.gateway.p429 and self._rng.random() < self.gateway.p429:
            return Reply(429, b"local_rate_limited", {"content-type": "text/plain"})
        if self.gateway.forward is None or path == "/models":  # what it serves has the gateway's names
            return await self.behind.handle(Request(request.method, f"/v1{path}", request.headers, request.body))
        async with (
            aiohttp.ClientSession() as session,
            session.request(
                request.method,
                f"{self.gateway.forward}{path}",
                data=request.body,
                headers=_passed_on(request, self.gateway.forward_key),
            ) as reply,
        ):
            return Reply(reply.status, await reply.read())

    @property
    def _prefix(self) -> str:
        return f"/namespaces/serving-default/endpoints/{self.gateway.endpoint}/v1"

    def at(self, url: str) -> ClouderaServer:
        """This server, which is served there."""
        self.base_url = f"{url}{self._prefix}"
        return self


def _passed_on(request: Request, key: str) -> dict[str, str]:
    """The headers for the model: its own key in the place of the token, which ends at the gateway."""
    kind = {"content-type": request.headers.get("content-type", "application/json")}
    return kind | ({"authorization": f"Bearer {key}"} if key else {})


@contextmanager
def cloudera_server(
    *tokens: str, gateway: Gateway = Gateway(), tls: ssl.SSLContext | None = None
) -> Iterator[ClouderaServer]:
    """A server in a thread of its own, which takes these tokens."""
    server = ClouderaServer(gateway, *tokens)
    with running(server.handle, tls=tls) as url:
        yield server.at(url)


async def _main() -> None:
    parser = argparse.ArgumentParser(description="A Cloudera AI Inference endpoint on loopback, for tests.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--token", default=jwt("anyone", time.time() + 3600))
    parser.add_argument("--asleep", type=int, default=0, help="requests that find the endpoint scaled to zero")
    parser.add_argument("--p429", type=float, default=0.0, help="share of calls answered 429")
    parser.add_argument("--forward", help="base URL of the model to ask, or `embedded`")
    parser.add_argument("--forward-key", default="", help="its API key")
    said = parser.parse_args()
    async with model_behind(said.forward, said.forward_key) as (forward, forward_key):
        server = ClouderaServer(Gateway(forward=forward, forward_key=forward_key, p429=said.p429), said.token)
        server.asleep, server.retry_after = said.asleep, "2"
        async with serving(server.handle, said.port) as url:
            print(f"export CDP_TOKEN={said.token}\n{server.at(url).base_url}", flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(_main())
