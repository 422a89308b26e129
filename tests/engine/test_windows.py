"""Tokens of a minute, the guesses of calls, and the pace: pure, against models that are plain to see."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdspec.calls import Answer
from sdspec.engine.learned import ENOUGH, Learned
from sdspec.engine.pace import DECREASE, Pace
from sdspec.engine.windows import LATE_S, MINUTE_S, Guess, Window
from tests.engine.callers import load

STEPS = st.lists(
    st.tuples(st.floats(0, 40), st.sampled_from(["reserve", "settle", "again"]), st.integers(0, 9), st.integers(0, 99))
)


@given(steps=STEPS, by_arrival=st.booleans())
def test_what_is_reserved_is_returned_once(steps: list[tuple[float, str, int, int]], by_arrival: bool) -> None:
    """Whatever the order, also when a call is settled twice or after its minute: used is what a plain list says."""
    window, now, held = Window(500, by_arrival=by_arrival), 0.0, []
    said: dict[int, tuple[float, int]] = {}
    for wait_s, what, which, tokens in steps:
        now += wait_s
        if what == "reserve":
            held.append((window.reserve(now, Guess(tokens)), now, tokens))
        elif held:
            at = which % len(held)
            reservation, began, _ = held[at]
            if at not in said:
                said[at] = (min(now, began + LATE_S) if by_arrival else now, tokens)
            window.settle(reservation, now, tokens)
        expected = sum(tokens for at, tokens in said.values() if at + MINUTE_S > now)
        waiting = [one for number, one in enumerate(held) if number not in said]
        expected += sum(guess for _, began, guess in waiting if not by_arrival or began + LATE_S + MINUTE_S > now)
        assert window.used(now) == pytest.approx(expected)


@given(amounts=st.lists(st.integers(1, 700), min_size=1, max_size=60), by_arrival=st.booleans())
def test_what_waits_fits_when_it_was_said_to(amounts: list[int], by_arrival: bool) -> None:
    """No amount waits for ever, and no minute holds more than the limit but for one that is larger by itself."""
    window, now = Window(500, by_arrival=by_arrival), 0.0
    for tokens in amounts:
        while not window.fits(now, Guess(tokens)):
            wait_s = window.wait_s(now)
            assert wait_s is not None
            now += wait_s + 0.001
        window.settle(window.reserve(now, Guess(tokens)), now, tokens)
        assert window.used(now) <= 500 or window.used(now) == tokens


def test_only_answers_make_room_for_output() -> None:
    """Output that calls in flight may still take does not pass with time."""
    window = Window(500, by_arrival=False)
    held = window.reserve(0.0, Guess(400))
    assert window.wait_s(100.0) is None
    window.settle(held, 100.0, 300)
    assert window.fits(100.0, Guess(200))


def test_guesses_become_those_of_the_endpoint() -> None:
    """At first max_tokens and dense text; after some answers what they had, with their spread."""
    learned = Learned()
    asked = load(400, 100)
    assert (176.0, 100.0) == (learned.input(asked, MANY).mean, learned.output(asked, MANY).mean)
    for number in range(ENOUGH):
        learned.saw(asked, Answer("x", "stop", 100, 20 + number % 2))
    assert (100.0, 20.5) == (learned.input(asked, MANY).mean, learned.output(asked, MANY).mean)
    assert 0.0 == pytest.approx(learned.input(asked, MANY).variance)
    assert 0.25 == pytest.approx(learned.output(asked, MANY).variance)
    assert 100.0 == learned.output(replace(asked, step="another"), MANY).mean


MANY = 10**6
"""A minute's tokens that no guess comes near to."""

EVENTS = st.lists(
    st.tuples(
        st.floats(0.001, 2.0), st.booleans(), st.integers(1, 300), st.none() | st.floats(0, 30), st.floats(0.01, 1.0)
    ),
    max_size=200,
)


@given(events=EVENTS, most=st.integers(1, 256), slow_start=st.booleans())
def test_the_limit_stays_in_bounds_and_falls_once_a_round_trip(
    events: list[tuple[float, bool, int, float | None, float]], most: int, slow_start: bool
) -> None:
    """Between 1 and what is allowed; back-pressure takes 15 %, and not again before a round trip is over."""
    pace, now, fell_at = Pace(most, slow_start=slow_start), 0.0, -1e9
    for passed_s, answered, among, retry_after_s, took_s in events:
        now += passed_s
        before, alone = pace.limit, pace.alone
        if answered:
            pace.answered(now, took_s, min(among, most))
            assert pace.limit >= (before // 2 if alone else before)
            continue
        round_trip_s = pace.round_trip_s
        pace.pressed(now, now - took_s, min(among, most), retry_after_s)
        assert pace.limit <= before
        assert retry_after_s is None or pace.cool_until >= now + retry_after_s
        if pace.limit < before:
            assert now - fell_at > round_trip_s
            fell_at = now
        assert 1 <= pace.limit <= most


def test_the_first_back_pressure_takes_fifteen_percent() -> None:
    """Of what was allowed then."""
    pace = Pace(100, slow_start=False)
    pace.pressed(1.0, 0.9, 100, None)
    assert int(100 * DECREASE) == pace.limit
