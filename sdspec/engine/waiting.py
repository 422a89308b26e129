"""Calls that wait for a slot: those of earlier rows first, and those that failed before in turn with fresh ones."""

from __future__ import annotations

import asyncio
import heapq
from dataclasses import dataclass, field

from sdspec.engine.learned import Load
from sdspec.engine.quota import Slot


@dataclass(order=True, slots=True)
class Waiter:
    """One call that waits."""

    priority: tuple[int, int]
    ticket: int
    """Among calls of one row: who came first."""
    load: Load = field(compare=False)
    granted: asyncio.Future[Slot] = field(compare=False)


class Waiting:
    """Two queues in row order, one for calls that failed before; where both wait they take turns.

    So rows that keep failing cannot hold back fresh ones, and fresh ones cannot hold back rows that once failed.
    """

    def __init__(self) -> None:
        self._queues: tuple[list[Waiter], list[Waiter]] = ([], [])
        self._turn = True

    def __bool__(self) -> bool:
        return self.first() is not None

    def add(self, waiter: Waiter, *, again: bool) -> None:
        """The call waits; `again` when it failed, or was turned away, before."""
        heapq.heappush(self._queues[again], waiter)

    def first(self) -> Waiter | None:
        """The call whose turn it is; None where none waits."""
        queue = self._next()
        return queue[0] if queue else None

    def pop(self) -> Waiter:
        """The call whose turn it is, which no longer waits."""
        queue = self._next()
        self._turn = queue is not self._queues[True]
        return heapq.heappop(queue)

    def drain(self) -> list[Waiter]:
        """All that wait; none does afterwards."""
        found = [waiter for queue in self._queues for waiter in queue if not waiter.granted.done()]
        for queue in self._queues:
            queue.clear()
        return found

    def _next(self) -> list[Waiter]:
        """The queue whose turn it is; those who left it, cancelled, are dropped on the way."""
        for queue in self._queues:
            while queue and queue[0].granted.done():
                heapq.heappop(queue)
        ours, theirs = self._queues[self._turn], self._queues[not self._turn]
        return ours or theirs
