"""A small HTTP/1.1 server on loopback that test servers stand on: keep-alive, and connections that fail on purpose."""

from __future__ import annotations

import asyncio
import re
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cached_property

REASONS = {200: "OK", 206: "Partial Content", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


class Headers(Mapping[str, str]):
    """The headers of a request, names in lower case; read when one is looked at, which fast servers never do."""

    def __init__(self, lines: bytes) -> None:
        self._lines = lines

    @cached_property
    def _read(self) -> dict[str, str]:
        pairs = (line.partition(":") for line in self._lines.decode("latin-1").split("\r\n") if line)
        return {name.lower(): value.strip() for name, _, value in pairs}

    def __getitem__(self, name: str) -> str:
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._read)

    def __len__(self) -> int:
        return len(self._read)


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


class Connection(asyncio.Protocol):
    """One client connection; its requests are taken one after the other, each once the one before it is replied to."""

    def __init__(self, take: Take) -> None:
        self._take = take
        self._buffer = bytearray()
        self._method = ""
        self._transport: asyncio.Transport
        self.task: asyncio.Task[None] | None = None
        """What works on the reply; nobody waits for it once the client is gone."""
        self.open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self.open = transport, True

    def connection_lost(self, exc: Exception | None) -> None:
        """What nobody waits for any more is no longer in flight."""
        self.open = False
        if self.task:
            self.task.cancel()

    def end(self) -> None:
        """It is closed, whatever is in flight."""
        if self.open:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        self._next()

    def _next(self) -> None:
        if not self._method and (request := self._taken()) is not None:
            self._method = request.method
            self._take(request, self)

    def _taken(self) -> Request | None:
        """The next whole request, taken out of the buffer."""
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return None
        head, start = bytes(self._buffer[:end]), end + 4
        length = _LENGTH.search(head)
        stop = start + (int(length[1]) if length else 0)
        if len(self._buffer) < stop:
            return None
        body = bytes(self._buffer[start:stop])
        del self._buffer[:stop]
        first, _, lines = head.partition(b"\r\n")
        method, path, _ = first.decode("latin-1").split(" ", 2)
        return Request(method, path, Headers(lines), body)

    def reply(self, reply: Reply) -> None:
        """The reply to the request that was taken last is sent."""
        if reply.drop:
            self._transport.abort()
            return
        head = f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Status')}\r\n"
        if "content-type" not in reply.headers:
            head += "content-type: application/json\r\n"
        if "content-length" not in reply.headers:
            head += f"content-length: {len(reply.body)}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items()) + "\r\n"
        body = b"" if self._method == "HEAD" else reply.body[: reply.cut]
        self._transport.write(head.encode("latin-1") + body)
        if reply.cut is not None:
            self._transport.close()
        self._method = ""
        if self._buffer:
            self._next()


Take = Callable[[Request, Connection], None]
"""Is given each request, and sees to it that the connection replies, now or later."""
Handler = Callable[[Request], Awaitable[Reply]]


@asynccontextmanager
async def taking(take: Take, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The server's URL, in the running event loop; connections are dropped at the end."""
    connections: list[Connection] = []
    loop = asyncio.get_running_loop()

    def connected() -> Connection:
        connections.append(Connection(take))
        return connections[-1]

    server = await loop.create_server(connected, "127.0.0.1", port, ssl=tls, backlog=1024)
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for connection in connections:
            connection.end()
        await asyncio.sleep(0)  # the loop closes their sockets now


@asynccontextmanager
async def serving(handler: Handler, port: int = 0, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The server's URL, in the running event loop; requests still being answered at the end are dropped."""
    tasks: set[asyncio.Task[None]] = set()

    async def answer(request: Request, connection: Connection) -> None:
        connection.reply(await handler(request))

    def take(request: Request, connection: Connection) -> None:
        connection.task = asyncio.ensure_future(answer(request, connection))
        tasks.add(connection.task)
        connection.task.add_done_callback(tasks.discard)

    async with taking(take, port, tls) as url:
        try:
            yield url
        finally:
            for task in tasks:
                task.cancel()


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
