"""A prompt and its completion, as trainers of instruction models read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from sdspec.dataset import Dataset, Packer
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
        texts = {"prompt": self.prompt, "completion": self.completion}
        return problems_of(texts, columns, dataset)

    def pack(self, row: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The rendered pair."""
        return {
            "prompt": text_or_column(self.prompt, row, dataset, 0),
            "completion": text_or_column(self.completion, row, dataset, 1),
        }


def problems_of(texts: Mapping[str, str | None], columns: Sequence[str], dataset: Dataset) -> list[str]:
    """What is wrong with the texts of a packer, by their keys; the n-th that is null takes the n-th output column."""
    found = []
    known = {*columns, *dataset.constants}
    for position, (name, text) in enumerate(texts.items()):
        if text is not None:
            found += [f"{name}: {problem}" for problem in text_problems(text, known)]
        elif len(dataset.output) <= position:
            found.append(f"{name}: there is no output column {position + 1} to take; say what it is (Jinja).")
    return found


def text_or_column(text: str | None, row: Mapping[str, Any], dataset: Dataset, position: int) -> str:
    """The text rendered with the row and the template's variables; for null the output column at the position."""
    if text is not None:
        return rendered(text, row, dataset)
    value = row[dataset.output[position]]
    return value if isinstance(value, str) else json_text(value)


def rendered(text: str, row: Mapping[str, Any], dataset: Dataset) -> str:
    """The text with the row's columns and the template's variables in place."""
    return compile_text(text).render({**dataset.constants, **row})
