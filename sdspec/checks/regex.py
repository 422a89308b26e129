"""Check `regex`: a column's text matches a regular expression, or does not."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from sdspec.contracts import Check, Verdict
from sdspec.cputime import OutOfTime, at_most
from sdspec.store.jsontext import text_of


class Regex(Check):
    """Runs in a worker process under a time limit: a pattern may take exponential time on the wrong text.

    Null counts as the empty text, a value that is no text as its JSON text.
    """

    in_process: ClassVar[bool] = False
    batch: ClassVar[int] = 16

    pattern: str = Field(description="Python regular expression; a dot is any character, and (?i) ignores case.")
    match: Literal["search", "full"] = Field("search", description="search: anywhere in the text. full: all of it.")
    must: Literal["match", "not_match"] = Field("match", description="not_match: a text that matches is refused.")
    timeout_s: float = Field(1.0, gt=0, le=3, description="Processor time for one text, in seconds.")

    @field_validator("pattern")
    @classmethod
    def _compiles(cls, pattern: str) -> str:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", FutureWarning)  # `[[a]`: another meaning in a Python to come
                _compiled(pattern)
        except (re.error, OverflowError, RecursionError, FutureWarning) as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return pattern

    def examine(self, value: Any) -> Verdict:
        """Reason `regex` with the place where there is one, `regex_timeout` where it took too long to say."""
        text, pattern = text_of(value), _compiled(self.pattern)
        try:
            with at_most(self.timeout_s):
                found = pattern.fullmatch(text) if self.match == "full" else pattern.search(text)
        except OutOfTime:
            return Verdict(False, "regex_timeout", f"{self.pattern!r} took over {self.timeout_s:g} s of processor time")
        evidence = {"span": list(found.span())} if found else {}
        if (found is not None) == (self.must == "match"):
            return Verdict(True, evidence=evidence)
        return Verdict(False, "regex", self._why(found), evidence)

    def _why(self, found: re.Match[str] | None) -> str:
        if found is None:
            return f"{self.pattern!r} matches {'the text as a whole' if self.match == 'full' else 'nowhere'}, and must"
        shown = found[0] if len(found[0]) <= 80 else f"{found[0][:80]}..."
        return f"{self.pattern!r} matches {shown!r} at character {found.start() + 1}, and must not"


@lru_cache(maxsize=64)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.DOTALL)
