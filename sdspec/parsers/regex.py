"""Columns are the named groups of a regular expression."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from pydantic import Field, field_validator

from sdspec.conform import Fault, conform, from_text, unusable
from sdspec.contracts import Parsed, Parser, Several, Unparseable
from sdspec.errors import did_you_mean
from sdspec.rows import valid_text


class Regex(Parser):
    """Takes each column from the group of its name, at the first place where the pattern matches."""

    pattern: str = Field(
        description="Python regular expression with a group (?P<column>...) per column; a dot is any character."
    )
    how: str = Field("", description="The sentence that ends the prompt and says how to answer.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern

    def problems(self, schema: Mapping[str, Any]) -> list[str]:
        """Groups that are no columns, and columns that have no group."""
        groups, columns = _compiled(self.pattern).groupindex.keys(), schema["properties"].keys()
        strange = [
            f"pattern: {name!r} is no output column. {did_you_mean(name, columns)}" for name in sorted(groups - columns)
        ]
        lacking = [f"pattern: it has no group (?P<{name}>...)." for name in columns if name not in groups]
        return strange + lacking

    def parse(self, text: str, schema: Mapping[str, Any]) -> Parsed | Unparseable:
        """What the groups matched, stripped; values of other types than str are read as JSON."""
        text = valid_text(text).strip()
        match = _compiled(self.pattern).search(text)
        if not text or match is None:
            fault = (
                Fault("no_match", "It does not have the form that was asked for.", "the pattern does not match")
                if text
                else Fault("empty", "It is empty.", "the answer is empty")
            )
            return unusable((fault,), self.how)
        return self.row(match, schema)

    def row(self, match: re.Match[str], schema: Mapping[str, Any]) -> Parsed | Unparseable:
        """The row of one place where the pattern matches."""
        pieces = {name: piece.strip() for name, piece in match.groupdict().items() if piece is not None}
        columns = schema["properties"]
        values = conform({name: from_text(pieces[name], columns[name]) for name in columns if name in pieces}, schema)
        return Parsed(values) if isinstance(values, dict) else unusable(values, self.how)

    def several(self, schema: Mapping[str, Any], count: int) -> Several:
        """A row at each place where the pattern matches."""
        return RegexRows(self, schema, count)

    def how_to_answer(self, schema: Mapping[str, Any]) -> str:
        """The sentence given as `how`."""
        return self.how


@dataclass(frozen=True)
class RegexRows(Several):
    """Rows one behind the other."""

    parser: Regex
    schema: Mapping[str, Any]
    """Of one row."""
    count: int

    def parse(self, text: str) -> list[Parsed | Unparseable] | Unparseable:
        """A row for each match, none overlapping another."""
        matches = _compiled(self.parser.pattern).finditer(valid_text(text).strip())
        rows = [self.parser.row(match, self.schema) for match in matches]
        fault = Fault("no_match", "It does not have the form that was asked for.", "the pattern does not match")
        return rows or unusable((fault,), self.how_to_answer())

    def how_to_answer(self) -> str:
        """The sentence given as `how`, and how many rows."""
        return f"{self.parser.how} Do so {self.count} times, with different contents.".strip()

    def native_schema(self) -> None:
        """None: the answer is not JSON."""


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)
