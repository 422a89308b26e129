"""The one HTTP session: sends a request, returns what came back, turns aiohttp's errors into Python's own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from socket import gaierror
from ssl import SSLCertVerificationError, SSLContext, SSLError
from urllib.parse import urlsplit

from sdspec.calls import HttpRequest, HttpResponse
from sdspec.contracts import Transport
from sdspec.engine.route import proxy_of, route_to
from sdspec.errors import RunFatal

UNKNOWN_ISSUER = frozenset({18, 19, 20, 21})
"""OpenSSL's codes for a certificate that none of the trusted ones has signed (x509_vfy.h)."""


@asynccontextmanager
async def http_transport(tls: SSLContext | None = None, proxies: bool = True) -> AsyncIterator[Transport]:
    """A transport over one shared session; connections are kept open, as many as there are calls in flight.

    `proxies`: HTTP_PROXY, HTTPS_PROXY and NO_PROXY are obeyed, as they are when an address is first called. aiohttp's
    own way (`trust_env`) reads them, and ~/.netrc, in two other threads for each request: twice the time of all else,
    and what a .netrc says of a host stands against the key of the spec.
    """
    import aiohttp  # 0.2 s to import, and provider `fake` never needs it

    connector = aiohttp.TCPConnector(limit=0, ttl_dns_cache=300, ssl=tls or True)
    async with aiohttp.ClientSession(
        connector=connector, auto_decompress=True, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        proxy_to = cache(proxy_of)

        async def send(request: HttpRequest, timeout_s: float) -> HttpResponse:
            try:
                async with (
                    asyncio.timeout(timeout_s),
                    session.request(
                        request.method,
                        request.url,
                        data=request.body or None,
                        headers=request.headers,
                        timeout=None,
                        allow_redirects=False,
                        proxy=proxy_to(request.url) if proxies else None,
                    ) as response,
                ):
                    body = await response.read()
                    headers = {name.lower(): value for name, value in response.headers.items()}
                    return HttpResponse(response.status, headers, body)
            except aiohttp.ClientConnectorCertificateError as found:
                raise RunFatal(_distrusted(request.url, found.certificate_error)) from found
            except (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError) as found:
                raise ConnectionError(_no_proxy(request.url, found)) from found
            except aiohttp.ClientConnectorError as found:
                raise ConnectionError(_unconnected(found.host, found.port, found.os_error)) from found
            except aiohttp.ClientResponseError as found:
                raise ConnectionError(f"what came back is no HTTP: {' '.join(found.message.split())}") from found
            except aiohttp.ClientError as found:
                raise ConnectionError(f"{type(found).__name__}: {found}") from found

        yield send


def _unconnected(host: str, port: int | None, error: OSError) -> str:
    """Why nothing is connected, in the system's words; asyncio's own repeat the address."""
    system = not isinstance(error, gaierror | SSLError) and error.errno is not None and error.errno > 0
    why = os.strerror(error.errno or 0) if system else error.strerror or str(error)
    return f"cannot connect to {host}:{port}: {why}"


def _no_proxy(url: str, error: Exception) -> str:
    """What to do about a proxy that cannot be reached, or does not let the request through; not its password."""
    route = route_to(url)
    said = f"the proxy {route.proxy} of {route.variable} does not lead to {route.host}: {error}."
    return f"{said} Where no proxy is needed: export NO_PROXY={route.host}"


def _distrusted(url: str, error: Exception) -> str:
    """What to do about a certificate that is not trusted."""
    if not isinstance(error, SSLCertVerificationError):
        return f"the certificate of {urlsplit(url).netloc} is not trusted: {error}"
    said = f"the certificate of {urlsplit(url).netloc} is not trusted: {error.verify_message}."
    if error.verify_code not in UNKNOWN_ISSUER:
        return said
    return f"{said} If your organisation signs its own, name the file of its CA: provider.ca_bundle=/path/to/ca.pem"
