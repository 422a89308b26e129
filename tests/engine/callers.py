"""Calls as the caller makes them, at a model of an endpoint, in time that passes at once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sdspec.calls import Answer
from sdspec.engine.controller import Controller
from sdspec.engine.learned import Load
from sdspec.errors import BackPressure, RowFatal, Transient

Serve = Callable[[Load], Awaitable[Answer]]
SLOW_DOWN = BackPressure("rate_limited", "slow down", status=429)


def load(prompt_bytes: int = 400, max_tokens: int | None = 100) -> Load:
    """One call's load."""
    return Load("m", "generate", prompt_bytes, 1, max_tokens)


async def call(controller: Controller, number: int, asked: Load, serve: Serve) -> Answer | None:
    """The answer; None for a row that is refused, or fails three times."""
    loop, tries, again = asyncio.get_running_loop(), 0, False
    while True:
        async with controller.slot((number, 0), asked, again=again) as slot:
            again, tries, began = True, tries + 1, loop.time()
            try:
                answer = await slot.charged(serve(asked))
            except BackPressure as pressure:
                tries -= 1
                controller.pressed(str(number).encode(), pressure, loop.time() - began, slot.among)
            except Transient as failure:
                controller.failed(str(number).encode(), failure, loop.time() - began)
                if tries == 3:
                    return None
            except RowFatal as refusal:
                controller.refused(refusal)
                return None
            else:
                controller.succeeded(loop.time() - began)
                return answer


async def call_all(controller: Controller, loads: list[Load], serve: Serve) -> list[Answer | None]:
    """All calls at once, in row order."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(call(controller, number, one, serve)) for number, one in enumerate(loads)]
    return [task.result() for task in tasks]


class Full:
    """An endpoint that takes so many calls at once; more are refused at once."""

    def __init__(self, capacity: int, latency_s: Callable[[], float] = lambda: 0.2) -> None:
        self.capacity, self.latency_s = capacity, latency_s
        self.in_flight = self.refused = self.peak = 0
        self.area = self.changed = 0.0

    async def serve(self, _: Load) -> Answer:
        if self.in_flight >= self.capacity:
            self.refused += 1
            raise SLOW_DOWN
        self._change(1)
        try:
            await asyncio.sleep(self.latency_s())
        finally:
            self._change(-1)
        return Answer("x", "stop", 100, 20)

    def mean(self) -> float:
        """In flight on average, from the beginning to the last answer."""
        return self.area / self.changed

    def _change(self, by: int) -> None:
        now = asyncio.get_running_loop().time()
        self.area += self.in_flight * (now - self.changed)
        self.changed = now
        self.in_flight += by
        self.peak = max(self.peak, self.in_flight)
