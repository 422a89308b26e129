"""What the controller says of itself: why calls do not go out, and for how long, as far as it is worth a word."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from sdspec.contracts import Limits
from sdspec.engine.controller import Controller
from sdspec.engine.learned import Load
from sdspec.errors import BackPressure, RowFatal, Transient

LOAD = Load("m", "generate", 400, 1, 100)


def slow_down(retry_after_s: float | None = None) -> BackPressure:
    return BackPressure("rate_limited", "slow down", status=429, retry_after_s=retry_after_s)


@contextmanager
def waiting_calls(controller: Controller, count: int) -> Iterator[list[asyncio.Task[None]]]:
    """So many calls that wait for a slot, and keep it for good."""

    async def call(number: int) -> None:
        async with controller.slot((number, 0), LOAD):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(call(number)) for number in range(count)]
    yield tasks
    for task in tasks:
        task.cancel()


async def settled() -> None:
    """Whatever can go on without time has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


def later(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    """The running loop's clock goes forward at once."""
    loop = asyncio.get_running_loop()
    time = loop.time
    monkeypatch.setattr(loop, "time", lambda: time() + seconds)


async def test_a_long_retry_after_is_told() -> None:
    """While everybody pauses because the endpoint said so, the time that is left is known."""
    controller = Controller(4, None, 300.0)
    controller.succeeded(0.1)
    assert controller.holds_back() == ""
    controller.pressed(b"a", slow_down(60.0), 0.1)
    assert controller.holds_back() == ""  # nobody wants to call
    with waiting_calls(controller, 2):
        await asyncio.sleep(0)
        assert controller.holds_back() == "next calls in 60 s: asked to slow down (rate_limited)"
        controller.succeeded(0.1)  # one that was still out
        assert controller.holds_back() == "next calls in 60 s: asked to slow down (rate_limited)"


async def test_short_pauses_are_not_worth_a_word() -> None:
    """A cool-down of a second is the daily round of a busy endpoint."""
    controller = Controller(4, None, 300.0)
    controller.pressed(b"a", slow_down(1.0), 0.1)
    with waiting_calls(controller, 2):
        await asyncio.sleep(0)
        assert controller.holds_back() == ""


async def test_an_outage_is_told_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails, for how long, and when the run gives up; sooner where nothing was ever answered."""
    down = Transient("connection", "connection refused")
    controller = Controller(8, None, 300.0)
    for key in (b"a", b"b", b"c", b"d"):
        controller.failed(key, down, 0.01)
    later(monkeypatch, 5.0)
    said = "no answer for 5 s, giving up after 10 s: connection: connection refused"
    assert said == controller.holds_back()
    controller.succeeded(0.1)
    assert controller.holds_back() == ""
    for key in (b"a", b"b", b"c", b"d"):
        controller.failed(key, down, 0.01)
    later(monkeypatch, 5.0)
    assert "no answer for 5 s, giving up after 300 s" in controller.holds_back()


async def test_a_row_that_fails_alone_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last row of a run may fail while nothing else is asked: that is no outage."""
    controller = Controller(8, None, 300.0)
    controller.succeeded(0.1)
    controller.failed(b"a", Transient("server_error", "oh"), 0.01)
    later(monkeypatch, 5.0)
    assert controller.holds_back() == "trying again: server_error: oh"


async def test_a_doubt_is_told() -> None:
    """When all that came back are refusals, the calls in flight decide whether this endpoint answers at all."""
    controller = Controller(64, None, 300.0)
    with waiting_calls(controller, 20):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for _ in range(12):
            controller.refused(RowFatal("content_filter", "no"))
        said = "12 requests refused (content_filter), none answered: waiting for those in flight"
        assert said == controller.holds_back()


async def test_a_limit_of_requests_is_told() -> None:
    """Calls that wait for the next minute hold no slot, and are not in flight."""
    controller = Controller(8, Limits(rpm=12), 300.0)
    with waiting_calls(controller, 8):
        await settled()
        assert controller.holds_back() == "keeping to 12 requests a minute"
        assert (controller.out, controller.in_flight) == (2, 2)
