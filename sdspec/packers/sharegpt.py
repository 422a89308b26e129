"""A chat in the layout of ShareGPT, which LLaMA-Factory, Axolotl, Unsloth and FastChat read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdspec.dataset import Dataset
from sdspec.packers.messages import Messages

_FROM = {"system": "system", "user": "human", "assistant": "gpt"}


class Sharegpt(Messages):
    """`{"conversations": [{"from": "human", "value": ...}, {"from": "gpt", "value": ...}]}`.

    It has the keys of `messages`; a system message is the first turn, from `system`.
    """

    def pack(self, row: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The rendered turns."""
        messages = super().pack(row, dataset)["messages"]
        return {"conversations": [{"from": _FROM[one["role"]], "value": one["content"]} for one in messages]}
