"""Checks the flow of columns: a step that reads `soluton`, which no step before it writes, is a problem."""

from __future__ import annotations

from sdspec.contracts import Check, Dedup
from sdspec.errors import did_you_mean
from sdspec.plan.draft import Draft
from sdspec.spec.spec import Key


def check_columns(draft: Draft) -> None:
    """Every column that a step or a packer reads is written before it."""
    if not draft.output:
        return
    have = set(draft.output) | set(draft.choices) | set(draft.ranges)
    for position, check in draft.checks:
        _check_part(draft, ("template", "checks", position), "column", check, have)
    if draft.dedup is not None:
        _check_part(draft, ("workflow", "dedup"), "columns", draft.dedup, have)
    for export in draft.exports:
        for text in export.packer.problems(tuple(draft.columns), draft.dataset()):
            draft.problem(("export", export.name, "packer"), text)


def _check_part(draft: Draft, key: Key, field: str, part: Check | Dedup, have: set[str]) -> None:
    for name in sorted(part.reads() if isinstance(part, Check) else part.columns):
        if name not in have:
            draft.problem((*key, field), f"no step writes column {name!r}.", did_you_mean(name, have))
