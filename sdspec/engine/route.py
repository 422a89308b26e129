"""How requests reach an address: directly, or by the proxy that the environment names."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies, proxy_bypass

from sdspec.diagnosis import FAIL, Diagnosis


@dataclass(frozen=True, slots=True)
class Route:
    """The way to one address."""

    host: str
    port: int
    variable: str = ""
    """The variable that names a proxy for such addresses; empty where none does."""
    proxy: str = ""
    """HOST:PORT of the proxy that is used; empty for a direct connection. Its user and password are left out."""
    bypass: str = ""
    """Why the proxy is not used: `NO_PROXY`, or that the address is on this machine."""

    def __str__(self) -> str:
        """What to add to a sentence; empty where there is nothing to be said."""
        if self.proxy:
            return f" by the proxy {self.proxy} of {self.variable}"
        return f" without the proxy of {self.variable} ({self.bypass})" if self.variable else ""


def proxy_of(url: str) -> str | None:
    """The URL of the proxy by which this one is reached, its user and password in it; None: directly."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if not proxy or is_here(url) or _is_left_out(parts.hostname or "", _port(parts)):
        return None
    return proxy if "//" in proxy else f"http://{proxy}"


def route_to(url: str) -> Route:
    """The way that a request to this URL takes."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", _port(parts)
    proxy = getproxies().get(parts.scheme)
    if not proxy:
        return Route(host, port)
    lower = f"{parts.scheme}_proxy"  # which comes first where both are set (urllib.request.getproxies_environment)
    variable = lower if os.environ.get(lower) else lower.upper()
    if is_here(url):
        return Route(host, port, variable, bypass="the address is on this machine")
    if _is_left_out(host, port):
        name = "no_proxy" if os.environ.get("no_proxy") else "NO_PROXY"
        return Route(host, port, variable, bypass=f"{name} leaves out {host}")
    named = urlsplit(proxy if "//" in proxy else f"//{proxy}")
    return Route(host, port, variable, proxy=named.netloc.rpartition("@")[2])


def is_here(base_url: str) -> bool:
    """Whether an address is on this machine: no proxy is asked for it."""
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _is_left_out(host: str, port: int) -> bool:
    """Whether NO_PROXY names the host, or the host with this port, or a network of its address (10.0.0.0/8)."""
    if proxy_bypass(host) or proxy_bypass(f"[{host}]:{port}" if ":" in host else f"{host}:{port}"):
        return True
    named = getproxies().get("no", "")
    return any(_is_within(host, network.strip()) for network in named.split(",") if "/" in network)


def _is_within(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:  # a name, or no network
        return False


async def unresolved(route: Route) -> Diagnosis | None:
    """What is wrong with the name of the host; None where it has an address."""
    try:
        await asyncio.get_running_loop().getaddrinfo(route.host, route.port)
    except OSError as error:
        said = f"the name {route.host} cannot be resolved: {error.strerror or error}"
        hint = "Check the address and the region; VPN, private DNS, or a proxy (HTTPS_PROXY) may be needed."
        return Diagnosis("endpoint", FAIL, said, hint, stops=True)
    return None


def unreached(route: Route, error: OSError, timeout_s: float) -> Diagnosis:
    """What to do about an address that does not answer."""
    why = f"no answer within {timeout_s:g} s" if isinstance(error, TimeoutError) else str(error)
    said = f"{route.host}:{route.port} is not reached{route}: {why}"
    if route.proxy and not isinstance(error, TimeoutError):
        return Diagnosis("endpoint", FAIL, str(error), stops=True)  # the transport names the proxy and what to do
    if route.proxy:
        hint = at_proxy(route)
    else:
        hint = "Is it running, and is the address right? A firewall may want a VPN or a proxy (HTTPS_PROXY)."
    return Diagnosis("endpoint", FAIL, said, hint, stops=True)


def at_proxy(route: Route) -> str:
    """What to do about a proxy that does not help."""
    return f"Is {route.variable} right? NO_PROXY={route.host} goes without the proxy."
