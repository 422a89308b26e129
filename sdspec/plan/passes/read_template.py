"""Reads a template's seeds and variables: {choice: {easy: 3, hard: 1}} -> weighted draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sdspec.plan.draft import Draft
from sdspec.plan.passes.shape_output import RESERVED
from sdspec.spec.spec import Key

FILE: Key = ("template", "seeds_file")
DRAWN = ("choice", "range")
HEAVIEST = 1e100
"""Weights add up to a finite number."""
MOST_WRONG = 20
"""Wrong seeds that are shown; thousands that are alike would hide the rest of the spec's problems."""


def read_template(draft: Draft) -> None:
    """`seeds`, `constants`, `choices` and `ranges` are there."""
    _read_seeds(draft)
    for name, value in draft.spec.config.template.variables.items():
        key = ("template", "variables", name)
        if name in RESERVED or name in draft.output:
            draft.problem(key, "this name is taken by a column.", "Choose another variable name.")
        elif isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in DRAWN:
            if draft.spec.is_bad(*key):
                continue  # it stands at something else, and has been reported
            _read_drawn(draft, name, value, key)
        else:
            draft.constants[name] = value


def _read_seeds(draft: Draft) -> None:
    read = draft.spec.inputs.get(FILE)
    seeds = draft.spec.config.template.seeds if read is None else tuple(read.data)
    names = [f"seed {position + 1}" for position in range(len(seeds))] if read is None else read.places
    first: dict[str, str] = {}
    faults = []
    for position, (seed, name) in enumerate(zip(seeds, names, strict=True)):
        at = FILE if read else ("template", "seeds", position)
        if not seed.strip():
            faults.append((at, f"{name} is empty.", "Remove it."))
        elif seed in first:
            hint = "A seed's rows are told apart by its text; remove one."
            faults.append((at, f"{name} repeats {first[seed]}: {seed!r}.", hint))
        first.setdefault(seed, name)
    for fault in faults[:MOST_WRONG]:
        draft.problem(*fault)
    if (more := len(faults) - MOST_WRONG) > 0:
        draft.problem(("template", "seeds_file" if read else "seeds"), f"{more} more seeds repeat others or are empty.")
    draft.seeds = tuple(first)


def _read_drawn(draft: Draft, name: str, value: Mapping[str, Any], key: Key) -> None:
    if "range" in value:
        bounds = value["range"]
        if (
            isinstance(bounds, Sequence)
            and len(bounds) == 2
            and all(type(bound) is int for bound in bounds)
            and -(2**63) <= bounds[0] <= bounds[1] < 2**63
        ):
            draft.ranges[name] = (bounds[0], bounds[1])
        else:
            draft.problem((*key, "range"), f"{bounds!r} is not [low, high] of two whole numbers.")
        return
    choice = value["choice"]
    pairs = list(choice.items()) if isinstance(choice, Mapping) else [(one, 1) for one in _list(choice)]
    weights = [weight for _, weight in pairs]
    bad = [one for one in weights if type(one) not in (int, float) or not 0 <= one <= HEAVIEST]
    if bad or not sum(weights):
        hint = "Write {choice: [a, b]} or {choice: {a: 3, b: 1}}, weights not negative."
        draft.problem((*key, "choice"), f"{choice!r} cannot be drawn from.", hint)
        return
    draft.choices[name] = tuple((one, float(weight)) for one, weight in pairs)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
