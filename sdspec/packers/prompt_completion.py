"""A prompt and its completion, as trainers of instruction models read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from sdspec.contracts import Dataset, Packer
from sdspec.prompts import compile_text, text_problems
from sdspec.store.jsontext import json_text


class PromptCompletion(Packer):
    """`{"prompt": ..., "completion": ...}`, both Jinja texts over the row's columns and the template's variables.

    A column that is taken by default and is no text stands as JSON.
    """

    prompt: str | None = Field(None, description="The prompt (Jinja); null is the first output column.")
    completion: str | None = Field(None, description="The completion (Jinja); null is the second output column.")

    def problems(self, columns: Sequence[str], dataset: Dataset) -> list[str]:
        """Bad Jinja, names that nothing provides, no output column to take by default."""
        found = []
        known = {*columns, *dataset.constants}
        for position, name in enumerate(("prompt", "completion")):
            if (text := getattr(self, name)) is not None:
                found += [f"{name}: {problem}" for problem in text_problems(text, known)]
            elif len(dataset.output) <= position:
                found.append(f"{name}: there is no output column {position + 1} to take; say what it is (Jinja).")
        return found

    def pack(self, row: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The rendered pair."""
        values = {**dataset.constants, **row}
        return {
            "prompt": _text(self.prompt, values, dataset.output, 0),
            "completion": _text(self.completion, values, dataset.output, 1),
        }


def _text(text: str | None, values: Mapping[str, Any], output: Sequence[str], position: int) -> str:
    if text is not None:
        return compile_text(text).render(values)
    value = values[output[position]]
    return value if isinstance(value, str) else json_text(value)
