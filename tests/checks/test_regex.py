"""Check `regex`: where a pattern must match, where it must not, and what a slow one costs."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sdspec.checks.regex import Regex
from sdspec.engine.workers import Workers


def check(pattern, **options):
    return Regex(column="answer", pattern=pattern, **options)


@pytest.mark.parametrize(
    ("options", "value", "passes"),
    [
        ({"pattern": "b+"}, "abba", True),
        ({"pattern": "b+", "match": "full"}, "abba", False),
        ({"pattern": "a.*a", "match": "full"}, "ab\nba", True),
        ({"pattern": "B"}, "abba", False),
        ({"pattern": "(?i)B"}, "abba", True),
        ({"pattern": "b+", "must": "not_match"}, "abba", False),
        ({"pattern": "c", "must": "not_match"}, "abba", True),
        ({"pattern": "b+", "match": "full", "must": "not_match"}, "abba", True),
        ({"pattern": "."}, None, False),
        ({"pattern": "^$"}, None, True),
        ({"pattern": r'^\["a",1\]$'}, ["a", 1], True),
        ({"pattern": "^3.5$"}, 3.5, True),
        ({"pattern": "^true$"}, True, True),
    ],
)
def test_what_passes(options, value, passes):
    """search looks anywhere, full at all of it; null is the empty text, other values are their JSON text."""
    assert check(**options).examine(value).ok == passes


@pytest.mark.parametrize(
    ("options", "detail"),
    [
        ({"pattern": r"^\d"}, r"'^\\d' matches nowhere, and must"),
        ({"pattern": "a", "match": "full"}, "'a' matches the text as a whole, and must"),
        ({"pattern": "is?", "must": "not_match"}, "'is?' matches 'is' at character 3, and must not"),
    ],
)
def test_what_is_refused_says_why(options, detail):
    """The detail has the pattern, and the place of what should not be there."""
    verdict = check(**options).examine("this")
    assert (False, "regex", detail) == (verdict.ok, verdict.reason, verdict.detail)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("a(b", "not a regular expression: missing ), unterminated subpattern at position 1"),
        ("[[a]", "not a regular expression: Possible nested set at position 1"),
        ("a{99999999999}", "not a regular expression: the repetition number is too large"),
    ],
)
def test_patterns_that_do_not_compile(pattern, said):
    """A wrong pattern is refused with the position of the mistake."""
    with pytest.raises(ValidationError) as wrong:
        check(pattern)
    assert said in str(wrong.value)


SLOW = check("^(a+)+$", timeout_s=0.2)
LONG = "a" * 80 + "b"


def test_a_pattern_that_takes_for_ever_is_stopped():
    """Catastrophic backtracking is a verdict with a reason of its own after the time given."""
    verdict = SLOW.examine(LONG)
    assert (False, "regex_timeout") == (verdict.ok, verdict.reason)
    assert verdict.detail == "'^(a+)+$' took over 0.2 s of processor time"


async def test_only_that_verdict_is_lost():
    """In a worker process the same happens, and the process goes on to the next text."""
    workers = Workers(1)
    try:
        async with asyncio.timeout(60):
            found = [await workers.examine(SLOW, text) for text in ("aaa", LONG, "aaaa")]
    finally:
        await workers.close()
    assert [verdict.reason for verdict in found] == ["", "regex_timeout", ""]
    assert not SLOW.in_process


@given(st.text(), st.sampled_from(["search", "full"]))
def test_not_match_is_the_opposite(text, match):
    """What passes one way is refused the other way."""
    one = check("[a-m]+", match=match).examine(text)
    other = check("[a-m]+", match=match, must="not_match").examine(text)
    assert one.ok != other.ok
