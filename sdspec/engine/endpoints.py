"""Opens each provider of a plan once, when its first answer must be bought: a run out of the journal needs none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from ssl import SSLContext

from sdspec.contracts import Endpoint, Transport
from sdspec.engine.controller import Closed
from sdspec.engine.route import is_here
from sdspec.engine.transport import http_transport
from sdspec.errors import AuthExpired, PrerequisiteError, RunFatal
from sdspec.plan.plan import Model

Opened = tuple[Endpoint, Transport]

PROBE_TIMEOUT_S = 30.0
"""A gateway may hold a request while the model behind it wakes up."""
READ_AGAIN_S = 5.0
"""Credentials that are about to expire are looked at this often, until there are others."""
SAY_EVERY_S = 60.0
STILL_REFUSED = "the endpoint refuses the credentials, also those that were read again: {}"


class Door:
    """The endpoint of one model: opened by the first call, and all calls go through it with the same credentials."""

    def __init__(self, opening: Callable[[asyncio.Event], Awaitable[Opened]]) -> None:
        self._opening = opening
        self._shut = asyncio.Event()
        self._lock = asyncio.Lock()
        self._opened: Opened | None = None
        self._failed: BaseException | None = None
        self._answers_then: int | None = None
        """How many answers there were when the credentials were last read again."""

    async def __call__(self) -> Opened:
        """The open endpoint; its credentials are read again first where they are about to expire."""
        if self._opened is not None and not _is_due(self._opened[0]):
            return self._opened
        async with self._once():
            if self._opened is None:
                self._opened = await self._opening(self._shut)
            elif _is_due(self._opened[0]):
                self._opened = await _renewed_early(self._opened[0]), self._opened[1]
            return self._opened

    async def renew(self, refused: Endpoint, error: AuthExpired, answers: int) -> None:
        """The credentials have been read again, once for all calls that were refused with the same ones.

        `answers` counts those received so far: none since the last time means that new credentials do not help. Raises
        RunFatal then, and PrerequisiteError when there are no others.
        """
        async with self._once():
            assert self._opened is not None
            current, send = self._opened
            if current.secret != refused.secret:
                return
            fresh = await _renewed(current, error)
            if self._answers_then == answers:
                raise RunFatal(STILL_REFUSED.format(error.message))
            self._opened, self._answers_then = (fresh, send), answers

    def shut(self) -> None:
        """The run ends: an endpoint that is not ready yet is no longer waited for."""
        self._shut.set()

    @asynccontextmanager
    async def _once(self) -> AsyncIterator[None]:
        """One call at a time; what fails for one fails for all that come later, and nothing more is sent."""
        async with self._lock:
            if self._failed is not None:
                raise self._failed
            try:
                yield
            except Exception as found:
                self._failed, self._opened = found, None
                raise


class Endpoints:
    """The open endpoints of one run; closed with the stack."""

    def __init__(self, stack: AsyncExitStack, concurrency: int, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._concurrency = concurrency
        self._say = say
        self._lock = asyncio.Lock()
        self._sessions: dict[tuple[SSLContext | None, bool], Transport] = {}

    def opener(self, model: Model) -> Door:
        """The model's door, still closed."""
        return Door(lambda shut: self._open(model, shut))

    async def _open(self, model: Model, shut: asyncio.Event) -> Opened:
        opening = model.provider.open(model.call.id, self._concurrency, self._say)
        endpoint = await self._stack.enter_async_context(opening)
        send = endpoint.transport or await self.session(endpoint)
        return await self._ready(model, endpoint, send, shut), send

    async def session(self, endpoint: Endpoint) -> Transport:
        """One session for all endpoints that trust the same certificates; none goes to this machine by a proxy."""
        kind = endpoint.tls, not is_here(endpoint.base_url)
        async with self._lock:
            if kind not in self._sessions:
                self._sessions[kind] = await self._stack.enter_async_context(http_transport(*kind))
            return self._sessions[kind]

    async def _ready(self, model: Model, endpoint: Endpoint, send: Transport, shut: asyncio.Event) -> Endpoint:
        """The endpoint, which has been waited for where it said so.

        Where it cannot be reached at all the calls will find out, with the patience and the words that they have.
        """
        began, told, renewed = time.monotonic(), -SAY_EVERY_S, False
        while (probe := model.provider.probe(endpoint)) is not None:
            try:
                wait = model.provider.probed(model.call.id, await send(probe, PROBE_TIMEOUT_S))
            except OSError:
                break
            except AuthExpired as refused:
                refused = refused.without(endpoint.secret)
                if renewed:
                    raise RunFatal(STILL_REFUSED.format(refused.message)) from refused
                endpoint, renewed = await _renewed(endpoint, refused), True
                continue
            if wait is None:
                break
            waited_s = time.monotonic() - began
            if waited_s + wait.pause_s > wait.longest_s:
                raise PrerequisiteError(f"{wait.said}, and {waited_s:.0f} s of waiting were not enough. {wait.hint}")
            if waited_s >= told + SAY_EVERY_S:
                told = waited_s
                self._say(f"{wait.said}: waited {waited_s:.0f} of {wait.longest_s:.0f} s")
            with suppress(TimeoutError):
                async with asyncio.timeout(wait.pause_s):
                    await shut.wait()
                raise Closed
        return endpoint


async def _renewed(refused: Endpoint, error: AuthExpired) -> Endpoint:
    if refused.renew is None:
        raise RunFatal(f"the endpoint refuses the credentials: {error.message}") from error
    return await asyncio.to_thread(refused.renew, error.message)


async def _renewed_early(endpoint: Endpoint) -> Endpoint:
    """The endpoint with newer credentials, or as it is: the old ones are good until they are refused."""
    assert endpoint.renew is not None
    try:
        return await asyncio.to_thread(endpoint.renew, "")
    except PrerequisiteError:
        return replace(endpoint, renew_at=time.time() + READ_AGAIN_S)


def _is_due(endpoint: Endpoint) -> bool:
    return endpoint.renew is not None and endpoint.renew_at is not None and time.time() >= endpoint.renew_at
