"""Processes that buy for one journal at once: each answer is bought by one of them, and the others wait for it.

    slot -> claim it -> somebody else has: give the slot back, wait until it is free, look into the journal

Where that shows before there is a slot, none is asked for: a slot may be a request of the minute.

Who waits holds neither slot nor claim, and looks at a lock now and then.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType

from sdspec.engine.controller import Closed
from sdspec.store.claims import Claims

LOOK_S = 0.05
"""Pause between two looks: little beside a call, and a thousand keys cost a few per cent of a core."""


class ClaimedElsewhere(Exception):
    """Another process is buying this answer now, or has just bought it."""


@dataclass(frozen=True, slots=True)
class _Waiter:
    wanted: Callable[[], bool]
    until: float
    free: asyncio.Future[None]


class Rivals:
    """The other processes that buy for a journal."""

    def __init__(self, claims: Claims, patience_s: float, held: Callable[[bytes], Awaitable[object | None]]) -> None:
        """`held` says whether the journal holds a key; who holds a claim for longer than `patience_s` hangs."""
        self._claims = claims
        self._patience_s = patience_s
        self._held = held
        self._waiting: dict[bytes, _Waiter] = {}
        self._next_look: asyncio.TimerHandle | None = None

    @property
    def awaited(self) -> int:
        """Answers that others are buying, and this process waits for."""
        return len(self._waiting)

    def is_buying(self, key: bytes) -> bool:
        """Whether another process is buying the key just now: no slot need be waited for."""
        return self._claims.has_company and not self._claims.is_free(key)

    def claim(self, key: bytes) -> _Claim:
        """A block in which only this process buys the key; it raises ClaimedElsewhere where it has no need to begin."""
        return _Claim(self._claims, self._held, key)

    async def bought(self, key: bytes, wanted: Callable[[], bool]) -> None:
        """Returns when nobody else is buying the key any more, or for too long; raises Closed when it is not wanted.

        A key is waited for once at a time.
        """
        if self._claims.is_free(key):
            return
        loop = asyncio.get_running_loop()
        waiter = _Waiter(wanted, loop.time() + self._patience_s, loop.create_future())
        self._waiting[key] = waiter
        if self._next_look is None:
            self._next_look = loop.call_later(LOOK_S, self._look)
        try:
            await waiter.free
        finally:
            del self._waiting[key]

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        for key, waiter in self._waiting.items():
            if waiter.free.done():
                continue
            if not waiter.wanted():
                waiter.free.set_exception(Closed())
            elif self._claims.is_free(key):
                waiter.free.set_result(None)
            elif loop.time() > waiter.until:
                self._claims.disregard(key)
                waiter.free.set_result(None)
        self._next_look = loop.call_later(LOOK_S, self._look) if self._waiting else None


class _Claim:
    """See `Rivals.claim`; a class, as it is entered for each call."""

    __slots__ = ("_claims", "_held", "_key")

    def __init__(self, claims: Claims, held: Callable[[bytes], Awaitable[object | None]], key: bytes) -> None:
        self._claims = claims
        self._held = held
        self._key = key

    async def __aenter__(self) -> None:
        if not self._claims.take(self._key):
            raise ClaimedElsewhere
        if self._claims.has_company:
            try:
                if await self._held(self._key) is not None:
                    raise ClaimedElsewhere
            except BaseException:
                self._claims.give_back(self._key)
                raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._claims.give_back(self._key)
