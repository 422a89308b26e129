"""Command-line overrides: Hydra's grammar, our rules. A wrong one becomes a finding and is taken out.

A key that the models know may be set whether or not a file names it (Hydra would ask for a `+`); a key that they do
not know is found like one in a file, when the config is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from sdspec.errors import did_you_mean
from sdspec.rows import valid_text
from sdspec.spec.finding import OVERRIDES, Finding, Place
from sdspec.spec.repository import Repository, option_problem
from sdspec.spec.secrets import find_secrets, hidden, secret_hint, secret_shape
from sdspec.spec.settings import Dropped, Setting, by_name, find, in_data, merge, plain, put, setting_of
from sdspec.spec.spec import Key, Origin, dotted


@dataclass(frozen=True)
class Words:
    """The usable overrides, by what they are."""

    all: tuple[Override, ...] = ()
    groups: tuple[Override, ...] = ()
    """Choices of options, Hydra's own groups among them."""
    keys: tuple[Override, ...] = ()
    """Keys of the spec."""
    hydra: tuple[Override, ...] = ()
    """Keys of Hydra's own config."""


def parse(texts: Sequence[str]) -> tuple[list[Override], list[Finding]]:
    """The overrides that can be parsed and hold no secret, and what is wrong with the others."""
    parser, parsed, findings = OverridesParser.create(), [], []
    for text in texts:
        if secret_shape(text):
            findings.append(_secret(text, "holds what looks like a secret", ()))
            continue
        if (readable := valid_text(text)) != text:  # Python's stand-in for a byte that is no UTF-8
            findings.append(Finding(origin_of(readable), "is no text in UTF-8.", "Write its characters in UTF-8."))
            continue
        try:
            override = parser.parse_override(text)
        except HydraException:
            shown = hidden(text) if any(find_secrets(_guess(text))) else text
            what = f"cannot be read: {_syntax(text)}."
            findings.append(Finding(origin_of(shown), what, "Write key=value, +key=value, ~key or group=option."))
            continue
        key = key_of(override)
        found = next(find_secrets(_nested(key, plain_value(override))), None)
        if found is None:
            parsed.append(override)
        else:
            findings.append(_secret(text, found[1], found[0]))
    return parsed, findings


def _guess(text: str) -> dict[str, str]:
    key, _, value = text.partition("=")
    return {key.lstrip("+~").rpartition(".")[2]: value}


def _syntax(text: str) -> str:
    if "=" not in text and not text.startswith("~"):
        return "there is no '='"
    return "quote the value, as in key='a value'" if text.partition("=")[0].strip() else "there is no key"


def _secret(text: str, reason: str, key: Key) -> Finding:
    what = f"{dotted(key)}: {reason}." if key else f"{reason}."
    return Finding(origin_of(hidden(text)), what, secret_hint(key), key or None)


def origin_of(text: str) -> Origin:
    """The origin of what an override sets."""
    return Origin(file=None, override=text)


def key_of(override: Override) -> Key:
    """The key that an override names, as it is written."""
    return tuple(override.key_or_group.replace("/", ".").split("."))


def plain_value(override: Override) -> Any:
    """The value, where it is not a sweep."""
    return None if override.is_sweep_override() else override.value()


def _nested(key: Key, value: Any) -> Any:
    for part in reversed(key):
        value = {part: value}
    return value


def sort_out(parsed: Sequence[Override], repository: Repository, *, sweep: bool) -> tuple[Words, list[Finding]]:
    """The overrides by what they are, without the wrong ones; a sweep is wrong outside of a multirun."""
    words: dict[str, list[Override]] = {"all": [], "groups": [], "keys": [], "hydra": []}
    findings = []
    for override in parsed:
        is_group = repository.group_exists(override.key_or_group)
        wrong = _problem(override, is_group, repository, sweep)
        if wrong is not None:
            findings.append(wrong)
            continue
        words["all"].append(override)
        if override.is_sweep_override():
            continue
        chooses = is_group and (override.is_delete() or isinstance(plain_value(override), str | list))
        words["groups" if chooses else "hydra" if override.is_hydra_override() else "keys"].append(override)
    return Words(**{name: tuple(found) for name, found in words.items()}), findings


