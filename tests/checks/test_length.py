"""Check `length`: what is counted, and the bounds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdspec.checks.length import Length


def check(**options):
    return Length(column="answer", **options)


@pytest.mark.parametrize(
    ("value", "unit", "length"),
    [
        ("", "chars", 0),
        ("Straße 😀", "chars", 8),
        (" two  words\n", "words", 2),
        ("", "words", 0),
        ("one\ntwo\n", "lines", 2),
        ("one\r\n\r\nthree", "lines", 3),
        ("", "lines", 0),
        (None, "chars", 0),
        (None, "lines", 0),
        (["a b", "c"], "words", 2),
        ([], "chars", 0),
        (1234, "chars", 4),
        ({"a": 1}, "chars", 7),
        (True, "chars", 4),
    ],
)
def test_what_is_counted(value, unit, length):
    """Texts by their unit, lists by items, null as nothing, anything else as its JSON text."""
    assert check(max=100, unit=unit).examine(value).evidence == {"length": length}


@pytest.mark.parametrize(
    ("options", "value", "reason", "detail"),
    [
        ({"min": 3}, "abc", "", ""),
        ({"max": 3}, "abc", "", ""),
        ({"min": 4}, "abc", "too_short", "3 chars, at least 4 wanted"),
        ({"max": 2, "unit": "words"}, "a b c", "too_long", "3 words, at most 2 wanted"),
        ({"min": 2, "unit": "lines"}, "a", "too_short", "1 lines, at least 2 wanted"),
        ({"min": 2, "max": 3}, ["a"] * 4, "too_long", "4 items, at most 3 wanted"),
        ({"min": 1}, None, "too_short", "0 chars, at least 1 wanted"),
        ({"max": 0}, "", "", ""),
    ],
)
def test_bounds(options, value, reason, detail):
    """Both bounds are inside; a reject says what was there and what is wanted."""
    verdict = check(**options).examine(value)
    assert (not reason, reason, detail) == (verdict.ok, verdict.reason, verdict.detail)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, ["neither min nor max is set, so that everything would pass."]),
        ({"min": 3, "max": 2}, ["min 3 is greater than max 2, so that nothing would pass."]),
        ({"min": 2, "max": 2}, []),
    ],
)
def test_bounds_that_make_no_sense(options, said):
    """Bounds that pass everything or nothing are problems."""
    assert check(**options).problems({}) == said


@given(st.text(), st.integers(0, 20), st.integers(0, 20), st.sampled_from(["chars", "words", "lines"]))
def test_both_bounds_are_each_bound(text, low, more, unit):
    """A text passes two bounds exactly when it passes each of them."""
    both = check(min=low, max=low + more, unit=unit).examine(text).ok
    assert both == (check(min=low, unit=unit).examine(text).ok and check(max=low + more, unit=unit).examine(text).ok)
