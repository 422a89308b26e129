"""Check `length`: a text has so many characters, words or lines; a list so many items."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from pydantic import Field

from sdspec.contracts import Check, Verdict
from sdspec.store.jsontext import text_of

Unit = Literal["chars", "words", "lines"]

COUNTS: Mapping[Unit, Callable[[str], int]] = {
    "chars": len,
    "words": lambda text: len(text.split()),
    "lines": lambda text: len(text.splitlines()),
}


class Length(Check):
    """Counts what is there. Null has length 0, a value that is neither text nor list that of its JSON text."""

    min: int | None = Field(None, ge=0, description="Least length that passes.")
    max: int | None = Field(None, ge=0, description="Greatest length that passes.")
    unit: Unit = Field("chars", description="What of a text is counted; words stand between white space.")

    def problems(self, constants: Mapping[str, Any]) -> list[str]:
        """Bounds that pass everything, or nothing."""
        if self.min is None and self.max is None:
            return ["neither min nor max is set, so that everything would pass."]
        if self.min is not None and self.max is not None and self.min > self.max:
            return [f"min {self.min} is greater than max {self.max}, so that nothing would pass."]
        return []

    def examine(self, value: Any) -> Verdict:
        """Reason `too_short` or `too_long`, with both numbers; the length is evidence."""
        is_list = isinstance(value, list | tuple)
        length = len(value) if is_list else COUNTS[self.unit](text_of(value))
        evidence = {"length": length}
        unit = "items" if is_list else self.unit
        if self.min is not None and length < self.min:
            return Verdict(False, "too_short", f"{length} {unit}, at least {self.min} wanted", evidence)
        if self.max is not None and length > self.max:
            return Verdict(False, "too_long", f"{length} {unit}, at most {self.max} wanted", evidence)
        return Verdict(True, evidence=evidence)
