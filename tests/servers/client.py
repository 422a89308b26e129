"""Sends a provider's requests as they stand, for tests without the caller."""

from __future__ import annotations

import aiohttp

from sdspec.calls import HttpRequest, HttpResponse


async def post(request: HttpRequest, timeout_s: float = 60.0) -> HttpResponse:
    """What came back; raises what aiohttp raises."""
    timeout = aiohttp.ClientTimeout(timeout_s)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.post(request.url, data=request.body, headers=request.headers, allow_redirects=False) as reply,
    ):
        headers = {name.lower(): value for name, value in reply.headers.items()}
        return HttpResponse(reply.status, headers, await reply.read())
