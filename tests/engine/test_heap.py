"""The garbage collector while a run goes on, and after it."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdspec.engine.heap import THRESHOLDS, calm_heap, settle
from tests.recipes import run_spec, write_spec


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*before)


def test_what_is_loaded_stays_out_of_collections() -> None:
    """What is there inside the block, and at `settle`, is frozen; afterwards all is as before."""
    before = gc.get_threshold()
    with calm_heap():
        assert gc.get_threshold() == THRESHOLDS
        frozen = gc.get_freeze_count()
        assert frozen > 1000
        more = [[number] for number in range(500)]
        settle()
        assert gc.get_freeze_count() >= frozen + len(more)
    assert gc.get_freeze_count() == 0
    assert gc.get_threshold() == before


def test_runs_side_by_side_leave_it_as_the_first_found_it() -> None:
    """Whichever ends last, the process's own thresholds are back."""
    before = gc.get_threshold()
    first, second = calm_heap(), calm_heap()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert gc.get_freeze_count() > 0
    second.__exit__(None, None, None)
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)


def test_a_program_that_froze_its_own_heap_keeps_it() -> None:
    """A server that froze before it forked is not thawed by a run."""
    gc.freeze()
    before = gc.get_freeze_count(), gc.get_threshold()
    with calm_heap():
        settle()
    assert (gc.get_freeze_count(), gc.get_threshold()) == before


def test_a_collector_that_is_switched_off_stays_so() -> None:
    """Thresholds of zero are somebody's choice."""
    gc.set_threshold(0)
    with calm_heap():
        assert gc.get_threshold()[0] == 0


def test_after_a_run_it_is_as_before(tmp_path: Path) -> None:
    """`sdspec.run` in a program of one's own leaves no trace there."""
    before = gc.get_threshold()
    run_spec(write_spec(tmp_path))
    assert (gc.get_threshold(), gc.get_freeze_count()) == (before, 0)
