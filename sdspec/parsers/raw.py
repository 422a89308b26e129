"""The whole answer is the one column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdspec.conform import Fault, conform, unusable
from sdspec.contracts import Parsed, Parser, Unparseable
from sdspec.rows import valid_text


class Raw(Parser):
    """Takes the answer as it is, without the white space around it, as the only output column."""

    def problems(self, schema: Mapping[str, Any]) -> list[str]:
        """Anything but one column of type str."""
        columns = schema["properties"]
        if [column.get("type") for column in columns.values()] == ["string"]:
            return []
        return [f"parse raw takes the whole answer as one str column, and the output has: {', '.join(columns)}."]

    def parse(self, text: str, schema: Mapping[str, Any]) -> Parsed | Unparseable:
        """The text, stripped, as the one column."""
        text = valid_text(text).strip()
        if not text:
            return unusable((Fault("empty", "It is empty.", "the answer is empty"),), self.how_to_answer(schema))
        values = conform(dict.fromkeys(schema["properties"], text), schema)
        return Parsed(values) if isinstance(values, dict) else unusable(values, self.how_to_answer(schema))

    def how_to_answer(self, schema: Mapping[str, Any]) -> str:
        """Nothing: the whole answer counts, whatever its form."""
        return ""
