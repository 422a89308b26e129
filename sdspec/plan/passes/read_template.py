"""Reads a template's seeds, examples and variables: {choice: {easy: 3, hard: 1}} -> weighted draws."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from sdspec.conform import conform
from sdspec.errors import did_you_mean
from sdspec.plan.draft import Draft
from sdspec.plan.passes.shape_output import RESERVED
from sdspec.spec.spec import Key

DRAWN = ("choice", "range")
MISSING = "missing_column"
"""conform's code of a column that is not there; a misspelt one has been reported as unknown."""


def read_template(draft: Draft) -> None:
    """`seeds`, `examples`, `constants`, `choices` and `ranges` are there."""
    _read_seeds(draft)
    _read_examples(draft)
    for name, value in draft.spec.config.template.variables.items():
        key = ("template", "variables", name)
        if name in RESERVED or name in draft.output:
            draft.problem(key, "this name is taken by a column.", "Choose another variable name.")
        elif isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in DRAWN:
            _read_drawn(draft, name, value, key)
        else:
            draft.constants[name] = value


def _read_seeds(draft: Draft) -> None:
    template = draft.spec.config.template
    read = draft.spec.inputs.get(("template", "seeds_file"))
    both = read is not None and template.seeds
    origins = draft.spec.origins
    if both and origins.of(("template", "seeds")).file == origins.of(("template", "seeds_file")).file:
        draft.problem(("template", "seeds_file"), "both seeds and seeds_file are set.", "Keep one.")
    key: Key = ("template", "seeds_file") if read else ("template", "seeds")
    seeds = [str(seed) for seed in read.data] if read else list(template.seeds)
    first: dict[str, int] = {}
    for position, seed in enumerate(seeds):
        at = key if read else (*key, position)
        if not seed.strip():
            draft.problem(at, f"seed {position + 1} is empty.", "Remove it.")
        elif seed in first:
            hint = "A seed's rows are told apart by its text; remove one."
            draft.problem(at, f"seed {position + 1} repeats seed {first[seed] + 1}: {seed!r}.", hint)
        first.setdefault(seed, position)
    draft.seeds = tuple(first)


def _read_examples(draft: Draft) -> None:
    template = draft.spec.config.template
    read = draft.spec.inputs.get(("template", "examples_file"))
    key: Key = ("template", "examples_file") if read else ("template", "examples")
    examples: Sequence[Any] = read.data if read else template.examples
    kept = []
    for position, example in enumerate(examples):
        at = key if read else (*key, position)
        if not isinstance(example, Mapping):
            draft.problem(at, f"example {position + 1} is not a mapping of columns to values.")
        elif draft.schema is None or _fits(draft, example, position, at):
            kept.append(example)
    draft.examples = tuple(kept)
    shown = template.examples_per_row
    if shown is not None and shown > len(examples):
        draft.problem(("template", "examples_per_row"), f"{shown} of {len(examples)} examples cannot be drawn.")


def _fits(draft: Draft, example: Mapping[str, Any], position: int, at: Key) -> bool:
    """True when the example has just the output's columns, with values of their types."""
    assert draft.schema is not None
    properties = draft.schema["properties"]
    before = len(draft.problems)
    unknown = [name for name in example if name not in properties]
    for name in unknown:
        hint = did_you_mean(name, properties)
        draft.problem((*at, name), f"example {position + 1}: the output has no column {name!r}.", hint)
    found = conform(example, draft.schema)  # what an answer must be, an example must be too
    for fault in found if isinstance(found, tuple) else ():
        misspelt = fault.code == MISSING and any(difflib.get_close_matches(name, properties) for name in unknown)
        if not misspelt:
            draft.problem(at, f"example {position + 1}: {fault.detail}.")
    return len(draft.problems) == before


def _read_drawn(draft: Draft, name: str, value: Mapping[str, Any], key: Key) -> None:
    if "range" in value:
        bounds = value["range"]
        if (
            isinstance(bounds, Sequence)
            and len(bounds) == 2
            and all(type(bound) is int for bound in bounds)
            and bounds[0] <= bounds[1]
        ):
            draft.ranges[name] = (bounds[0], bounds[1])
        else:
            draft.problem((*key, "range"), f"{bounds!r} is not [low, high] of two whole numbers.")
        return
    choice = value["choice"]
    pairs = list(choice.items()) if isinstance(choice, Mapping) else [(one, 1) for one in _list(choice)]
    weights = [weight for _, weight in pairs]
    bad = [one for one in weights if isinstance(one, bool) or not isinstance(one, int | float) or one < 0]
    if bad or not sum(weights):
        hint = "Write {choice: [a, b]} or {choice: {a: 3, b: 1}}, weights not negative."
        draft.problem((*key, "choice"), f"{choice!r} cannot be drawn from.", hint)
        return
    draft.choices[name] = tuple((one, float(weight)) for one, weight in pairs)


def _list(value: Any) -> list[Any]:
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else []
