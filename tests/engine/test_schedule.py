"""The schedule commits the same rows in whatever order they finish (law 5), fills quotas (law 6), never deadlocks."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec.engine.schedule import Position, Schedule

Kept = dict[Position, bool]


def drive(
    quotas: list[int], attempts: int, accepts: Kept, uniques: Kept, window: int, order: random.Random
) -> tuple[list[tuple[Position, bool]], int]:
    """What is committed, and how many rows were started, when rows finish in a random order."""
    schedule = Schedule(quotas, attempts)
    running: list[Position] = []
    accepted: Kept = {}
    committed: list[tuple[Position, bool]] = []
    started = 0
    while not schedule.over:
        while (position := schedule.start(room=len(running) < window)) is not None:
            running.append(position)
            started += 1
        assert running or schedule.ready() is not None, "nothing runs and nothing can be committed"
        if running:
            position = running.pop(order.randrange(len(running)))
            accepted[position] = accepts.get(position, True)
            schedule.finished(position, accepted[position])
        while (ready := schedule.ready()) is not None:
            kept = accepted[ready] and uniques.get(ready, True)
            schedule.committed(ready, kept)
            committed.append((ready, kept))
    return committed, started


verdicts = st.dictionaries(st.tuples(st.integers(0, 8), st.integers(0, 4)), st.booleans(), max_size=45)


@settings(max_examples=300, deadline=None)
@given(
    quotas=st.lists(st.integers(0, 6), min_size=1, max_size=5),
    attempts=st.integers(1, 60),
    accepts=verdicts,
    uniques=verdicts,
    windows=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    seeds=st.tuples(st.integers(0, 99), st.integers(0, 99)),
)
def test_order_and_window_change_nothing(
    quotas: list[int],
    attempts: int,
    accepts: Kept,
    uniques: Kept,
    windows: tuple[int, int],
    seeds: tuple[int, int],
) -> None:
    """The committed rows are a function of the verdicts alone."""
    first, _ = drive(quotas, attempts, accepts, uniques, windows[0], random.Random(seeds[0]))
    second, _ = drive(quotas, attempts, accepts, uniques, windows[1], random.Random(seeds[1]))
    assert first == second


@settings(max_examples=200, deadline=None)
@given(quotas=st.lists(st.integers(0, 9), min_size=1, max_size=6), accepts=verdicts, seed=st.integers(0, 99))
def test_quotas_are_met_exactly(quotas: list[int], accepts: Kept, seed: int) -> None:
    """With attempts enough, every item ends with just the kept rows it wanted, the k-th row always before the next."""
    committed, _ = drive(quotas, 10_000, accepts, {}, 16, random.Random(seed))
    for item, quota in enumerate(quotas):
        mine = [(position[0], kept) for position, kept in committed if position[1] == item]
        assert sum(kept for _, kept in mine) == quota
        assert [round_ for round_, _ in mine] == list(range(len(mine)))


@given(quotas=st.lists(st.integers(1, 5), min_size=1, max_size=4), attempts=st.integers(1, 12), seed=st.integers(0, 9))
def test_attempts_are_never_exceeded(quotas: list[int], attempts: int, seed: int) -> None:
    """Where nothing is ever kept, just as many rows are committed as may be attempted."""
    nothing = {(round_, item): False for round_ in range(60) for item in range(4)}
    committed, _ = drive(quotas, attempts, nothing, {}, 8, random.Random(seed))
    assert len(committed) == attempts


def test_nothing_is_started_ahead_while_all_is_accepted() -> None:
    """With every row accepted, no more rows are started than wanted."""
    _, started = drive([50, 50], 1000, {}, {}, 64, random.Random(1))
    assert started == 100


def test_a_row_behind_one_that_still_resolves_may_not_buy() -> None:
    """A purchase waits while an earlier row may resolve from the journal, and no longer than that."""
    schedule = Schedule([2], 100)
    first, second = schedule.start(room=True), schedule.start(room=True)
    assert first is not None
    assert second is not None
    schedule.missed(second)
    assert not schedule.may_buy(second)
    schedule.missed(first)
    assert schedule.may_buy(second)
