"""Lowers the workflow to items and steps: {kind: sft, size: 100}, 20 seeds -> 20 items of 5, vary, generate, checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from sdspec.errors import did_you_mean
from sdspec.plan.draft import Draft
from sdspec.plan.workflows.sft import sft

WORKFLOWS: Mapping[str, Callable[[Draft], None]] = MappingProxyType({"sft": sft})


def lower_workflow(draft: Draft) -> None:
    """`items`, `steps` and `columns` are there, unless something they need is wrong."""
    kind = draft.spec.config.workflow.kind
    if kind not in WORKFLOWS:
        draft.problem(("workflow", "kind"), f"no workflow of kind {kind!r}.", did_you_mean(kind, WORKFLOWS))
        return
    WORKFLOWS[kind](draft)
