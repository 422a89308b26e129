"""Check `json_schema`: what keeps to a schema, and which path and rule a value breaks."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sdspec.checks.json_schema import JsonSchema
from sdspec.store.jsontext import json_text

ITEM = {"type": "object", "properties": {"price": {"type": "number", "minimum": 0}}, "required": ["price"]}
ORDER = {
    "type": "object",
    "properties": {
        "mail": {"type": "string", "format": "email"},
        "items": {"type": "array", "items": {"$ref": "#/$defs/item"}},
    },
    "required": ["items"],
    "$defs": {"item": ITEM},
}


def check(schema=ORDER):
    return JsonSchema.model_validate({"column": "order", "schema": schema})


@pytest.mark.parametrize(
    "value",
    ['{"items": []}', {"items": [{"price": 0}]}, '\n{"mail": "a@b", "items": [{"price": 1.5, "more": null}]}\n'],
)
def test_texts_and_values_that_keep_to_the_schema_pass(value):
    """A text is read as JSON, a value of a json column is taken as it is; references inside the schema work."""
    assert check().examine(value).ok


@pytest.mark.parametrize(
    ("value", "reason", "detail"),
    [
        ("", "json_syntax", "line 1, column 1: "),
        ("{'items': []}", "json_syntax", "line 1, column 2: "),
        ('{"items":\n}', "json_syntax", "line 2, column 1: "),
        ("Here it is: {}", "json_syntax", "line 1, column 1: "),
        ("NaN", "json_syntax", "line 1, column 1: "),
        ("\ud800", "json_syntax", "line 1, column 1: "),
        ("{}", "json_schema", "'items' is a required property"),
        ("[]", "json_schema", "is not of type 'object'"),
        ("null", "json_schema", "is not of type 'object'"),
        (None, "json_schema", "is not of type 'object'"),
        ({"items": [{"price": 1}, {"price": -1}]}, "json_schema", "items.1.price: -1 is less than the minimum of 0"),
        ({"items": [], "mail": "nobody"}, "json_schema", "mail: 'nobody' is not a 'email'"),
        ({"items": [{"price": "3"}]}, "json_schema", "items.0.price: '3' is not of type 'number'"),
    ],
)
def test_what_is_refused_says_where_and_why(value, reason, detail):
    """A text that is no JSON says its line and column, a value its path and the rule that it breaks."""
    verdict = check().examine(value)
    assert (False, reason) == (verdict.ok, verdict.reason)
    assert detail in verdict.detail


def test_details_stay_short():
    """Three faults are told, each cut; how many there are is evidence."""
    verdict = check().examine({"items": [{"price": "x" * 5000}] * 40})
    assert dict(verdict.evidence) == {"faults": 40}
    assert len(verdict.detail) < 700


def test_values_nested_too_deeply_are_refused():
    """A value hundreds of levels deep is a reject, no crash."""
    deep = check({"type": "array", "items": {"$ref": "#"}})
    value = []
    for _ in range(3000):
        value = [value]
    assert deep.examine(value).detail == "nested too deeply"


def test_a_pattern_that_takes_for_ever_costs_one_verdict():
    """A pattern of a schema that backtracks exponentially is stopped."""
    verdict = check({"type": "string", "pattern": "^(a+)+$"}).examine(json_text("a" * 60 + "b"))
    assert (False, "json_timeout") == (verdict.ok, verdict.reason)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"type": "strin"}, "type: not a valid JSON Schema: 'strin'"),
        (
            {"properties": {"a": {"pattern": "("}}},
            "properties.a.pattern: not a valid JSON Schema: '(' is not a 'regex'",
        ),
        ({"$ref": "http://127.0.0.1/x"}, "$ref: 'http://127.0.0.1/x' lies outside of this schema."),
        ({"items": {"$dynamicRef": "x.json"}}, "items.$dynamicRef: 'x.json' lies outside of this schema."),
        ({"items": {"$ref": "#/$defs/itm"}, "$defs": {"item": {}}}, "items.$ref: '#/$defs/itm' is nowhere in"),
        ({"items": {"format": "emial"}}, "items.format: 'emial' is not checked here. Did you mean 'email'?"),
    ],
)
def test_schemas_that_are_wrong_are_refused_at_once(schema, said):
    """A schema that is invalid, refers to elsewhere or nowhere, or has a format that nobody checks, is an error."""
    with pytest.raises(ValidationError) as wrong:
        check(schema)
    assert said in str(wrong.value)


def test_names_that_look_like_keywords_are_names():
    """A property called format and an enum that holds one are no formats."""
    named = check({"properties": {"format": {"enum": [{"format": "uri"}, "pdf"]}}})
    assert named.examine({"format": "pdf"}).ok
    assert not named.examine({"format": "doc"}).ok


def test_it_goes_to_a_worker_and_back():
    """The check survives pickling, and every setting decides its verdict."""
    again = pickle.loads(pickle.dumps(check()))
    assert again == check()
    assert not JsonSchema.in_process
    assert check({"type": "object"}).deciding() != check({"type": "array"}).deciding()


SCALARS = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.sampled_from(["", "a@b", "1"])
NAMES = st.sampled_from(["mail", "items", "price", "more"])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner), max_leaves=6)


@settings(max_examples=60, deadline=None)
@given(VALUES.filter(lambda value: not isinstance(value, str)))
def test_a_value_and_its_text_get_the_same_verdict(value):
    """It does not matter whether a column holds a value or the JSON text of it."""
    one, other = check().examine(value), check().examine(json_text(value))
    assert (one.ok, one.reason, one.evidence) == (other.ok, other.reason, other.evidence)
