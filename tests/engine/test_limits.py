"""The laws of the controller, in virtual time: limits hold for any outcomes, and nothing waits for ever."""

import asyncio
import random
from collections.abc import Awaitable, Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec.calls import Answer
from sdspec.contracts import Limits
from sdspec.engine.controller import Closed, Controller
from sdspec.engine.learned import Load
from sdspec.errors import BackPressure, RowFatal, RunFatal, Transient
from tests.engine.callers import SLOW_DOWN, Full, call, call_all, load
from tests.servers.meter import Meter, MinuteLimits
from tests.virtual import virtually

OUTCOMES: dict[str, Callable[[], Exception | None]] = {
    "answer": lambda: None,
    "429": lambda: SLOW_DOWN,
    "429, 3 s": lambda: BackPressure("rate_limited", "slow down", status=429, retry_after_s=3.0),
    "500": lambda: Transient("server_error", "oh", status=500),
    "timeout": lambda: Transient("timeout", "no answer"),
    "400": lambda: RowFatal("bad_request", "no", status=400),
}


@settings(max_examples=60, deadline=None)
@given(
    outcomes=st.lists(st.sampled_from(sorted(OUTCOMES)), max_size=60),
    sizes=st.lists(st.integers(1, 5000), min_size=1, max_size=60),
    most=st.integers(1, 40),
    limits=st.builds(
        Limits,
        rpm=st.none() | st.integers(1, 100),
        itpm=st.none() | st.integers(1, 5000),
        otpm=st.none() | st.integers(1, 5000),
    ),
    slow_start=st.booleans(),
)
def test_any_outcomes_keep_to_the_limits_and_come_to_an_end(
    outcomes: list[str], sizes: list[int], most: int, limits: Limits, slow_start: bool
) -> None:
    """In flight is never beyond the limit; every call ends, whatever comes back, also one larger than a minute."""

    async def main() -> None:
        controller = Controller(most, limits, 1e9, slow_start=slow_start)
        controller.succeeded(0.1)
        controller.proven = True
        meter = Meter(MinuteLimits(), asyncio.get_running_loop().time)
        peak, left = 0, list(outcomes)

        async def serve(asked: Load) -> Answer:
            nonlocal peak
            peak = max(peak, controller.in_flight)
            meter.requests.add(1)
            error = OUTCOMES[left.pop() if left else "answer"]()
            await asyncio.sleep(0.1)
            if error is not None:
                raise error
            return Answer("x", "stop", asked.prompt_bytes // 4, 30)

        ended = await call_all(controller, [load(size) for size in sizes], serve)
        assert len(ended) == len(sizes)
        assert 0 < peak <= most
        assert (controller.in_flight, controller.out) == (0, 0)
        assert limits.rpm is None or meter.requests.peak <= limits.rpm

    virtually(main)


@pytest.mark.parametrize("kind", ["rpm", "itpm", "otpm"])
@pytest.mark.parametrize("seed", range(3))
def test_a_minute_is_never_exceeded_and_well_used(kind: str, seed: int) -> None:
    """As the server counts, over every 60 s; requests arrive up to 2 s late, answers vary tenfold."""
    limit = {"rpm": 600, "itpm": 60_000, "otpm": 12_000}[kind]

    async def main() -> None:
        rng = random.Random(seed)
        loop = asyncio.get_running_loop()
        meter = Meter(MinuteLimits(**{kind: limit}), loop.time)

        async def serve(asked: Load) -> Answer:
            await asyncio.sleep(rng.choice([0.01, 0.2, 1.9]))
            tokens = round(asked.prompt_bytes / 4 * rng.uniform(0.9, 1.1))
            if meter.arrived(tokens):
                raise SLOW_DOWN
            await asyncio.sleep(0.2 * rng.lognormvariate(0, 0.5))
            spoken = min(100, round(25 * rng.lognormvariate(0, 0.6)))
            meter.answered(spoken)
            await asyncio.sleep(rng.uniform(0.0, 0.1))
            return Answer("x", "stop", tokens, spoken)

        controller = Controller(64, Limits(**{kind: limit}), 300.0, slow_start=True)
        loads = [load(rng.randrange(200, 800)) for _ in range(2600)]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call_all(controller, loads, serve), 200.0)
        found = {"rpm": meter.requests, "itpm": meter.input, "otpm": meter.output}[kind]
        assert meter.refused == 0
        assert found.peak <= limit
        assert sum(found.minutes[1:3]) >= 0.95 * 2 * limit

    virtually(main)


