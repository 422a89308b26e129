"""Spec -> Plan: pure passes over a draft, in the order of PASSES. No clock, no network, no disk."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sdspec.contracts import Provider
from sdspec.errors import Problem, SpecError, did_you_mean
from sdspec.plan.draft import Draft
from sdspec.plan.passes.bind_models import bind_models
from sdspec.plan.passes.bind_parts import bind_parts
from sdspec.plan.passes.check_budget import check_budget
from sdspec.plan.passes.check_columns import check_columns
from sdspec.plan.passes.check_context import check_context
from sdspec.plan.passes.check_limits import check_limits
from sdspec.plan.passes.check_models import check_models
from sdspec.plan.passes.check_texts import check_texts
from sdspec.plan.passes.fingerprint import fingerprint
from sdspec.plan.passes.lower_workflow import lower_workflow
from sdspec.plan.passes.read_examples import read_examples
from sdspec.plan.passes.read_template import read_template
from sdspec.plan.passes.shape_output import shape_output
from sdspec.plan.plan import Plan
from sdspec.spec.models import SpecConfig
from sdspec.spec.spec import Spec

PASSES = (
    bind_parts,
    bind_models,
    shape_output,
    read_template,
    read_examples,
    check_texts,
    lower_workflow,
    check_columns,
    check_models,
    check_context,
    check_limits,
    check_budget,
    fingerprint,
)

ATTEMPTS_PER_ROW = 10
"""Default of workflow.max_attempts, as rows attempted per row wanted."""


@dataclass(frozen=True)
class Compiled:
    """A plan, or None and the problems in the order of the files."""

    plan: Plan | None
    problems: tuple[Problem, ...]


def compile_all(spec: Spec) -> Compiled:
    """The plan of a spec together with every problem found in it."""
    draft = Draft(spec)
    for run_pass in PASSES:
        run_pass(draft)
    problems = tuple(sorted(dict.fromkeys([*spec.problems, *draft.problems]), key=_place))
    return Compiled(None if problems else _plan(draft), problems)


def _place(problem: Problem) -> tuple[str, list[int]]:
    """Sorts `a.yaml:12:5` behind `a.yaml:9:1`."""
    file, *numbers = problem.where.split(":")
    return file, [int(number) for number in numbers if number.isdecimal()]


def provider_of(spec: Spec, name: str = "provider") -> Provider:
    """One provider of a spec that may lack everything else; raises SpecError with what is wrong with it."""
    draft = Draft(spec)
    bind_parts(draft)
    others = SpecConfig.model_fields.keys() - {"provider", "providers"}
    problems = [one for one in (*spec.problems, *draft.problems) if _root(one) not in others]
    if not problems and name not in draft.providers:
        problems = [Problem("command line", f"no provider named {name!r}.", did_you_mean(name, draft.providers))]
    if problems:
        raise SpecError(sorted(dict.fromkeys(problems), key=_place))
    return draft.providers[name]


def _root(problem: Problem) -> str:
    """`model` of `model.id: must be set.`"""
    return re.split(r"[.:\[]", problem.what, maxsplit=1)[0]


def compile_spec(spec: Spec) -> Plan:
    """The plan of a spec; raises SpecError with every problem, those of loading included."""
    compiled = compile_all(spec)
    if compiled.plan is None:
        raise SpecError(compiled.problems)
    return compiled.plan


def _plan(draft: Draft) -> Plan:
    config = draft.spec.config
    wanted = sum(item.quota for item in draft.items)
    return Plan(
        id=draft.id,
        name=config.name,
        seed=config.seed,
        items=draft.items,
        steps=tuple(draft.steps),
        models=draft.models,
        output=draft.output,
        columns=draft.columns,
        constants=draft.constants,
        exports=tuple(draft.exports),
        max_attempts=config.workflow.max_attempts or wanted * ATTEMPTS_PER_ROW,
        notes=(*draft.spec.notes, *draft.notes),
        per_call=config.workflow.per_call,
        spec=draft.spec,
    )