def _problem(override: Override, is_group: bool, repository: Repository, sweep: bool) -> Finding | None:
    origin, name = origin_of(str(override.input_line)), override.key_or_group
    if override.is_sweep_override():
        return _sweep_problem(override, origin, sweep)
    if not is_group:
        named = override.package is not None or "/" in name
        return Finding(origin, f"no group '{name}'.", did_you_mean(name, repository.groups())) if named else None
    value = plain_value(override)
    if override.is_delete() or value is None or isinstance(value, dict):
        return None
    if override.is_force_add():
        return Finding(origin, "a group cannot be forced.", f"Write {str(override.input_line).lstrip('+')}.")
    return option_problem(repository, name, value, origin, override.package or "")


def _sweep_problem(override: Override, origin: Origin, sweep: bool) -> Finding | None:
    if not sweep:
        hint = f"Add -m to run them all; a list is {override.key_or_group}=[a,b]."
        return Finding(origin, "several values make a sweep.", hint)
    if override.is_hydra_override():
        return Finding(origin, "Hydra's own settings cannot be swept over.")
    return None


def apply(
    tree: Setting,
    overrides: Sequence[Override],
    cwd: Path,
    note: Callable[[str], None],
    drop: Callable[[Dropped], None],
) -> tuple[Setting, list[Finding]]:
    """The tree with the overrides on it; those that name a `kind` first, since they drop the old kind's keys."""
    findings = []
    for index, override in sorted(enumerate(overrides), key=lambda pair: key_of(pair[1])[-1] != "kind"):
        place = Place(origin_of(str(override.input_line)), OVERRIDES + index, cwd)
        result = _applied(tree, override, place, note)
        if isinstance(result, Finding):
            findings.append(result)
            continue
        if override.is_delete() and (gone := _gone(tree, key_of(override))) is not None:
            drop(Dropped(*gone, f"removed by {place.origin}"))
        tree = result
    return tree, findings


def _applied(tree: Setting, override: Override, place: Place, note: Callable[[str], None]) -> Setting | Finding:
    key, value = key_of(override), plain_value(override)
    present = find(tree, key)
    switches = key[-1] == "kind" and (present is None or present.value != value) and not in_data(key)
    done, at = _reach(tree, key[:-2] if switches else key[:-1])
    name = _part(at, key[len(done)])
    rest, old = key[len(done) + 1 :], find(at, (name,))
    here = dotted((*done, name, *rest))
    if isinstance(at.value, list) and old is None:
        return Finding(place.origin, f"{here}: {dotted(done)} has no item {name}; it has {len(at.value)}.")
    if rest and old is not None and not isinstance(old.value, dict | NoneType) and not by_name((*done, name)):
        return Finding(place.origin, f"{here}: {dotted((*done, name))} is {plain(old)!r}, not a mapping.")
    if override.is_delete():
        return _deleted(tree, (*done, name, *rest), value, place)
    if override.is_add() and not rest and old is not None and not isinstance(old.value, dict | list | NoneType):
        return Finding(place.origin, f"{here}: is already set.", f"Write {str(override.input_line)[1:]}.")
    high = setting_of(_nested(rest, value), lambda _: place)
    return put(tree, (*done, name), high if old is None else merge(old, high, note, (*done, name)))


def _gone(tree: Setting, key: Key) -> tuple[Key, Setting] | None:
    """The key that a deletion names, items of lists counted, with what it takes out."""
    done, at = _reach(tree, key)
    rest = tuple(_part(at, part) for part in key[len(done) :])
    found = find(at, rest)
    return None if found is None else ((*done, *rest), found)


def _reach(tree: Setting, key: Key) -> tuple[Key, Setting]:
    """The deepest mapping or list on the way to the key, so that what lies beside it stays."""
    done: Key = ()
    for part in key:
        name = _part(tree, part)
        child = find(tree, (name,))
        if child is None or not isinstance(child.value, dict | list):
            break
        done, tree = (*done, name), child
    return done, tree


def _part(at: Setting, part: str | int) -> str | int:
    return int(part) if isinstance(at.value, list) and str(part).isdigit() else part


def _deleted(tree: Setting, key: Key, value: Any, place: Place) -> Setting | Finding:
    old, parent = find(tree, key), find(tree, key[:-1])
    if old is None:
        hint = did_you_mean(str(key[-1]), map(str, parent.mapping)) if parent else ""
        return Finding(place.origin, f"{dotted(key)}: is not set.", hint)
    if value is not None and value != plain(old):
        return Finding(place.origin, f"{dotted(key)}: is {plain(old)!r}, not {value!r}.")
    return put(tree, key, None)