@pytest.mark.parametrize("sigma", [0.0, 0.3, 0.8])
@pytest.mark.parametrize("seed", range(3))
def test_a_full_endpoint_is_kept_full_and_left_in_peace(sigma: float, seed: int) -> None:
    """24 calls at once, 64 allowed: few are refused, and more than 18 are in flight on average."""

    async def main() -> None:
        rng = random.Random(seed)
        endpoint = Full(24, lambda: 0.2 * rng.lognormvariate(0, sigma))
        await call_all(Controller(64, None, 300.0, slow_start=True), [load()] * 800, endpoint.serve)
        assert endpoint.refused < 50
        assert endpoint.mean() > 18

    virtually(main)


def test_a_wide_endpoint_is_filled_within_some_round_trips() -> None:
    """Slow start doubles with each round trip: 32, 64, 128, 256."""

    async def main() -> None:
        endpoint = Full(1000)
        await call_all(Controller(256, None, 300.0, slow_start=True), [load()] * 256 * 8, endpoint.serve)
        assert (endpoint.peak, endpoint.refused) == (256, 0)
        assert asyncio.get_running_loop().time() < 0.2 * (8 + 3)

    virtually(main)


def test_more_room_is_found() -> None:
    """An endpoint that takes more after a while is filled again."""

    async def main() -> None:
        endpoint = Full(12)
        controller = Controller(64, None, 300.0, slow_start=True)
        asyncio.get_running_loop().call_later(20.0, setattr, endpoint, "capacity", 40)
        await call_all(controller, [load()] * 8000, endpoint.serve)
        assert endpoint.peak == 40
        assert endpoint.refused < 100

    virtually(main)


def test_rows_go_out_in_their_order() -> None:
    """Among equals the earlier row goes first, whenever it came."""

    async def main() -> None:
        controller, order = Controller(1, None, 300.0), []

        async def one(number: int) -> None:
            async with controller.slot((number, 0), load()):
                order.append(number)
                await asyncio.sleep(0.1)

        async with asyncio.TaskGroup() as group:
            for number in (5, 3, 4, 1, 2):
                group.create_task(one(number))
        assert order == [5, 1, 2, 3, 4]  # the first one found the endpoint idle

    virtually(main)


def test_rows_that_are_always_turned_away_do_not_starve_the_others() -> None:
    """Two early rows get nothing but 429 on an endpoint with one lane; all others are answered meanwhile."""

    async def main() -> None:
        controller = Controller(1, None, 300.0)
        controller.succeeded(0.1)

        async def always(_: Load) -> Answer:
            raise SLOW_DOWN

        endpoint = Full(1)
        stubborn = [asyncio.create_task(call(controller, number, load(), always)) for number in (0, 1)]
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call(controller, number, load(), endpoint.serve)) for number in range(2, 40)]
        assert all(task.result() for task in tasks)
        for task in stubborn:
            task.cancel()

    virtually(main)


def test_a_call_larger_than_a_minute_goes_alone() -> None:
    """It waits until nothing else counts, then goes, and the others follow a minute later."""

    async def main() -> None:
        loop, sent = asyncio.get_running_loop(), []
        controller = Controller(8, Limits(itpm=1000), 300.0)

        async def serve(asked: Load) -> Answer:
            sent.append((round(loop.time()), asked.prompt_bytes))
            return Answer("x", "stop", asked.prompt_bytes, 1)

        await call_all(controller, [load(500), load(5000), load(500)], serve)
        assert [(0, 500), (60, 5000), (120, 500)] == sent

    virtually(main)


