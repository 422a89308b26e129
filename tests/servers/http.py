"""A small HTTP/1.1 server on loopback that test servers stand on: keep-alive, and connections that fail on purpose."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}


@dataclass(frozen=True, slots=True)
class Request:
    """One request, whole."""

    method: str
    path: str
    """With the query."""
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What is sent back."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    """Close the connection and send nothing."""
    cut: int | None = None
    """Announce the whole body, send this many bytes of it, and close the connection."""


Handler = Callable[[Request], Awaitable[Reply]]


class _Connection(asyncio.Protocol):
    """One client connection; its requests are answered one after the other."""

    def __init__(self, handler: Handler, tasks: set[asyncio.Task[None]]) -> None:
        self._handler = handler
        self._tasks = tasks
        self._buffer = bytearray()
        self._busy = False
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        """What nobody waits for any more is no longer in flight."""
        if self._task:
            self._task.cancel()

    def end(self) -> None:
        """It is closed, whatever is in flight."""
        if hasattr(self, "_transport"):
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def _next(self) -> None:
        if self._busy or (request := self._taken()) is None:
            return
        self._busy = True
        self._task = asyncio.ensure_future(self._answer(request))
        self._tasks.add(self._task)
        self._task.add_done_callback(self._tasks.discard)

    def _taken(self) -> Request | None:
        """The next whole request, taken out of the buffer."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        first, *lines = self._buffer[:end].decode("latin-1").split("\r\n")
        method, path, _ = first.split(" ", 2)
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", 0))
        start = end + 4
        if len(self._buffer) < start + size:
            return None
        body = bytes(self._buffer[start : start + size])
        del self._buffer[: start + size]
        return Request(method, path, headers, body)

    async def _answer(self, request: Request) -> None:
        reply = await self._handler(request)
        if reply.drop:
            self._transport.abort()
            return
        headers = {"content-type": "application/json", "content-length": str(len(reply.body)), **reply.headers}
        head = f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        body = b"" if request.method == "HEAD" else reply.body[: reply.cut]
        self._transport.write(head.encode("latin-1") + body)
        if reply.cut is not None:
            self._transport.close()
        self._busy = False
        self._next()


@asynccontextmanager
async def serving(handler: Handler, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The server's URL, in the running event loop; requests still being answered at the end are dropped."""
    tasks: set[asyncio.Task[None]] = set()
    connections: list[_Connection] = []
    loop = asyncio.get_running_loop()

    def connected() -> _Connection:
        connections.append(_Connection(handler, tasks))
        return connections[-1]

    server = await loop.create_server(connected, "127.0.0.1", port, ssl=tls)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        for connection in connections:
            connection.end()
        await asyncio.sleep(0)  # the loop closes their sockets now


@contextmanager
def running(handler: Handler, port: int = 0, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The server's URL, in a thread of its own: for tests that start commands or run event loops themselves."""
    started: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    over = asyncio.Event()

    async def main() -> None:
        async with serving(handler, port, tls) as url:
            started.append(url)
            ready.set()
            await over.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield started[0]
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
