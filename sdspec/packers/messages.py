"""A chat: system, user and assistant messages, as chat trainers read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from sdspec.contracts import Dataset
from sdspec.packers.prompt_completion import PromptCompletion
from sdspec.prompts import compile_text, text_problems


class Messages(PromptCompletion):
    """`{"messages": [system, user, assistant]}`: the prompt is the user's message, the completion the assistant's."""

    system: str | None = Field(None, description="The system message (Jinja); null leaves it out.")

    def problems(self, columns: Sequence[str], dataset: Dataset) -> list[str]:
        """As for prompt_completion, and those of the system message."""
        found = super().problems(columns, dataset)
        if self.system is not None:
            known = {*columns, *dataset.constants}
            found += [f"system: {problem}" for problem in text_problems(self.system, known)]
        return found

    def pack(self, row: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The rendered messages."""
        pair = super().pack(row, dataset)
        messages = [
            {"role": "user", "content": pair["prompt"]},
            {"role": "assistant", "content": pair["completion"]},
        ]
        if self.system is not None:
            system = compile_text(self.system).render({**dataset.constants, **row})
            messages.insert(0, {"role": "system", "content": system})
        return {"messages": messages}
