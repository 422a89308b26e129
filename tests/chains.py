"""Plans with a second model step behind the first, as a judge will be one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import sdspec
from sdspec.blocks.generate import Generate
from sdspec.parsers.json import Json
from sdspec.plan.plan import Plan

JUDGE_PROMPT = "From 1 to 9, how hard is this? {{ question }}"
SCORE = {"type": "object", "properties": {"score": {"type": "integer", "minimum": 1, "maximum": 9}}}


def judged(plan: Plan, prompt: str = JUDGE_PROMPT) -> Plan:
    """The plan with a step `judge` behind its row-wise steps, whose prompt reads their columns."""
    generate = next(step for step in plan.steps if isinstance(step.part, Generate))
    assert isinstance(generate.part, Generate)
    changes = {
        "prompt": prompt,
        "system": None,
        "examples": (),
        "style": "json",
        "parser": Json(),
        "output": {**SCORE, "required": ["score"]},
        "columns": {"score": "int"},
        "per_call": 1,
        "fake": None if generate.part.fake is None else {"score": "{{ 1 + n % 9 }}"},
    }
    fields = {name: getattr(generate.part, name) for name in Generate.model_fields}
    judge = replace(generate, name="judge", part=Generate(**{**fields, **changes}), writes={"score": "int"})
    rows = [step for step in plan.steps if step.order == "row"]
    others = [step for step in plan.steps if step.order != "row"]
    return replace(plan, steps=(*rows, judge, *others), columns={**plan.columns, "score": "int"})


def judged_plan(
    spec: Path, *overrides: str, outputs: Path, prompt: str = JUDGE_PROMPT, cwd: Path | None = None
) -> Plan:
    """The judged plan of a spec file; its journal is below `outputs`."""
    said: list[Any] = [*overrides, f"engine.outputs={outputs}"]
    return judged(sdspec.compile(sdspec.load(spec, said, cwd=cwd or spec.parent.parent)), prompt)
