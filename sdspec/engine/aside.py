"""Blocking work in a thread that nobody must wait for: an interrupt need not see a library imported to its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

_T = TypeVar("_T")


async def aside(work: Callable[[], _T]) -> _T:
    """What the work gives, or raises. It goes on where nobody waits any more, and ends with the process at the latest.

    Threads of `asyncio.to_thread` are waited for when the event loop ends, and again when the process does.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[_T] = loop.create_future()

    def tell(result: _T | None, error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(result)  # type: ignore[arg-type]  # what the work gave
        else:
            done.set_exception(error)

    def go() -> None:
        result, failed = None, None
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001  # told to who waits
            failed = error
        with suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(tell, result, failed)

    threading.Thread(target=go, name="aside", daemon=True).start()
    return await done
