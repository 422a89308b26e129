"""Check `contains`: a column's text has all of some texts, one of others, none of further ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import Field

from sdspec.contracts import Check, Verdict
from sdspec.store.jsontext import text_of

Texts = tuple[Annotated[str, Field(min_length=1)], ...]


class Contains(Check):
    """Looks for texts to the letter, spaces included; null has none, and other values are looked at as JSON text."""

    all: Texts = Field((), description="Texts that must all be there.")
    any: Texts = Field((), description="Texts of which one at least must be there.")
    none: Texts = Field((), description="Texts that must not be there.")
    ignore_case: bool = Field(False, description="True: upper and lower case are the same.")

    def problems(self, constants: Mapping[str, Any]) -> list[str]:
        """Nothing to look for, or wishes that no text can meet."""
        if not (self.all or self.any or self.none):
            return ["none of all, any and none is set, so that everything would pass."]
        clash = [wanted for wanted in self.all if any(self._seen(text) in self._seen(wanted) for text in self.none)]
        if clash:
            return [f"no text can pass: {_list(clash)} of all has a text of none in it."]
        if self.any and all(any(self._seen(text) in self._seen(one) for text in self.none) for one in self.any):
            return ["no text can pass: each text of any has a text of none in it."]
        return []

    def examine(self, value: Any) -> Verdict:
        """Reason `missing_text` or `forbidden_text`, with the texts."""
        text = self._seen(text_of(value))
        if lacking := [wanted for wanted in self.all if self._seen(wanted) not in text]:
            return Verdict(False, "missing_text", f"lacks {_list(lacking)}")
        if self.any and not any(self._seen(wanted) in text for wanted in self.any):
            return Verdict(False, "missing_text", f"has none of {_list(self.any)}")
        if found := [unwanted for unwanted in self.none if self._seen(unwanted) in text]:
            return Verdict(False, "forbidden_text", f"has {_list(found)}")
        return Verdict(True)

    def _seen(self, text: str) -> str:
        return text.casefold() if self.ignore_case else text


def _list(texts: Sequence[str]) -> str:
    return ", ".join(map(repr, texts))
