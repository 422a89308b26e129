"""A chat: system, user and assistant messages, as chat trainers read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from sdspec.dataset import Dataset
from sdspec.packers.prompt_completion import PromptCompletion, problems_of, rendered


class Messages(PromptCompletion):
    """`{"messages": [system, user, assistant]}`: the prompt is the user's message, the completion the assistant's."""

    system: str | None = Field(None, description="The system message (Jinja); null leaves it out.")

    def problems(self, columns: Sequence[str], dataset: Dataset) -> list[str]:
        """As for prompt_completion, and those of the system message."""
        system = {} if self.system is None else {"system": self.system}
        return super().problems(columns, dataset) + problems_of(system, columns, dataset)

    def pack(self, row: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The rendered messages."""
        pair = super().pack(row, dataset)
        messages = [
            {"role": "user", "content": pair["prompt"]},
            {"role": "assistant", "content": pair["completion"]},
        ]
        if self.system is not None:
            messages.insert(0, {"role": "system", "content": rendered(self.system, row, dataset)})
        return {"messages": messages}
