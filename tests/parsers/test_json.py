"""What the JSON parser takes for an answer, what it mends, and what it refuses."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sdspec.contracts import Parsed, Unparseable
from sdspec.parsers.json import Json
from tests.parsers.schemas import PAIR, schema

WHOLE = '{"question": "How many?", "solution": "SELECT 1"}'
VALUES = {"question": "How many?", "solution": "SELECT 1"}


@pytest.mark.parametrize(
    "text",
    [
        WHOLE,
        f"\n\n  {WHOLE}\n",
        f"\ufeff{WHOLE}",
        f"```json\n{WHOLE}\n```",
        f"```\n{WHOLE}\n```",
        f"```json\n{WHOLE}",
        f"Sure! Here is {{the}} object:\n{WHOLE}\nI hope {{it}} helps.",
        f"Sure:\n```json\n{WHOLE}\n```\nDone.",
        f"[{WHOLE}]",
        f"{WHOLE} and again {WHOLE}",
        '{"solution": "SELECT 1", "question": "How many?", "extra": {"a": 1}}',
        f'{{"draft": 1}}\n{WHOLE}',
    ],
)
def test_takes_the_object(text: str) -> None:
    """An object plain, fenced, amid prose or alone in a list is read as it is, with nothing repaired."""
    assert Json().parse(text, PAIR) == Parsed(VALUES, repaired=False)


@pytest.mark.parametrize(
    "text",
    [
        '{"question": "How many?", "solution": "SELECT 1",}',
        "{'question': 'How many?', 'solution': 'SELECT 1'}",
        '{question: "How many?", solution: "SELECT 1"}',
        '{"question": "How many?" "solution": "SELECT 1"}',
        '{"question": "How many?", "solution": "SELECT 1"',
        '```json\n{"question": "How many?", "solution": "SELECT 1"\n```',
        'Here:\n{"question": "How many?", "solution": "SELECT 1",}\nBye.',
        '[{"question": "How many?", "solution": "SELECT 1",}]',
    ],
)
def test_mends_small_faults(text: str) -> None:
    """Broken JSON that holds all columns is mended and noted; with repair off it is refused."""
    assert Json().parse(text, PAIR) == Parsed(VALUES, repaired=True)
    assert isinstance(Json(repair=False).parse(text, PAIR), Unparseable)


def test_line_breaks_in_strings_are_kept() -> None:
    """A model that writes code with real line breaks inside a JSON string loses none of them."""
    text = '{"question": "q", "solution": "SELECT 1\n  FROM t\n\tWHERE x = \\"a\\""}'
    expected = {"question": "q", "solution": 'SELECT 1\n  FROM t\n\tWHERE x = "a"'}
    assert Json().parse(text, PAIR) == Parsed(expected, repaired=True)


def test_braces_and_fences_inside_strings() -> None:
    """Code with braces, brackets and fences inside a string is only a string."""
    values = {"question": "```json\n{}\n```", "solution": 'f() { return "}" } ]['}
    assert Json().parse(json.dumps(values), PAIR) == Parsed(values)
    assert Json().parse(f"Here: {json.dumps(values)} ok {{", PAIR) == Parsed(values)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("I cannot help with that.", "no_json"),
        ("question: How many? solution: SELECT 1", "no_json"),
        ("I used {see below} question: How many?, solution: SELECT 1", "no_json"),
        ("{} question: How many?", "no_json"),
        ('"a text"', "not_object"),
        ("[1, 2]", "not_object"),
        ("[]", "not_object"),
        ("42", "not_object"),
        (f"[{WHOLE}, {WHOLE}]", "several_objects"),
        (f'{WHOLE} or {{"question": "Another?", "solution": "SELECT 2"}}', "several_objects"),
        ('{"question": "How many?"}', "missing_column"),
        ('{"answer": {"question": "How many?", "solution": "SELECT 1"}}', "missing_column"),
        ('{"question": "How many?", "solution": null}', "wrong_type"),
        ('{"question": ["How many?"], "solution": "SELECT 1"}', "wrong_type"),
        ('{"question": 1, "solution": "SELECT 1"}', "wrong_type"),
        ('{"question": "  ", "solution": "SELECT 1"}', "empty_value"),
        ('{"question": "How many?", "solution": "SELECT cou', "cut_off"),
        ('{"question": "How many?", "solution": "f(){ }', "cut_off"),
        ('```json\n{"question": "How many?", "solution": "SELECT', "cut_off"),
        ('{"question": "How', "cut_off"),
        ('{"question": "How many?", "solution":', "cut_off"),
        ("{", "cut_off"),
    ],
)
def test_refuses(text: str, code: str) -> None:
    """What holds no whole object of the asked form is refused under a stable code; nothing is invented."""
    found = Json().parse(text, PAIR)
    assert isinstance(found, Unparseable)
    assert found.code == code


def test_half_a_value_is_never_taken_for_whole() -> None:
    """An answer cut at any place is whole, or refused: the last text is never shorter than it was."""
    text = '{"question": "Wie viele \\"Ä\\" {gibt} es?", "solution": "SELECT count(*) FROM t WHERE x = \\"}\\" -- }"}'
    whole = Json().parse(text, PAIR)
    assert isinstance(whole, Parsed)
    for end in range(len(text)):
        found = Json().parse(text[:end], PAIR)
        assert isinstance(found, Unparseable) or found.values == whole.values


@pytest.mark.parametrize(
    ("column", "written", "expected"),
    [
        ("float", "3", 3.0),
        ("float", "3.5", 3.5),
        ("int", "3", 3),
        ("int", "3.0", 3),
        ("bool", "true", True),
        ("list[float]", "[1, 2.5]", [1.0, 2.5]),
        ("json", '{"a": [1, null]}', {"a": [1, None]}),
        ("json", "null", None),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": "string", "minLength": 0}, '""', ""),
        ({"enum": ["", "a"]}, '""', ""),
    ],
)
def test_numbers_are_one_kind(column: Any, written: str, expected: Any) -> None:
    """A whole number is taken for a float and 3.0 for an int; everything else keeps its type."""
    found = Json().parse(f'{{"v": {written}}}', schema(v=column))
    assert isinstance(found, Parsed)
    assert found.values == {"v": expected}
    assert type(found.values["v"]) is type(expected)


@pytest.mark.parametrize(
    ("column", "written", "code"),
    [
        ("int", "3.5", "wrong_type"),
        ("int", "true", "wrong_type"),
        ("int", '"3"', "wrong_type"),
        ("int", "9223372036854775808", "wrong_type"),
        ("int", "1e300", "wrong_type"),
        ("float", "NaN", "no_json"),
        ("float", "1e999", "wrong_type"),
        ("float", '"1"', "wrong_type"),
        ("bool", "1", "wrong_type"),
        ("str", "1", "wrong_type"),
        ("list[str]", '["a", 1]', "wrong_type"),
        ({"type": "string", "enum": ["easy", "hard"]}, '"medium"', "not_allowed"),
        ({"type": "integer", "minimum": 1, "maximum": 5}, "9", "breaks_schema"),
        ({"type": "array", "items": {"type": "object", "required": ["a"]}}, "[{}]", "missing_column"),
    ],
)
def test_checks_the_schema(column: Any, written: str, code: str) -> None:
    """Types, ranges and choices are checked, also those that only jsonschema knows."""
    found = Json(repair=False).parse(f'{{"v": {written}}}', schema(v=column))
    assert isinstance(found, Unparseable)
    assert found.code == code


def test_what_is_asked_again() -> None:
    """A re-ask names every fault in our own words, and ends with how to answer."""
    asked = schema(question="str", level={"type": "integer", "maximum": 5}, tags="list[str]")
    found = Json().parse('{"question": "", "tags": "a"}', asked)
    assert isinstance(found, Unparseable)
    assert found.ask == (
        "Your answer cannot be used. It lacks 'level'. 'question' must not be empty. "
        "'tags' must be of type list of strings. Answer with one JSON object with the keys question (string), "
        "level (integer), tags (list of strings) and nothing else."
    )
    assert found.detail == "level is missing; question is blank; tags is 'a'"
    found = Json().parse('{"question": "q", "level": 9, "tags": []}', asked)
    assert isinstance(found, Unparseable)
    assert found.ask.startswith("""Your answer cannot be used. 'level' must keep to {"maximum":5}. Answer with""")


def test_how_to_answer() -> None:
    """The keys, their types, what they may be and what they mean; optional ones marked."""
    columns: Any = schema(
        question={"type": "string", "description": "one sentence"}, level={"enum": ["easy", "hard"]}, note="json"
    )
    columns["required"].remove("note")
    assert Json().how_to_answer(columns) == (
        'Answer with one JSON object with the keys question (string: one sentence), level (one of "easy", "hard"), '
        "note (any JSON value, optional) and nothing else."
    )
    assert Json().native_schema(columns) is columns


def test_optional_columns_are_none() -> None:
    """A column that need not be there is None when it is not."""
    columns = {**PAIR, "required": ["question"]}
    assert Json().parse('{"question": "q"}', columns) == Parsed({"question": "q", "solution": None})


def test_lone_surrogates_become_replacement_characters() -> None:
    """Text that is no Unicode, written out or escaped, is kept as U+FFFD."""
    for text in ('{"v": "a\ud800b"}', '{"v": "a\\ud800b"}'):
        found = Json().parse(text, schema(v="str"))
        assert isinstance(found, Parsed)
        assert found.values == {"v": "a\ufffdb"}


VALUE = {
    "str": st.text().filter(str.strip),
    "int": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "bool": st.booleans(),
    "list[str]": st.lists(st.text()),
    "list[float]": st.lists(st.floats(allow_nan=False, allow_infinity=False)),
}
ANSWERS = st.dictionaries(st.text("abc_é", min_size=1), st.sampled_from(sorted(VALUE)), min_size=1, max_size=4).flatmap(
    lambda columns: st.tuples(st.just(columns), st.fixed_dictionaries({n: VALUE[t] for n, t in columns.items()}))
)
AROUND = st.sampled_from(["", "```json\n{}\n```", "```\n{}\n```\n", "Sure! Here it is: {} I hope it helps.", "[{}]"])


@given(ANSWERS, AROUND, st.booleans(), st.sampled_from([None, 2]))
def test_reads_what_json_writes(answer: Any, around: str, ascii_only: bool, indent: int | None) -> None:
    """Any values written as JSON come back equal, also in a fence, amid prose or in a list."""
    columns, values = answer
    text = json.dumps(values, ensure_ascii=ascii_only, indent=indent)
    found = Json().parse(around.replace("{}", text) if around else text, schema(**columns))
    assert found == Parsed(values)


@given(
    st.text() | st.text('{}[]":,\\ab1`\n '), st.sampled_from([PAIR, schema(a="int", b="list[str]"), schema(a="json")])
)
@settings(max_examples=400)
@example("[" * 100_000, PAIR)
@example('{"question":' * 30_000, PAIR)
@example("{" * 30_000 + "}" * 30_000, PAIR)
@example('{"a": ' + "[" * 900 + "]" * 900 + "}", schema(a="json"))
@example('{"a": ' + "1" * 5000 + "}", schema(a="json"))
@example("Prose {} " + '{"a": 123456789012345678901234567890}', schema(a="json"))
def test_never_raises(text: str, columns: dict[str, Any]) -> None:
    """Any text at all is an answer with all its columns, or is refused in words that do not repeat it."""
    found = Json().parse(text, columns)
    if isinstance(found, Parsed):
        assert found.values.keys() == columns["properties"].keys()
    else:
        assert found.ask.endswith(Json().how_to_answer(columns))
