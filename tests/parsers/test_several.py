"""Several rows in one answer: each parser's own way to ask for them and to read them."""

import json

import pytest

from sdspec.contracts import Parsed, Several, Unparseable
from sdspec.parsers.json import Json
from sdspec.parsers.raw import Raw
from sdspec.parsers.regex import Regex
from sdspec.parsers.tags import Tags
from tests.parsers.schemas import PAIR

ROWS = [{"question": f"q{at}", "solution": f"s{at}"} for at in range(3)]
LISTED = json.dumps({"rows": ROWS})


def several(parser: Json | Tags | Regex, count: int = 3) -> Several:
    """The parser's way with this many rows."""
    found = parser.several(PAIR, count)
    assert found is not None
    return found


def values(parts: list[Parsed | Unparseable] | Unparseable) -> list[object]:
    """Each row's columns, or the code of what is wrong with it."""
    assert isinstance(parts, list), parts
    return [part.values if isinstance(part, Parsed) else part.code for part in parts]


@pytest.mark.parametrize(
    "text",
    [
        LISTED,
        json.dumps(ROWS),
        json.dumps({"items": ROWS}),
        f"Sure!\n```json\n{LISTED}\n```\nAnything else?",
        "\n".join(json.dumps(row) for row in ROWS),
        f"Here they are: {json.dumps(ROWS)} Good luck.",
        LISTED.replace('"q1"', "'q1'").replace("]}", "],}"),
    ],
    ids=["asked", "list", "other key", "fence", "lines", "prose", "repaired"],
)
def test_json_rows_are_found_however_they_are_wrapped(text: str) -> None:
    """The rows in their order, from any shape that models give them."""
    assert values(several(Json()).parse(text)) == ROWS


def test_json_rows_that_are_whole_survive_a_cut() -> None:
    """An answer that ends amid its third row still holds two."""
    assert values(several(Json()).parse(LISTED[:-20])) == ROWS[:2]


def test_each_json_row_is_judged_alone() -> None:
    """A row without a column, and one that is no object, spoil no other."""
    text = json.dumps({"rows": [ROWS[0], {"question": "q"}, "what?", ROWS[2]]})
    assert values(several(Json()).parse(text)) == [ROWS[0], "missing_column", "not_object", ROWS[2]]


@pytest.mark.parametrize("text", ["", "I cannot.", '{"rows": []}', "[]"])
def test_json_without_rows_is_unparseable(text: str) -> None:
    """No row at all is a matter for a re-ask, whose words say what is wanted."""
    found = several(Json()).parse(text)
    assert isinstance(found, Unparseable)
    assert 'the key "rows", a list of 3 different objects' in found.ask


def test_the_native_schema_asks_for_just_as_many() -> None:
    """Providers that constrain decoding get an object with a list of that length, definitions at its top."""
    schema = {**PAIR, "$defs": {"x": {"type": "string"}}}
    native = Json().several(schema, 4).native_schema()
    assert native["properties"]["rows"]["minItems"] == native["properties"]["rows"]["maxItems"] == 4
    assert native["$defs"] == {"x": {"type": "string"}}
    assert "$defs" not in native["properties"]["rows"]["items"]


def test_tags_and_regex_read_rows_one_below_the_other() -> None:
    """A row begins where the first column's tag does, or where the pattern matches again."""
    tagged = "\n".join(f"<question>q{at}</question>\n<solution>s{at}</solution>" for at in range(3))
    lines = "\n".join(f"q{at} => s{at}" for at in range(3))
    assert values(several(Tags()).parse(tagged)) == ROWS
    assert values(several(Tags()).parse(tagged[:-5]))[:2] == ROWS[:2]
    assert values(several(Regex(pattern=r"(?P<question>[^\n=>]+)=>(?P<solution>[^\n]+)")).parse(lines)) == ROWS


def test_raw_holds_one_row() -> None:
    """The whole answer is one row."""
    assert Raw().several(PAIR, 2) is None