def test_a_max_tokens_beyond_the_minute_does_not_make_minutes_of_the_first_calls() -> None:
    """Answers may be 2000 tokens and are 10: of 600 a minute the first one tells, and all go in that minute."""

    async def main() -> float:
        controller = Controller(8, Limits(itpm=500, otpm=600), 300.0)

        async def serve(_: Load) -> Answer:
            await asyncio.sleep(0.1)
            return Answer("x", "stop", 20, 10)

        await call_all(controller, [load(2000, max_tokens=2000)] * 16, serve)
        return asyncio.get_running_loop().time()

    assert virtually(main) < 30


@pytest.mark.parametrize("rpm", [1, 7, 11, 59, 100])
def test_a_few_requests_a_minute_are_used_too(rpm: int) -> None:
    """Whatever the number is, nearly all of it is used, and never more."""

    async def main() -> None:
        meter = Meter(MinuteLimits(rpm=rpm), asyncio.get_running_loop().time)

        async def serve(_: Load) -> Answer:
            meter.arrived(1)
            await asyncio.sleep(0.1)
            return Answer("x", "stop", 1, 1)

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call_all(Controller(8, Limits(rpm=rpm), 300.0), [load()] * 12 * rpm, serve), 610)
        assert meter.requests.peak <= rpm
        assert sum(meter.requests.minutes[1:10]) >= 0.9 * 9 * rpm

    virtually(main)


@pytest.mark.parametrize("error", [Transient("connection", "refused"), SLOW_DOWN])
@pytest.mark.parametrize("rpm", [2, 10])
def test_an_endpoint_that_only_fails_is_given_up_with_few_requests_a_minute_too(rpm: int, error: Exception) -> None:
    """One try after the other fails: that the next one had to wait for its minute does not make it an hour."""

    async def main() -> float:
        with pytest.raises(ExceptionGroup) as ended:
            await call_all(Controller(8, Limits(rpm=rpm), 60.0), [load()] * 4, failing(error))
        assert ended.value.subgroup(RunFatal) is not None
        return asyncio.get_running_loop().time()

    assert virtually(main) < 150


def failing(error: Exception) -> Callable[[Load], Awaitable[Answer]]:
    """An endpoint that always says this."""

    async def serve(_: Load) -> Answer:
        raise error

    return serve


def test_what_the_server_did_not_charge_is_given_back() -> None:
    """Refused calls leave the whole minute to the others; those of which no word came back do not."""

    async def main() -> float:
        controller = Controller(8, Limits(itpm=1000), 300.0)
        controller.succeeded(0.1)
        controller.proven = True
        for number in range(20):
            error = RowFatal("bad_request", "no", status=400)
            await call(controller, number, load(2000), failing(error))
        return asyncio.get_running_loop().time()

    assert virtually(main) < 1.0


def test_what_is_waited_for_is_told() -> None:
    """Which limit holds calls back, in the words of the spec."""

    async def main() -> None:
        controller = Controller(8, Limits(itpm=60_000, otpm=9_000), 300.0)

        async def serve(_: Load) -> Answer:
            await asyncio.sleep(0.1)
            return Answer("x", "stop", 50_000, 10)

        running = asyncio.create_task(call_all(controller, [load(100_000)] * 3, serve))
        await asyncio.sleep(1.0)
        assert "keeping to 60,000 input tokens a minute" == controller.holds_back()
        controller.close()
        with pytest.raises(ExceptionGroup) as ended:
            await running
        assert ended.value.subgroup(Closed) is not None

    virtually(main)


def test_a_minute_that_is_waited_for_is_no_outage() -> None:
    """Two calls a minute, and the first three fail: the time until the next may go out is not the endpoint's fault."""

    async def main() -> None:
        controller = Controller(8, Limits(rpm=2), 300.0)
        left = [Transient("server_error", "oh", status=500)] * 3

        async def serve(_: Load) -> Answer:
            await asyncio.sleep(0.1)
            if left:
                raise left.pop()
            return Answer("x", "stop", 1, 1)

        assert all(await call_all(controller, [load()] * 4, serve))
        assert asyncio.get_running_loop().time() > 180

    virtually(main)
