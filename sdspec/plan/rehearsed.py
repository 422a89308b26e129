"""What a run would ask, as found out without asking."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sdspec.calls import Ask


@dataclass
class Asked:
    """What one step would ask."""

    new: dict[bytes, Ask] = field(default_factory=dict)
    """To be bought."""
    supposed: list[Ask] = field(default_factory=list)
    """To be bought too, in other words, which hang on an answer that must be bought first."""
    unknown: int = 0
    """To be bought too, and nobody can say in which words at all."""
    held: dict[bytes, Ask] = field(default_factory=dict)
    """In the journal."""

    @property
    def count(self) -> int:
        """Calls in all."""
        return len(self.new) + len(self.supposed) + self.unknown + len(self.held)


@dataclass(frozen=True, slots=True)
class Rehearsed:
    """What the rows that were walked would ask."""

    steps: Mapping[str, Asked]
    """By name, each step that asks a model."""
    whole: bool
    """Every row was walked that the run needs; else so many that the others are taken to be like them."""
