"""Why a key has its value: what is known of it, every layer that set it, what was dropped, what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from sdspec.errors import Problem, SpecError
from sdspec.plan.compile import compile_all
from sdspec.plan.keys import Known, known
from sdspec.spec.history import WON, History, Written
from sdspec.spec.layers import package_of
from sdspec.spec.models import PartSpec
from sdspec.spec.nearest import nearest_key
from sdspec.spec.options import Option, options_of
from sdspec.spec.settings import find
from sdspec.spec.spec import Key, Spec, dotted

NOWHERE = "default"
"""Stands for the place of a value that nothing sets."""
_NOTHING = object()


@dataclass(frozen=True, slots=True)
class Step:
    """One place that set the key."""

    key: str
    """The key, or a key below it that was dropped."""
    where: str
    """`specs/x.yaml:8:3`, or `override 'model.temperature=0.5'`."""
    value: Any
    """As it is written there; of a mapping the keys that are set there."""
    state: str
    """`set` (a later place came over it), `won`, `wrong` (it cannot be used) or `dropped`."""
    why: str = ""
    """Why it was dropped."""


@dataclass(frozen=True, slots=True)
class Child:
    """A key below the one explained."""

    name: str
    value: Any
    where: str
    """Where its value is from; of a mapping or a list, where it was changed last."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The option of a group that stands at a key."""

    group: str
    option: str
    where: str
    """What chose it."""
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that can be said of one key."""

    key: str
    value: Any
    """In use, interpolations resolved; those that read the environment stay as written."""
    is_set: bool
    """False where the value is the default."""
    written: str | None
    """The winner as written, where an interpolation in it was resolved."""
    known: Known | None
    """What models and parts say of it; None where the spec names it freely, or an unknown part has it."""
    chain: tuple[Step, ...]
    """Lowest layer first."""
    children: tuple[Child, ...]
    choice: Choice | None
    problems: tuple[Problem, ...]


def explain(spec: Spec, history: History, key: str, cwd: Path) -> Explanation:
    """The explanation of a key such as `template.checks[0].column`; raises SpecError where there is no such key."""
    path = _path(key, spec.raw)
    found = known(path, spec.config)
    chain = history.of(path)
    value, used = _value(spec, path), find(history.used, path)
    if value is _NOTHING:
        if not chain and not all(_exists(spec, path[: at + 1]) for at in range(len(path))):
            raise SpecError([_unknown(spec, history, path)])
        value = None if found is None else found.default
    stands_in = used is not None and used.places[-1].layer < 0
    if stands_in:
        value = None  # for a required key that is missing something has to stand
    shown = dotted(path)
    return Explanation(
        key=shown,
        value=value,
        is_set=_at(spec.raw, path) is not _NOTHING and not stands_in,
        written=_written(chain, value),
        known=found,
        chain=tuple(Step(one.key, str(one.origin), one.value, one.state, one.why) for one in chain),
        children=tuple(_children(spec, history, path, value, found)),
        choice=_choice(spec, history, path, cwd),
        problems=tuple(problem for problem in compile_all(spec).problems if _is_about(problem, shown)),
    )


def _path(key: str, raw: Mapping[str, Any]) -> Key:
    """`template.checks[0].column` or `template.checks.0.column` -> its parts, positions as numbers."""
    parts: list[str | int] = []
    node: Any = raw
    for part in key.replace("[", ".").replace("]", "").strip(".").split("."):
        name: str | int = part
        if part.isdecimal() and (isinstance(node, list) or (isinstance(node, dict) and part not in node)):
            name = int(part)
        parts.append(name)
        node = _at(node, (name,))
    return tuple(parts)


def _at(data: Any, key: Key) -> Any:
    for part in key:
        inside = isinstance(part, int) and part < len(data) if isinstance(data, list | tuple) else False
        if not inside and not (isinstance(data, Mapping) and part in data):
            return _NOTHING
        data = data[part]
    return data


def _value(spec: Spec, key: Key) -> Any:
    """The value in use: as resolved, else as the models have it where nothing sets it."""
    raw = _at(spec.raw, key)
    if raw is not _NOTHING and not isinstance(raw, str):
        return raw
    typed: Any = spec.config
    for part in key:
        if isinstance(typed, PartSpec):
            typed = typed.kind if part == "kind" else typed.options.get(str(part), _NOTHING)
        elif isinstance(typed, BaseModel):
            typed = getattr(typed, str(part), _NOTHING)
        else:
            typed = _at(typed, (part,))
    if isinstance(raw, str):  # an interpolation gives a text where a number is needed; `${oc.env:...}` stays as written
        return typed if isinstance(typed, int | float) and "${" not in raw else raw
    return typed.model_dump(mode="json") if isinstance(typed, BaseModel) else typed


def _written(chain: tuple[Written, ...], value: Any) -> str | None:
    won = next((one.value for one in reversed(chain) if one.state == WON), None)
    return won if isinstance(won, str) and "${" in won and won != value else None


def _children(spec: Spec, history: History, key: Key, value: Any, found: Known | None) -> Iterator[Child]:
    names: list[str | int] = list(found.children) if found is not None else []
    if isinstance(value, Mapping):
        names = [*value, *(name for name in names if name not in value)]
    elif isinstance(value, list | tuple):
        names = list(range(len(value)))
    else:
        return  # null, or a part that is named by a text alone
    for name in names:
        below = (*key, name)
        here = _value(spec, below)
        if here is _NOTHING:
            said = known(below, spec.config)
            here = said.default if said is not None else None
        yield Child(str(name), here, _where(history, below))


def _where(history: History, key: Key) -> str:
    """Where what is used of a key, or of its nearest parent that is written out, was set."""
    setting = find(history.used, key)
    if setting is not None:
        return str(setting.places[-1].origin)
    parent = find(history.used, key[:-1])
    written = parent is not None and isinstance(parent.value, str) and "${" in parent.value
    return str(parent.places[-1].origin) if parent is not None and written else NOWHERE


def _choice(spec: Spec, history: History, key: Key, cwd: Path) -> Choice | None:
    group = next((group for group in spec.choices if package_of(group) == key), None)
    if group is None:
        return None
    origin = history.chosen.get(group)
    options = options_of(group.partition("@")[0], spec.path, cwd)
    return Choice(group, spec.choices[group], NOWHERE if origin is None else str(origin), options)


def _is_about(problem: Problem, key: str) -> bool:
    rest = problem.what.removeprefix(key)
    return rest != problem.what and rest[:1] in (":", ".", "[")


def _unknown(spec: Spec, history: History, key: Key) -> Problem:
    """What is wrong with a key that cannot be, and which are near."""
    depth = next(at for at in range(len(key)) if not _exists(spec, key[: at + 1]))
    parent, siblings = key[:depth], _names(spec, key[:depth])
    items = _value(spec, parent)
    if isinstance(items, list | tuple):
        count = f"It has {len(items)} item{'' if len(items) == 1 else 's'}"
        last = f": 0 to {len(items) - 1}" if len(items) > 1 else ""
        return Problem("command line", f"{dotted(key)}: {dotted(parent)} has no item {key[depth]}.", f"{count}{last}.")
    hint = nearest_key(key[: depth + 1], siblings, history.tree) if siblings else "There are no keys below it."
    what = f"{dotted(key)}: no such key{f' below {dotted(parent)}' if parent else ''}."
    return Problem("command line", what, hint)


def _exists(spec: Spec, key: Key) -> bool:
    """True for what is set, and for what a model or a part has by that very name."""
    said = known(key, spec.config)
    return _value(spec, key) is not _NOTHING or (said is not None and said.named)


def _names(spec: Spec, key: Key) -> list[str]:
    value, said = _value(spec, key) if key else spec.raw, known(key, spec.config)
    written = list(value) if isinstance(value, Mapping) else []
    return sorted({str(name) for name in [*written, *(said.children if said is not None else ())]})
