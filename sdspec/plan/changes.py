"""What differs between a plan and an earlier run of the same spec: keys, steps, seeds, size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from sdspec.plan.plan import Plan
from sdspec.rows import canonical
from sdspec.spec.spec import Key, dotted, with_value

SAME, CHANGED, BEHIND, NEW, GONE = "same", "changed", "behind", "new", "gone"
"""What became of a step; `behind`: only because of an earlier step are its rows others."""
SEEDS: frozenset[Key] = frozenset({("template", "seeds"), ("template", "seeds_file")})
"""Compared by what they hold, as the plan's items."""
NOT_SET = object()


@dataclass(frozen=True)
class Past:
    """An earlier run, as its folder has it."""

    run: str
    """Its id."""
    status: str
    spec: Mapping[str, Any]
    """Its resolved spec as plain data."""
    plan: Mapping[str, Any]
    """Its plan.json."""
    inputs: Mapping[Key, str]
    """SHA-256 of the files that its spec names, where they are known."""


@dataclass(frozen=True, slots=True)
class KeyChange:
    """A key of the resolved spec with another value."""

    key: str
    old: Any
    """None where it was not set."""
    new: Any
    """None where it is no longer set."""
    where: str
    """Where the new value was set; empty where none is."""


@dataclass(frozen=True, slots=True)
class StepChange:
    """What became of a step."""

    step: str
    state: str
    """`same`, `changed`, `behind`, `new` or `gone`."""
    because: str = ""
    """Of a step behind a change: the step, or `seed`, that changed first."""


@dataclass(frozen=True, slots=True)
class Changes:
    """A plan against the last run."""

    run: str
    status: str
    same: bool
    """The plan would make the same rows."""
    keys: tuple[KeyChange, ...]
    steps: tuple[StepChange, ...]
    seeds_added: tuple[str, ...]
    seeds_removed: tuple[str, ...]
    size: tuple[int, int]
    """Kept rows wanted, then and now."""


def changes(past: Past, plan: Plan, raw: Mapping[str, Any]) -> Changes:
    """The plan against a run; `raw` is the plan's resolved spec, written as a run folder has it."""
    old, new = _seeds(past.plan["items"]), _seeds(plan.to_json()["items"])
    return Changes(
        run=past.run,
        status=past.status,
        same=past.plan["id"] == plan.id,
        keys=tuple(_keys(past, plan, raw)),
        steps=tuple(_steps(past.plan, plan)),
        seeds_added=tuple(name for name in new if name not in old),
        seeds_removed=tuple(name for name in old if name not in new),
        size=(past.plan["size"], plan.size),
    )


def _seeds(items: list[dict[str, Any]]) -> dict[str, None]:
    """The items' contents in their order, without their quotas."""
    return dict.fromkeys(_shown({name: value for name, value in item.items() if name != "quota"}) for item in items)


def _shown(values: Mapping[str, Any]) -> str:
    return str(values["seed"]) if list(values) == ["seed"] else canonical(values).decode()


def _keys(past: Past, plan: Plan, raw: Mapping[str, Any]) -> Iterator[KeyChange]:
    read = {key: file.sha256 for key, file in plan.spec.inputs.items()}
    for key, old, new in _differing(_told(past.spec, past.inputs), _told(raw, read), ()):
        if key not in SEEDS:
            where = "" if new is NOT_SET else plan.spec.origins.where(key)
            yield KeyChange(dotted(key), _or_none(old), _or_none(new), where)


def _told(spec: Mapping[str, Any], files: Mapping[Key, str]) -> Any:
    """The spec with each file told by its name and its content: a run has its own copies of them."""
    told: Any = spec
    for key, sha256 in files.items():
        name = told
        for part in key:
            name = name.get(part) if isinstance(name, Mapping) else None
        if isinstance(name, str):
            told = with_value(told, key, f"{PurePath(name).name} ({sha256[:8]})")
    return told


def _differing(old: Any, new: Any, key: Key) -> Iterator[tuple[Key, Any, Any]]:
    """(key, old, new) of what differs; a list is one value."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for name in [*new, *(name for name in old if name not in new)]:
            yield from _differing(old.get(name, NOT_SET), new.get(name, NOT_SET), (*key, name))
    elif _or_none(old) != _or_none(new):
        yield key, old, new


def _or_none(value: Any) -> Any:
    """A key that is not set is as good as one that is null."""
    return None if value is NOT_SET else value


def _steps(old: Mapping[str, Any], plan: Plan) -> Iterator[StepChange]:
    """In the plan's order; a step that is gone stands before the step that followed it."""
    before = {step["name"]: step for step in old["steps"]}
    gone = [name for name in before if name not in {step.name for step in plan.steps}]
    names = list(before)
    first = "seed" if old["seed"] != plan.seed else ""
    for step in plan.steps:
        was = before.get(step.name)
        while gone and was is not None and names.index(gone[0]) < names.index(step.name):
            first = first or gone[0]
            yield StepChange(gone.pop(0), GONE)
        if was is not None and was["fingerprint"] == step.fingerprint:
            yield StepChange(step.name, SAME)
        elif was is not None and was.get("own") == step.own:
            yield StepChange(step.name, BEHIND, first)
        else:
            yield StepChange(step.name, NEW if was is None else CHANGED)
            first = first or step.name
    yield from (StepChange(name, GONE) for name in gone)
