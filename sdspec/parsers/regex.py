"""Columns are the named groups of a regular expression."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import Field, field_validator

from sdspec.conform import Fault, conform, from_text, unusable
from sdspec.contracts import Parsed, Parser, Unparseable
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
        pieces = {name: piece.strip() for name, piece in match.groupdict().items() if piece is not None}
        columns = schema["properties"]
        values = conform({name: from_text(pieces[name], columns[name]) for name in columns if name in pieces}, schema)
        return Parsed(values) if isinstance(values, dict) else unusable(values, self.how)

    def how_to_answer(self, schema: Mapping[str, Any]) -> str:
        """The sentence given as `how`."""
        return self.how


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)
