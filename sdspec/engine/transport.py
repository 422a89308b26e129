"""The one HTTP session: sends a request, returns what came back, turns aiohttp's errors into Python's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sdspec.calls import HttpRequest, HttpResponse
from sdspec.contracts import Transport


@asynccontextmanager
async def http_transport() -> AsyncIterator[Transport]:
    """A transport over one shared session; connections are kept open, as many as there are calls in flight."""
    import aiohttp  # 0.2 s to import, and provider `fake` never needs it

    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300)
    async with aiohttp.ClientSession(
        connector=connector, auto_decompress=True, trust_env=True, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:

        async def send(request: HttpRequest, timeout_s: float) -> HttpResponse:
            try:
                async with (
                    asyncio.timeout(timeout_s),
                    session.post(
                        request.url, data=request.body, headers=request.headers, timeout=None, allow_redirects=False
                    ) as response,
                ):
                    body = await response.read()
                    headers = {name.lower(): value for name, value in response.headers.items()}
                    return HttpResponse(response.status, headers, body)
            except aiohttp.ClientError as found:
                raise ConnectionError(f"{type(found).__name__}: {found}") from found

        yield send
