"""What the first rows of a plan would ask, word for word; nothing is asked."""

from __future__ import annotations

from dataclasses import dataclass

from sdspec.blocks.generate import Generate
from sdspec.calls import Ask
from sdspec.errors import Problem, SpecError
from sdspec.plan.estimate import first_rows
from sdspec.plan.plan import Plan
from sdspec.prompts import TextError
from sdspec.rows import Row


@dataclass(frozen=True, slots=True)
class FirstAsk:
    """A row as it reaches the first model, and what it asks there."""

    row: Row
    step: str
    ask: Ask


def first_asks(plan: Plan, count: int) -> list[FirstAsk]:
    """The first `count` rows in the order in which a run attempts them; raises SpecError where one cannot render."""
    asking = next((at for at, step in enumerate(plan.steps) if isinstance(step.part, Generate)), None)
    if asking is None:
        return []
    step = plan.steps[asking]
    assert isinstance(step.part, Generate)
    found = []
    for row in first_rows(plan, plan.steps[:asking], count):
        try:
            found.append(FirstAsk(row, step.name, step.part.first_ask(row, step.name, plan.seed)))
        except TextError as wrong:
            where = plan.spec.origins.where(("template", "prompt"))
            what = f"template.prompt: line {wrong.line}: {wrong.message}; with {row.values!r:.200}."
            raise SpecError([Problem(where, what)]) from wrong
    return found
