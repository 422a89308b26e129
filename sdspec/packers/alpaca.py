"""An instruction with its input and output, in the layout of Stanford Alpaca."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from sdspec.dataset import Dataset, Packer
from sdspec.packers.prompt_completion import problems_of, rendered, text_or_column


class Alpaca(Packer):
    """`{"instruction": ..., "input": ..., "output": ...}`, all Jinja texts; with `system`, a column of that name too.

    Trainers put `input` below `instruction`. A column that is taken by default and is no text stands as JSON.
    """

    instruction: str | None = Field(None, description="The instruction (Jinja); null is the first output column.")
    input: str = Field("", description="What the instruction is about (Jinja); empty where there is nothing.")
    output: str | None = Field(None, description="The answer (Jinja); null is the second output column.")
    system: str | None = Field(None, description="The system message (Jinja); null leaves the column out.")

    def problems(self, columns: Sequence[str], dataset: Dataset) -> list[str]:
        """Bad Jinja, names that nothing provides, no output column to take by default."""
        texts = {"instruction": self.instruction, "output": self.output, "input": self.input}
        system = {} if self.system is None else {"system": self.system}
        return problems_of({**texts, **system}, columns, dataset)

    def pack(self, row: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The rendered columns."""
        example = {
            "instruction": text_or_column(self.instruction, row, dataset, 0),
            "input": rendered(self.input, row, dataset),
            "output": text_or_column(self.output, row, dataset, 1),
        }
        return example if self.system is None else {"system": rendered(self.system, row, dataset), **example}
