"""Draws what varies per row: variables with choices or ranges, and the few-shot examples shown."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property
from itertools import accumulate
from typing import Any

from sdspec.contracts import Block, StepContext
from sdspec.rows import Reject, Row, draw

DRAWS = 2**64
"""A draw is one of so many whole numbers."""


class Vary(Block):
    """Gives each row its own variables and examples: equal rows draw equally, and the rows of one answer do too."""

    choices: Mapping[str, tuple[tuple[Any, float], ...]] = {}
    """Variable -> (value, weight) pairs."""
    ranges: Mapping[str, tuple[int, int]] = {}
    """Variable -> lowest and highest whole number, both included."""
    examples: int = 0
    """How many examples there are to draw from."""
    shown: int = 0
    """How many of them a row sees."""

    def reads(self) -> frozenset[str]:
        return frozenset()

    def writes(self) -> Mapping[str, str]:
        types = {name: _type_of([value for value, _ in pairs]) for name, pairs in self.choices.items()}
        return {**types, **dict.fromkeys(self.ranges, "int")}

    @cached_property
    def weighted(self) -> tuple[tuple[str, tuple[Any, ...], tuple[float, ...]], ...]:
        """Variable, its values, and the sum of their weights up to each."""
        return tuple(
            (name, tuple(value for value, _ in pairs), tuple(accumulate(weight for _, weight in pairs)))
            for name, pairs in self.choices.items()
        )

    async def apply(self, row: Row, context: StepContext) -> Row | Reject:
        self.vary(row, context.name, context.spec_seed)
        return row

    def vary(self, row: Row, step: str, spec_seed: int) -> None:
        """The row has its variables; the examples it sees are in its notes, as positions in ascending order."""
        for name, values, up_to in self.weighted:
            part = int(draw(row.call, step, name, spec_seed), 16) / DRAWS
            row.values[name] = values[min(bisect_right(up_to, part * up_to[-1]), len(values) - 1)]
        for name, (low, high) in self.ranges.items():
            drawn = int(draw(row.call, step, name, spec_seed), 16)
            row.values[name] = low + drawn * (high - low + 1) // DRAWS
        if 0 < self.shown < self.examples:
            ranked = sorted(range(self.examples), key=lambda at: draw(row.call, step, f"example {at}", spec_seed))
            row.notes["examples"] = sorted(ranked[: self.shown])


def _type_of(values: list[Any]) -> str:
    names = {type(value).__name__ for value in values}
    if names == {"int", "float"}:
        return "float"
    return names.pop() if len(names) == 1 and names <= {"str", "int", "float", "bool"} else "json"
