"""Columns of values become Arrow arrays, as pyarrow itself would make them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdspec.store.arrays import arrow_array, empty_batch, inferred_type
from sdspec.store.schema import arrow_schema, arrow_type, fit, fit_column

VALUES = {
    "str": st.text(),
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
}
NESTED = {
    **VALUES,
    **{f"list[{kind}]": st.lists(st.none() | values, max_size=4) for kind, values in VALUES.items()},
    "list[list[int]]": st.lists(st.none() | st.lists(st.integers(0, 5), max_size=3), max_size=3),
}


@given(
    st.sampled_from(sorted(NESTED)).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(st.none() | NESTED[kind])))
)
@example(("float", [-0.0, None]))
def test_an_array_is_pyarrows_own(column: tuple[str, list[Any]]) -> None:
    """Of each type, with nulls anywhere, the array equals that of `pa.array`, and is valid."""
    kind, values = column
    array = arrow_array(values, arrow_type(kind))
    array.validate(full=True)
    assert array.equals(pa.array(values, arrow_type(kind)))
    assert repr(array.to_pylist()) == repr(values)  # also -0.0, which `equals` takes for 0.0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcd", min_size=1, max_size=1), inner),
    max_leaves=6,
)


@given(st.lists(JSON, max_size=4) | st.lists(st.fixed_dictionaries({"b": JSON, "a": st.text()}), max_size=4))
def test_types_are_found_as_pyarrow_finds_them(values: list[Any]) -> None:
    """Of values with a type in common it and the array are those of `pa.array`; of others it finds none either."""
    try:
        expected = pa.array(values)
    except (pa.ArrowException, TypeError):
        expected = None
    if expected is None:
        with pytest.raises((pa.ArrowException, TypeError)):
            arrow_array(values, inferred_type(values))
        return
    array = arrow_array(values, inferred_type(values))
    array.validate(full=True)
    assert array.equals(expected)


ODD = st.one_of(st.characters(categories=["Cs"]), st.integers(2**63), st.floats(), st.binary(), st.just([None, "a"]))


@given(
    st.sampled_from([*sorted(NESTED), "json"]),
    st.lists(st.one_of(st.none(), *VALUES.values(), ODD)),
)
def test_a_column_fits_as_its_values_do(kind: str, values: list[Any]) -> None:
    """Many values at once are made to fit as each would be alone, and so is known which are not the same."""
    held, changed = fit_column(values, kind)
    each = [fit(value, kind) for value in values]
    assert list(held) == [value for value, _ in each]
    assert changed == [place for place, (_, same) in enumerate(each) if not same]


@pytest.mark.parametrize("kind", sorted(NESTED))
def test_no_rows(kind: str) -> None:
    """A table without rows has its columns, with their types."""
    schema = arrow_schema({"a": kind, "b": "json"})
    assert empty_batch(schema).schema.equals(schema)
    assert empty_batch(schema).num_rows == 0
