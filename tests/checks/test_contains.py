"""Check `contains`: texts that must and must not be there."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sdspec.checks.contains import Contains


def check(**options):
    return Contains(column="answer", **options)


@pytest.mark.parametrize(
    ("options", "value", "reason", "detail"),
    [
        ({"all": ["red", "green"]}, "red and green", "", ""),
        ({"all": ["red", "green", "blue"]}, "only red", "missing_text", "lacks 'green', 'blue'"),
        ({"any": ["red", "green"]}, "green", "", ""),
        ({"any": ["red", "green"]}, "blue", "missing_text", "has none of 'red', 'green'"),
        ({"none": ["As an AI", "sorry"]}, "I am sorry", "forbidden_text", "has 'sorry'"),
        ({"none": ["sorry"]}, "Sorry", "", ""),
        ({"none": ["sorry"], "ignore_case": True}, "Sorry", "forbidden_text", "has 'sorry'"),
        ({"all": ["STRASSE"], "ignore_case": True}, "Die Straße", "", ""),
        ({"all": ["a"], "any": ["b"], "none": ["c"]}, "ab", "", ""),
        ({"all": ["a"], "any": ["b"], "none": ["c"]}, "abc", "forbidden_text", "has 'c'"),
        ({"all": ["a"]}, None, "missing_text", "lacks 'a'"),
        ({"none": ["null"]}, None, "", ""),
        ({"all": ['"k":1']}, {"k": 1}, "", ""),
        ({"any": ["true"]}, True, "", ""),
        ({"all": ["x", "y"]}, ["x", "y"], "", ""),
    ],
)
def test_what_is_looked_for(options, value, reason, detail):
    """all, any and none hold together; null is the empty text, other values are their JSON text."""
    verdict = check(**options).examine(value)
    assert (not reason, reason, detail) == (verdict.ok, verdict.reason, verdict.detail)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, ["none of all, any and none is set, so that everything would pass."]),
        ({"all": ["dear sir"], "none": ["sir"]}, ["no text can pass: 'dear sir' of all has a text of none in it."]),
        (
            {"all": ["Sir"], "none": ["sir"], "ignore_case": True},
            ["no text can pass: 'Sir' of all has a text of none in it."],
        ),
        ({"all": ["Sir"], "none": ["sir"]}, []),
        ({"any": ["ab", "b"], "none": ["b"]}, ["no text can pass: each text of any has a text of none in it."]),
        ({"any": ["ab", "a"], "none": ["b"]}, []),
    ],
)
def test_settings_that_make_no_sense(options, said):
    """Nothing to look for, and wishes that contradict each other, are problems."""
    assert check(**options).problems({}) == said


def test_an_empty_text_is_no_wish():
    """The empty text is everywhere, and so an error."""
    with pytest.raises(ValidationError, match="at least 1 character"):
        check(all=["a", ""])


TEXTS = st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=3)


@given(st.text("abcAB", max_size=10), TEXTS, st.booleans())
def test_none_is_the_opposite_of_any(text, wanted, ignore_case):
    """What has one of some texts is refused where they are forbidden, and the other way round."""
    has = check(any=wanted, ignore_case=ignore_case).examine(text).ok
    assert has != check(none=wanted, ignore_case=ignore_case).examine(text).ok
