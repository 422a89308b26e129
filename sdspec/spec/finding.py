"""A problem together with the place it is sorted by."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sdspec.errors import Problem
from sdspec.spec.secrets import hidden
from sdspec.spec.spec import Key, Origin

OVERRIDES = 1_000_000
"""The layer number of the first override: above all files."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value was written."""

    origin: Origin
    layer: int
    """Files count up from the lowest, overrides from `OVERRIDES`."""
    folder: Path
    """What a relative path written here is relative to."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, where, and the key that therefore stands at its default."""

    origin: Origin
    what: str
    hint: str = ""
    key: Key | None = None

    def problem(self, spec: str) -> Problem:
        """The Problem; `spec` stands for the whole spec where the finding has no place of its own."""
        where = str(self.origin)
        return Problem(spec if where == "default" else where, self.what, self.hint)

    def order(self, overrides: Mapping[str, int]) -> tuple[int, str, int, int]:
        """Files by name, line and column, then the command line as typed."""
        origin = self.origin
        if origin.override is None:
            return -1, origin.file or "", origin.line, origin.column
        return overrides.get(origin.override, len(overrides)), "", 0, 0


def problems(findings: Iterable[Finding], spec: str, overrides: Sequence[str] = ()) -> tuple[Problem, ...]:
    """Every problem once, in reading order."""
    typed = {shown: index for index, text in enumerate(overrides) for shown in (hidden(text), text)}
    ordered = sorted(findings, key=lambda finding: finding.order(typed))
    return tuple(dict.fromkeys(finding.problem(spec) for finding in ordered))
