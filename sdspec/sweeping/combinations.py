"""Looks at every combination of a sweep before the first call: what is wrong with any, and keys that change nothing."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdspec.contracts import Block
from sdspec.errors import Problem
from sdspec.plan.compile import compile_all
from sdspec.plan.plan import Plan
from sdspec.spec.load import load_spec
from sdspec.spec.spec import Origin

if TYPE_CHECKING:
    from sdspec.spec.sweep import Axis, SweepPlan

INDIFFERENT = {
    "budget": "it says when a run stops, and decides no row",
    "engine": "it says how a plan is run, and decides no row",
    "export": "exports are written from the same rows, several at once, or at any time by sdspec export",
    "name": "it only names the folder",
    "provider": "it says how the provider is reached, not what it answers",
    "providers": "it says how the provider is reached, not what it answers",
}
"""First part of a key -> why it may decide no row."""


@dataclass(frozen=True)
class Combination:
    """One job's overrides, compiled."""

    overrides: tuple[str, ...]
    problems: tuple[Problem, ...]
    plan: Plan | None


def look(sweep: SweepPlan, target: str | None, cwd: Path | None) -> list[Combination]:
    """Every combination that is known in advance, loaded and compiled as its job will do it."""
    found = []
    for overrides in sweep.combinations or ():
        compiled = compile_all(load_spec(target, [*sweep.always, *overrides], cwd=cwd))
        found.append(Combination(overrides, compiled.problems, compiled.plan))
    return found


def problems_of(combinations: Sequence[Combination], axes: Sequence[Axis]) -> list[Problem]:
    """Every problem of every combination once.

    What is wrong with all values of a swept key is located at the override as it was typed; what is wrong with some
    combinations only says with which.
    """
    swept = {str(Origin(None, override=text)): (axis, text) for axis in axes for text in axis.values}
    wrong: dict[Problem, list[Combination]] = {}
    for combination in combinations:
        for problem in combination.problems:
            wrong.setdefault(problem, []).append(combination)
    alike = Counter((swept[p.where][0].key, p.what, p.hint) for p in wrong if p.where in swept)
    found: dict[tuple[str, str, str], tuple[str, list[Combination]]] = {}
    for problem, having in wrong.items():
        where, text = problem.where, ""
        if where in swept:
            axis, text = swept[where]
            if alike[axis.key, problem.what, problem.hint] == len(set(axis.values)):
                where, text = str(axis.origin), ""
        found.setdefault((where, problem.what, problem.hint), (text, []))[1].extend(having)
    return [
        Problem(where, what, f"{hint} {_only_with(text, having, combinations, axes)}".strip())
        for (where, what, hint), (text, having) in found.items()
    ]


def _only_with(
    value: str, wrong: Sequence[Combination], combinations: Sequence[Combination], axes: Sequence[Axis]
) -> str:
    """With which other values there is something wrong with this one, or with the spec; empty: with all."""
    possible = [one for one in combinations if not value or value in one.overrides]
    if len(wrong) == len(possible):
        return ""
    others = [text for axis in axes for text in axis.values if all(text in one.overrides for one in wrong)]
    texts = [text for text in others if text != value]
    return f"Only with {' '.join(texts)}." if texts else f"In {len(wrong)} of {len(possible)} combinations."


def idle_problems(combinations: Sequence[Combination], axes: Sequence[Axis]) -> list[Problem]:
    """Of swept keys whose values give the same plan, whatever the other keys are: those runs would be one run."""
    found = []
    for axis in axes:
        same = _same_values(combinations, axis)
        if not same:
            continue
        values = [text.partition("=")[2] for text in axis.values]
        if len(set(axis.values)) < len(axis.values):
            twice = next(value for value, count in Counter(values).items() if count > 1)
            what = f"{axis.key}: the value {twice} stands there twice, and both would be the same run."
            found.append(Problem(str(axis.origin), what, "Name each value once."))
        elif len(same) == len(values):
            why = _why(axis.key, [one.plan for one in combinations if one.plan is not None])
            what = f"{axis.key}: changes nothing{why}. With {', '.join(values)} the plan is the same, so are the rows."
            found.append(Problem(str(axis.origin), what, "Give it one value, and sweep over a key that decides rows."))
        else:
            shown = " and ".join(text.partition("=")[2] for text in same[:2])
            what = f"{axis.key}: the values {shown} give the same plan, so the same rows."
            found.append(Problem(str(axis.origin), what, "Leave one of them out."))
    return found


def _same_values(combinations: Sequence[Combination], axis: Axis) -> tuple[str, ...]:
    """The largest group of values that never make a difference among each other; empty where each value makes one."""
    plans: dict[str, tuple[Any, ...]] = {}
    for text in dict.fromkeys(axis.values):
        with_it = [one for one in combinations if text in one.overrides]
        rest = sorted(with_it, key=lambda one: [other for other in one.overrides if other != text])
        plans[text] = tuple(one.plan.id if one.plan else "" for one in rest)
    groups: dict[tuple[Any, ...], list[str]] = {}
    for text in axis.values:
        groups.setdefault(plans[text], []).append(text)
    largest = max(groups.values(), key=len, default=[])
    return tuple(largest) if len(largest) > 1 else ()


def _why(key: str, plans: Iterable[Plan]) -> str:
    first, *rest = key.lstrip("+~").partition("@")[0].replace("/", ".").split(".")
    if first in ("models", "providers") and rest:
        asked = {name for plan in plans for name in _used(plan, first)}
        if rest[0] not in asked:
            return f": no step asks {'model' if first == 'models' else 'provider'} '{rest[0]}'"
    return f": {INDIFFERENT[first]}" if first in INDIFFERENT else " in this spec"


def _used(plan: Plan, kind: str) -> set[str]:
    asked = {step.part.asks() for step in plan.steps if isinstance(step.part, Block)}
    models = {name for name in asked if name is not None}
    return models if kind == "models" else {plan.models[name].provider_name for name in models}


def same_plans(plans: Sequence[str]) -> str:
    """A note on jobs that are the same run as another one; empty where there is none."""
    repeated = {plan: count for plan, count in Counter(plans).items() if count > 1}
    if not repeated:
        return ""
    several = sum(repeated.values()) - len(repeated)
    first = next(itertools.islice(repeated, 1))
    return f"{several} of {len(plans)} jobs have the plan of another one (e.g. {first}), so the same rows."
