"""The tree of what was written, each value with its places; and how a higher layer lies on a lower one.

Hydra merges everything with everything. Here, instead:
- a mapping that names another `kind` replaces the lower one wholly (a note says what is dropped);
- lists, `template.output`, `template.fake` and the value of each template variable are replaced, never merged;
- `workflow.dedup` is replaced as soon as the higher layer names a `kind`;
- where a part is named by a text alone (`parse: json`), keys of a higher layer join it as `{kind: json, ...}`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sdspec.spec.finding import Place
from sdspec.spec.spec import Key, Origins, dotted

WHOLE: frozenset[Key] = frozenset({("template", "output"), ("template", "fake")})
"""Mappings whose keys are columns: those of another dataset never mix in."""

DATA: tuple[Key, ...] = (*sorted(WHOLE, key=str), ("template", "variables"), ("template", "examples"))
"""What users name freely: a `kind` in here is a column or a variable."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value with all places that set it, lowest layer first."""

    value: Any
    """A scalar, a dict of Settings, or a list of Settings."""
    places: tuple[Place, ...]
    below: Setting | None = None
    """What it replaced."""

    @property
    def mapping(self) -> dict[Any, Setting]:
        """The children, where this is a mapping; else none."""
        return self.value if isinstance(self.value, dict) else {}

    @property
    def kind(self) -> str | None:
        """The `kind` that a mapping names."""
        kind = self.mapping.get("kind")
        return kind.value if kind is not None and isinstance(kind.value, str) else None


@dataclass(frozen=True, slots=True)
class Dropped:
    """A value that was taken out of the tree, and why."""

    key: Key
    setting: Setting
    why: str
    """`'fake' is chosen`"""


def setting_of(value: Any, place: Callable[[Key], Place], key: Key = ()) -> Setting:
    """Plain data as Settings; `place` says where a key stands."""
    here = (place(key),)
    if isinstance(value, dict):
        return Setting({name: setting_of(child, place, (*key, name)) for name, child in value.items()}, here)
    if isinstance(value, list):
        return Setting([setting_of(child, place, (*key, index)) for index, child in enumerate(value)], here)
    return Setting(value, here)


def plain(setting: Setting) -> Any:
    """The values alone."""
    if isinstance(setting.value, dict):
        return {name: plain(child) for name, child in setting.value.items()}
    if isinstance(setting.value, list):
        return [plain(child) for child in setting.value]
    return setting.value


def walk(setting: Setting, key: Key = ()) -> Iterator[tuple[Key, Setting]]:
    """Every key with its Setting, parents first."""
    yield key, setting
    if isinstance(setting.value, dict):
        for name, child in setting.value.items():
            yield from walk(child, (*key, name))
    elif isinstance(setting.value, list):
        for index, child in enumerate(setting.value):
            yield from walk(child, (*key, index))


def origins(tree: Setting, spec: str) -> Origins:
    """For every key the chain of places that set it."""
    return Origins(
        {key: tuple(place.origin for place in setting.places) for key, setting in walk(tree) if key}, spec=spec
    )


def merge(low: Setting, high: Setting, note: Callable[[str], None], key: Key = ()) -> Setting:
    """`high` laid on `low`; keys that are dropped because of another `kind` are noted."""
    places = low.places + high.places
    low = _as_part(key, low, high)
    if not isinstance(low.value, dict) or not isinstance(high.value, dict) or _is_whole(key):
        return Setting(high.value, places, low)
    if _other_kind(key, low, high):
        dropped = [dotted((*key, name)) for name in low.mapping if name not in high.mapping]
        if dropped and low.kind != high.kind:
            by = high.mapping["kind"].places[-1].origin
            note(f"{dotted(key)}: kind '{high.kind}' ({by}) replaces '{low.kind}'; dropped: {', '.join(dropped)}.")
        return Setting(high.value, places, low)
    children = dict(low.mapping)
    for name, child in high.mapping.items():
        children[name] = merge(children[name], child, note, (*key, name)) if name in children else child
    return Setting(children, places, low.below)


def _is_whole(key: Key) -> bool:
    return key in WHOLE or (len(key) == 3 and key[:2] == ("template", "variables"))


def _other_kind(key: Key, low: Setting, high: Setting) -> bool:
    if high.kind is None or in_data(key):
        return False
    return (low.kind is not None and low.kind != high.kind) or key == ("workflow", "dedup")


def in_data(key: Key) -> bool:
    """True inside of what users name freely."""
    return any(key[: len(data)] == data for data in DATA)


def by_name(key: Key) -> bool:
    """True for keys where a text alone names a part: `parse: json`."""
    return key == ("template", "parse") or (len(key) == 3 and key[0] == "export" and key[2] == "packer")


def _as_part(key: Key, low: Setting, high: Setting) -> Setting:
    if by_name(key) and isinstance(low.value, str) and isinstance(high.value, dict):
        return replace(low, value={"kind": Setting(low.value, low.places)})
    return low


def find(tree: Setting, key: Key) -> Setting | None:
    """The Setting at a key; None where there is none."""
    for part in key:
        value = tree.value
        inside = part < len(value) if isinstance(value, list) and isinstance(part, int) else False
        if not inside and not (isinstance(value, dict) and part in value):
            return None
        tree = value[part]
    return tree


def put(tree: Setting, key: Key, new: Setting | None) -> Setting:
    """The tree with `new` at an existing key's place; None takes the key out. A missing parent changes nothing."""
    if not key:
        return new if new is not None else tree
    name, rest = key[0], key[1:]
    child = find(tree, (name,))
    if rest:
        return tree if child is None else _with(tree, name, put(child, rest, new))
    return _with(tree, name, new)


def _with(tree: Setting, name: Any, child: Setting | None) -> Setting:
    if isinstance(tree.value, list):
        items = list(tree.value)
        items[name : name + 1] = [] if child is None else [child]
        return replace(tree, value=items)
    children = {k: v for k, v in tree.mapping.items() if k != name}
    return replace(tree, value={**tree.mapping, name: child} if child is not None else children)


def lowered(tree: Setting, key: Key) -> Setting:
    """The tree with the key at the value of the layer below, or without it; a list is one value."""
    cut = next((i for i, part in enumerate(key) if isinstance(part, int) and _in_list(tree, key[:i])), len(key))
    found = find(tree, key[:cut])
    return tree if found is None else put(tree, key[:cut], found.below)


def _in_list(tree: Setting, key: Key) -> bool:
    found = find(tree, key)
    return found is not None and isinstance(found.value, list)
