"""An event loop whose time passes at once: what waits for a minute is over in no time, in the same order."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

T = TypeVar("T")


class _Instant(selectors.DefaultSelector):  # type: ignore[misc, valid-type]  # the best one of this system
    """A selector that never waits: it moves the clock on instead."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if not found and timeout is None:
            raise AssertionError("nothing is left that could happen: something waits for ever")
        self.now += 0.0 if found else timeout or 0.0
        return found


def virtually(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What `main` returns; its clock, also that of asyncio-throttle, starts at 0 and jumps from one timer to the next.

    AssertionError where it waits for something that nothing will ever bring.
    """
    selector = _Instant()
    loop = asyncio.SelectorEventLoop(selector)
    loop.time = lambda: selector.now  # type: ignore[method-assign]
    with (
        patch("asyncio_throttle.throttler.time", SimpleNamespace(monotonic=loop.time)),
        asyncio.Runner(loop_factory=lambda: loop) as runner,
    ):
        return runner.run(main())
