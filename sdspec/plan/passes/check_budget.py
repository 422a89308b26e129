"""Checks that what is limited can be counted: budget.usd=5 on a model whose price nobody knows is a problem."""

from __future__ import annotations

from sdspec.contracts import Block
from sdspec.plan.draft import Draft


def check_budget(draft: Draft) -> None:
    """Where USD are limited, a model that is asked and has no price is a problem."""
    if draft.spec.config.budget.usd is None:
        return
    asked = (step.part.asks() for step in draft.steps if isinstance(step.part, Block))
    for name in dict.fromkeys(asked):
        if name is not None and (unpriced := draft.models[name].unpriced):
            draft.problem(("budget", "usd"), f"{unpriced}.", f"Give it: {draft.models[name].price_example}")
