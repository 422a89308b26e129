"""Work on files goes on behind its giver's back: in order, bounded, and none left out."""

from __future__ import annotations

import threading

import pytest

from sdspec.errors import StoreError
from sdspec.store.behind import MOST_WAITING, Behind


def test_jobs_are_done_in_order() -> None:
    """The future of a job is done when it and all before it are."""
    behind, done = Behind(), list[int]()
    futures = [behind.give(lambda number=number: done.append(number)) for number in range(50)]  # type: ignore[misc]
    futures[-1].result()
    assert done == list(range(50))
    behind.close()


def test_a_failed_job_is_tried_again_before_the_next() -> None:
    """What stopped it is told, by its future and to who looks, until it is done."""
    behind, done, full = Behind(), list[str](), [True]

    def write() -> None:
        if full[0]:
            raise StoreError("the disk is full.")
        done.append("first")

    for given in (behind.give(write), behind.give(lambda: done.append("second"))):
        with pytest.raises(StoreError, match="full"):
            given.result()
    with pytest.raises(StoreError, match="full"):
        behind.look()
    full[0] = False
    behind.give(lambda: done.append("third")).result()
    behind.look()
    assert done == ["first", "second", "third"]
    behind.close()


def test_who_gives_too_much_waits() -> None:
    """At most so many jobs are in line, however long they take, so that what they hold is bounded."""
    behind, done, pause = Behind(), list[bool](), threading.Event()
    for given in range(1, 4 * MOST_WAITING):
        behind.give(lambda: done.append(pause.wait(0.005)))
        assert given - len(done) <= MOST_WAITING
    behind.close()
