"""Exact deduplication: what counts as a repeat."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdspec.dedups.exact import Exact
from sdspec.rows import row_id


def ids(how_many: int) -> list[str]:
    return [row_id("item", number) for number in range(how_many)]


def repeats(dedup: Exact, rows: list[dict[str, Any]]) -> list[int | None]:
    """For each row the position of the earlier row that it repeats."""
    names = ids(len(rows))
    index = dedup.index()
    found = [index.seen(row, name) for row, name in zip(rows, names, strict=True)]
    return [None if one is None else names.index(one.row) for one in found]


ROWS = [{"q": "How many?"}, {"q": " How  many?\n"}, {"q": "HOW MANY?"}, {"q": "How many"}, {"q": "How many?"}]


@pytest.mark.parametrize(
    ("normalize", "expected"),
    [
        ("none", [None, None, None, None, 0]),
        ("space", [None, 0, None, None, 0]),
        ("case", [None, 0, 0, None, 0]),
    ],
)
def test_what_normalisation_ignores(normalize: Any, expected: list[int | None]) -> None:
    """Each level ignores what it says, and a repeat names the first row, not the last."""
    assert repeats(Exact(columns=("q",), normalize=normalize), ROWS) == expected


def test_space_is_the_default() -> None:
    """Without a setting, runs of white space do not tell rows apart."""
    assert repeats(Exact(columns=("q",)), ROWS) == [None, 0, None, None, 0]


def test_only_the_columns_count_together() -> None:
    """A row repeats another when all the columns are equal; other columns do not count."""
    rows = [{"a": "x", "b": "y", "c": 1}, {"a": "xy", "b": "", "c": 1}, {"a": "x", "b": "y", "c": 2}]
    assert repeats(Exact(columns=("a", "b")), rows) == [None, None, 0]


def test_texts_in_lists_and_numbers() -> None:
    """Lists are compared by their texts; 1, "1" and True are three values."""
    rows: list[dict[str, Any]] = [{"v": v} for v in (["a  b"], ["a b"], 1, "1", True, {"k": "X "}, {"k": "x"}, None)]
    assert repeats(Exact(columns=("v",), normalize="case"), rows) == [None, 0, None, None, None, None, 5, None]


@given(st.lists(st.one_of(st.text(), st.integers(), st.floats(), st.lists(st.text())), max_size=20))
def test_never_fails_and_always_finds_itself(values: list[Any]) -> None:
    """Whatever the values, the second pass over the same rows finds each of them."""
    index = Exact(columns=("v",)).index()
    for value, name in zip(values, ids(len(values)), strict=True):
        index.seen({"v": value}, name)
    assert all(index.seen({"v": value}, row_id("again", 0)) is not None for value in values)


@given(st.lists(st.integers(0, 40), max_size=120))
def test_however_many_rows(numbers: list[int]) -> None:
    """Beyond its first table an index goes on in further ones: each repeat is found, and names the first row."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sdspec.dedups.exact.FIRST_ROWS", 3)
        found = repeats(Exact(columns=("v",)), [{"v": number} for number in numbers])
    firsts = [numbers.index(number) for number in numbers]
    assert found == [None if first == place else first for place, first in enumerate(firsts)]


def test_surrogates() -> None:
    """Text that is no Unicode can be compared too."""
    assert repeats(Exact(columns=("v",)), [{"v": "\ud800"}, {"v": "\ud800 "}]) == [None, 0]
