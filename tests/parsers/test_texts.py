"""The parsers for answers that are not JSON: raw, tags, regex."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from sdspec.contracts import Parsed, Unparseable
from sdspec.parsers.raw import Raw
from sdspec.parsers.regex import Regex
from sdspec.parsers.tags import Tags
from tests.parsers.schemas import PAIR, schema

ONE = schema(answer="str")
TYPED = schema(question="str", level="int", tags="list[str]")


def code(found: Parsed | Unparseable) -> str:
    assert isinstance(found, Unparseable)
    return found.code


def test_raw_takes_the_whole_answer() -> None:
    """The answer without the white space around it is the column; the prompt needs no word about it."""
    assert Raw().parse("  {a}\n```x```\n", ONE) == Parsed({"answer": "{a}\n```x```"})
    assert code(Raw().parse(" \n", ONE)) == "empty"
    assert Raw().how_to_answer(ONE) == ""
    assert Raw().native_schema(ONE) is None


def test_raw_wants_one_text_column() -> None:
    """Two columns, or one of another type, are a problem of the spec."""
    assert Raw().problems(ONE) == []
    for wrong in (PAIR, schema(answer="int")):
        assert len(Raw().problems(wrong)) == 1


def test_raw_keeps_to_the_schema() -> None:
    """A rule of the column's schema holds for a raw answer too."""
    assert code(Raw().parse("too long", schema(answer={"type": "string", "maxLength": 3}))) == "breaks_schema"


def test_tags_take_what_they_enclose() -> None:
    """Each column stands between its tags, wherever these are; other types than str are read as JSON."""
    text = 'Ok.\n<level> 3 </level> <question>\nWhy <b>?\n</question><tags>["a", "b"]</tags> Bye.'
    assert Tags().parse(text, TYPED) == Parsed({"question": "Why <b>?", "level": 3, "tags": ["a", "b"]})


def test_tags_of_ones_own() -> None:
    """Start tags alone cut the answer up; a single column may have a pair of its own."""
    tags = Tags(start="[{column}]", end="", tags={"solution": ("```sql", "```")})
    text = "[question] How many?\n```sql\nSELECT 1\n```\n"
    assert tags.parse(text, PAIR) == Parsed({"question": "How many?", "solution": "SELECT 1"})
    assert Tags(start="[{column}]", end="").parse("[solution] b [question] a", PAIR) == Parsed(
        {"question": "a", "solution": "b"}
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        ("no tags", "missing_column"),
        ("<question>q</question>", "missing_column"),
        ("<question>q</question><solution>SEL", "cut_off"),
        ("<question>q</question><solution> </solution>", "empty_value"),
        ("<question>a</question><question>b</question><solution>s</solution>", "several_values"),
    ],
)
def test_tags_refuse(text: str, expected: str) -> None:
    """Missing, open, empty and contradicting tags are refused, each under its code."""
    assert code(Tags().parse(text, PAIR)) == expected


def test_tags_say_how_to_answer() -> None:
    """The prompt shows the layout, and a re-ask shows it again."""
    how = (
        "Answer in this form and write nothing else:\n<question>string</question>\n<level>integer</level>\n"
        "<tags>list of strings</tags>"
    )
    assert Tags().how_to_answer(TYPED) == how
    found = Tags().parse("<question>q</question><level>x</level><tags>[]</tags>", TYPED)
    assert isinstance(found, Unparseable)
    assert found.ask == f"Your answer cannot be used. 'level' must be of type integer. {how}"


def test_tags_that_cannot_work() -> None:
    """Tags of no column, no start tag, and equal start tags are problems of the spec."""
    assert Tags().problems(PAIR) == []
    assert "Did you mean 'question'?" in Tags(tags={"questoin": ("a", "b")}).problems(PAIR)[0]
    assert len(Tags(start="Q:").problems(PAIR)) == 1
    assert len(Tags(start="").problems(ONE)) == 1


def test_regex_takes_its_groups() -> None:
    """Groups are columns, stripped; other types than str are read as JSON; a dot takes line breaks."""
    pattern = r"Q:(?P<question>.*?)\nL:(?P<level>.*?)\nT:(?P<tags>.*)"
    found = Regex(pattern=pattern).parse('x\nQ: a\nb \nL: 2\nT: ["c"]', TYPED)
    assert found == Parsed({"question": "a\nb", "level": 2, "tags": ["c"]})
    assert code(Regex(pattern=pattern).parse("nothing", TYPED)) == "no_match"
    assert code(Regex(pattern=pattern).parse(" ", TYPED)) == "empty"
    assert code(Regex(pattern=pattern).parse("Q: a\nL: two\nT: []", TYPED)) == "wrong_type"


def test_regex_says_how_to_answer() -> None:
    """The sentence of `how` ends the prompt and the re-ask."""
    regex = Regex(pattern="A: (?P<answer>.*)", how="Begin with A:")
    assert regex.how_to_answer(ONE) == "Begin with A:"
    found = regex.parse("B", ONE)
    assert isinstance(found, Unparseable)
    assert found.ask == "Your answer cannot be used. It does not have the form that was asked for. Begin with A:"


def test_regex_that_cannot_work() -> None:
    """A bad pattern is refused when it is made; strange and missing groups are problems of the spec."""
    with pytest.raises(ValidationError, match="not a regular expression"):
        Regex(pattern="(")
    problems = Regex(pattern="(?P<questoin>.)(?P<solution>.)").problems(PAIR)
    assert problems[0].startswith("pattern: 'questoin' is no output column. Did you mean 'question'?")
    assert problems[1:] == ["pattern: it has no group (?P<question>...)."]


PARSERS: list[Any] = [
    Raw(),
    Tags(),
    Tags(start="[{column}]", end=""),
    Regex(pattern="(?P<answer>[^;]*);?(?P<level>.*)"),
]


@given(st.text() | st.text("<>[]/answerlevel 1\n;"), st.sampled_from(PARSERS))
def test_never_raise(text: str, parser: Any) -> None:
    """Any text at all is an answer or is refused."""
    for columns in (ONE, schema(answer="str", level="int")):
        assert isinstance(parser.parse(text, columns), Parsed | Unparseable)


@given(st.text().filter(str.strip), st.text().filter(str.strip))
def test_tags_read_what_is_between(question: str, solution: str) -> None:
    """Texts without tags come back without the white space around them."""
    if "<" in question + solution:
        question, solution = question.replace("<", "("), solution.replace("<", "(")
    text = f"<question>{question}</question> <solution>{solution}</solution>"
    assert Tags().parse(text, PAIR) == Parsed({"question": question.strip(), "solution": solution.strip()})
