"""Values made up for a JSON Schema are valid, as jsonschema sees it."""

from __future__ import annotations

import random
from typing import Any

import jsonschema
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sdspec.faking.invent import invent

NODE = {
    "type": "object",
    "required": ["name"],
    "properties": {
        "name": {"type": "string"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/node"}, "maxItems": 2},
    },
}
TREE = {"$defs": {"node": NODE}, "$ref": "#/$defs/node"}

whole = st.integers(-50, 50)
leaves = st.one_of(
    st.builds(lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, whole, st.integers(0, 9)),
    st.builds(lambda low: {"type": "integer", "exclusiveMinimum": low}, whole),
    st.builds(lambda high: {"type": "number", "exclusiveMaximum": high}, whole),
    st.builds(lambda low, more: {"type": "number", "minimum": low, "maximum": low + more}, whole, st.floats(0, 9)),
    st.builds(lambda step: {"type": "integer", "multipleOf": step, "minimum": 3}, st.integers(1, 9)),
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        st.integers(0, 60),
        whole.map(abs),
    ),
    st.builds(lambda values: {"enum": values}, st.lists(whole | st.text(max_size=3), min_size=1)),
    st.sampled_from([{"type": "boolean"}, {"type": "null"}, {"type": ["null", "string"]}, {"const": 3}, {}, TREE]),
    st.sampled_from(
        [{"type": "string", "format": name} for name in ("date", "date-time", "time", "email", "uri", "uuid")]
    ),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda items, low: {"type": "array", "items": items, "minItems": low}, inner, st.integers(0, 4)),
        st.builds(lambda options: {"anyOf": [*options, {"type": "null"}]}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(
            lambda properties: {"type": "object", "properties": properties, "required": list(properties)},
            st.dictionaries(st.sampled_from("abcd"), inner),
        ),
    ),
    max_leaves=6,
).filter(lambda schema: "$ref" not in str(schema) or schema is TREE)


@given(schema=schemas, seed=st.integers(0, 2**64))
@example(schema={"anyOf": [{"type": "null"}, {"type": "null"}]}, seed=0)
def test_a_made_up_value_is_valid(schema: dict[str, Any], seed: int) -> None:
    """Whatever the schema, the value obeys it, and the same seed gives the same value."""
    value = invent(schema, random.Random(seed))
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    assert [] == [error.message for error in checker.iter_errors(value)]
    assert value == invent(schema, random.Random(seed))


@pytest.mark.parametrize("seed", range(20))
def test_parts_of_a_whole_are_joined(seed: int) -> None:
    """allOf wants the properties of all its parts."""
    one = {"properties": {"a": {"type": "integer"}}, "required": ["a"]}
    other = {"properties": {"b": {"type": "string"}}, "required": ["b"]}
    schema = {"type": "object", "allOf": [one, {"$ref": "#/$defs/other"}], "$defs": {"other": other}}
    jsonschema.validate(invent(schema, random.Random(seed)), schema)
