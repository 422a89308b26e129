"""Opens each provider of a plan once, when its first answer must be bought: a run out of the journal needs none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from sdspec.contracts import Endpoint, Transport
from sdspec.engine.transport import http_transport
from sdspec.plan.plan import Model

Opened = tuple[Endpoint, Transport]


class Endpoints:
    """The open endpoints of one run; closed with the stack."""

    def __init__(self, stack: AsyncExitStack, concurrency: int, say: Callable[[str], None]) -> None:
        self._stack = stack
        self._concurrency = concurrency
        self._say = say
        self._lock = asyncio.Lock()
        self._http: Transport | None = None

    def opener(self, model: Model) -> Callable[[], Awaitable[Opened]]:
        """A function that gives the model's endpoint, opened by its first call; later calls get the same one."""
        opened: list[Opened] = []
        failed: list[BaseException] = []

        async def get() -> Opened:
            if opened:
                return opened[0]
            async with self._lock:
                if failed:
                    raise failed[0]
                if not opened:
                    try:
                        opened.append(await self._open(model))
                    except Exception as found:
                        failed.append(found)
                        raise
            return opened[0]

        return get

    async def _open(self, model: Model) -> Opened:
        opening = model.provider.open(model.call.id, self._concurrency, self._say)
        endpoint = await self._stack.enter_async_context(opening)
        if endpoint.transport is not None:
            return endpoint, endpoint.transport
        if self._http is None:
            self._http = await self._stack.enter_async_context(http_transport())
        return endpoint, self._http
