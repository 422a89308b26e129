"""What was written for a key, layer by layer, and what of it counts: the ground of `sdspec explain`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdspec.spec.finding import Place
from sdspec.spec.settings import Dropped, Setting, find, plain
from sdspec.spec.spec import Key, Origin, dotted

SET, WON, WRONG, DROPPED = "set", "won", "wrong", "dropped"
"""What became of a value: a higher layer came over it, it counts, it cannot be used, its key was taken out."""


@dataclass(frozen=True, slots=True)
class Written:
    """A value that one layer gave a key."""

    key: str
    """The key asked for, or a key below it that was dropped."""
    origin: Origin
    value: Any
    """Plain data as it was written, interpolations included; of a mapping the keys that this layer set."""
    layer: int
    state: str
    """`set`, `won`, `wrong` or `dropped`."""
    why: str = ""
    """Why it was dropped."""


@dataclass(frozen=True)
class History:
    """A composition with everything that was written on the way."""

    tree: Setting
    """All layers on one another; keys that are wrong still hold what was written."""
    used: Setting
    """The tree with wrong keys at the value of the layer below, or without them."""
    dropped: tuple[Dropped, ...] = ()
    chosen: Mapping[str, Origin] = field(default_factory=dict)
    """Group -> where its option was chosen."""

    def of(self, key: Key) -> tuple[Written, ...]:
        """Every value that was written for the key, lowest layer first, dropped ones at their layers."""
        found = [*_written(self.tree, key, key), *self._dropped(key)]
        counting = _counting(find(self.used, key))
        return tuple(_judged(one, counting) for one in sorted(found, key=lambda one: one.layer))

    def _dropped(self, key: Key) -> Iterator[Written]:
        for gone in self.dropped:
            if key[: len(gone.key)] == gone.key:
                found, whole = find(gone.setting, key[len(gone.key) :]), key
            elif gone.key[: len(key)] == key:
                found, whole = gone.setting, gone.key
            else:
                continue
            if found is not None:
                yield from _each(found, whole, gone.why)


def _counting(used: Setting | None) -> tuple[int, ...]:
    """The layers whose values are in use: one, or of a mapping all that were merged."""
    if used is None:
        return ()
    if not isinstance(used.value, dict):
        return (used.places[-1].layer,)
    below = {place.layer for place in _places(used.below)} if used.below is not None else set()
    return tuple(place.layer for place in _places(used) if place.layer not in below)


def _judged(one: Written, counting: tuple[int, ...]) -> Written:
    """Above the layers whose values are used all values are wrong."""
    if one.state == DROPPED or one.layer < min(counting, default=-1):
        return one
    return Written(one.key, one.origin, one.value, one.layer, WON if one.layer in counting else WRONG)


def _written(tree: Setting, key: Key, whole: Key, why: str = "") -> Iterator[Written]:
    """What each layer wrote for `key` below `tree`; `why` where something in its place has taken all of it out."""
    for depth in range(len(key)):
        node = find(tree, key[:depth])
        if node is not None and node.below is not None:
            reason = why or _replaced(whole[: len(whole) - len(key) + depth], node, key[-1])
            yield from _written(node.below, key[depth:], whole, reason)
    if (found := find(tree, key)) is not None:
        yield from _each(found, whole, why)


def _each(setting: Setting, key: Key, why: str) -> Iterator[Written]:
    state = DROPPED if why else SET
    for place in _places(setting):
        yield Written(dotted(key), place.origin, _value_in(setting, place.layer), place.layer, state, why)


def _replaced(key: Key, node: Setting, name: str | int) -> str:
    """Why what lies below a mapping is gone: another `kind` came, or its like is replaced whole."""
    assert node.below is not None
    if name == "kind":
        return ""
    if node.kind is not None and node.below.kind is not None and node.kind != node.below.kind:
        return f"kind '{node.kind}' replaces '{node.below.kind}'"
    return f"{dotted(key)} is replaced as a whole"


def _places(setting: Setting) -> list[Place]:
    """The places of a value, and of a mapping those too that set a key below it; the lowest layer first."""
    found = {place.layer: place for place in setting.places}
    for child in setting.mapping.values():
        for place in _places(child):
            found.setdefault(place.layer, place)
    return [found[layer] for layer in sorted(found)]


def _value_in(setting: Setting, layer: int) -> Any:
    """What one layer wrote, as plain data."""
    below = setting.below
    if below is not None and any(place.layer == layer for place in _places(below)):
        return _value_in(below, layer)
    if not isinstance(setting.value, dict):
        return plain(setting)
    return {
        name: _value_in(child, layer)
        for name, child in setting.value.items()
        if any(place.layer == layer for place in _places(child))
    }
