"""Gives each step the hash of what decides its output, steps before it included, and the plan its id."""

from __future__ import annotations

from dataclasses import replace

from sdspec.plan.draft import Draft
from sdspec.rows import digest

VERSION = 1
"""Raised when equal plans would make other rows."""


def fingerprint(draft: Draft) -> None:
    """Every step has its fingerprint, and the draft its id."""
    before = digest(VERSION, draft.spec.config.seed)
    steps = []
    for step in draft.steps:
        kind = type(step.part).__name__
        deciding = (kind, step.part.version, step.part.deciding())
        before = digest(before, step.name, *deciding)
        steps.append(replace(step, fingerprint=before, own=digest(*deciding)))
    draft.steps = steps
    items = [[item.values, item.quota] for item in draft.items]
    workflow = draft.spec.config.workflow
    draft.id = digest(before, items, workflow.max_attempts, size=4)
