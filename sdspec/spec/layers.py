"""Lays the files of a composition on one another: packages, `_replace_`, and switched groups.

A file's keys for a group are written for the option that this file itself chooses. Where another option is chosen in
the end, by the command line or by a spec that builds on the file, these keys are dropped, and a note names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdspec.spec.finding import Finding, Place
from sdspec.spec.settings import Dropped, Setting, find, merge, put, setting_of
from sdspec.spec.spec import Key, Origin, dotted

REPLACE = "_replace_"
"""Top-level key of a primary config: its top-level nodes replace, instead of merge with, what lies below."""

NOTHING = "none"
"""The option that stands for nothing: who asks for it on the command line wants the spec's own keys gone too."""

DEFAULTS = "defaults"
"""Key of a file's defaults list: it is Hydra's, in the options of a group too."""

NOT_KEYS = frozenset({DEFAULTS, "hydra", REPLACE})

Choice = str | list[str] | None


@dataclass(frozen=True)
class Layer:
    """One file of the composition."""

    config_path: str
    package: Key
    primary: bool
    data: dict[Any, Any]
    places: Mapping[Key, Place]
    """By key within the file; `()` is the file's beginning."""

    def place(self, key: Key) -> Place:
        """Where a key of the file, or else its nearest parent, stands."""
        while key and key not in self.places:
            key = key[:-1]
        return self.places[key]

    @property
    def replaces(self) -> bool:
        """True for a primary config that says `_replace_: true`."""
        return self.primary and self.data.get(REPLACE) is True

    def setting(self) -> Setting:
        """The file's keys, below its package."""
        none = {DEFAULTS} if self.package else NOT_KEYS
        own = {key: value for key, value in self.data.items() if key not in none}
        setting = setting_of(own, self.place)
        for part in reversed(self.package):
            setting = Setting({part: setting}, setting.places)
        return setting


@dataclass(frozen=True)
class Switch:
    """Which options are chosen, and which a file was written for."""

    chosen: Mapping[str, Choice]
    explicit: frozenset[str]
    """Groups that the command line chooses."""
    written_for: Callable[[str], Mapping[str, Choice]]
    """The choices that a config makes by itself."""
    drop: Callable[[Dropped], None]
    """Hears of keys that were written for an option that is not chosen."""
    brought: frozenset[str] = frozenset()
    """Groups whose option came with another group's: keys that a spec sets there lie on it, whatever it is."""


def lay(layers: Sequence[Layer], switch: Switch, note: Callable[[str], None]) -> tuple[Setting, list[Finding]]:
    """The tree of all layers, lowest first."""
    tree, findings = Setting({}, (Place(Origin(None), -1, Path()),)), []
    options = {package_of(group): _option_kind(layers, group, choice) for group, choice in switch.chosen.items()}
    for layer in layers:
        if layer.data.get(REPLACE, True) is not True and layer.data[REPLACE] is not False:
            origin = layer.place((REPLACE,)).origin
            findings.append(Finding(origin, f"{REPLACE}: true or false is needed."))
        elif REPLACE in layer.data and not layer.primary:
            findings.append(Finding(layer.place((REPLACE,)).origin, f"{REPLACE}: only the spec itself can say this."))
        setting = _for_chosen(layer, layer.setting(), switch, options, note)
        if layer.replaces:
            tree = Setting({**tree.mapping, **setting.mapping}, setting.places)
        else:
            tree = merge(tree, setting, note)
    return tree, findings


def package_of(group: str) -> Key:
    """`model` -> ("model",), `model@models.judge` -> ("models", "judge")"""
    name, _, package = group.partition("@")
    return tuple(package.split(".")) if package else tuple(name.split("/"))


def _option_kind(layers: Sequence[Layer], group: str, choice: Choice) -> str | None:
    path = f"{group.partition('@')[0]}/{choice}"
    kinds = [layer.data.get("kind") for layer in layers if layer.config_path == path]
    return kinds[-1] if kinds and isinstance(kinds[-1], str) else None


def _for_chosen(
    layer: Layer, setting: Setting, switch: Switch, options: Mapping[Key, str | None], note: Callable[[str], None]
) -> Setting:
    """The layer without its keys for options that are not chosen."""
    for group, choice in switch.chosen.items():
        package = package_of(group)
        found = find(setting, package)
        if found is None or group in switch.brought or layer.package[: len(package)] == package:
            continue
        wrote = switch.written_for(layer.config_path)
        other = group in wrote and not _within(wrote[group], choice)
        if group in switch.explicit and not other:
            kind = options[package]
            another_kind = kind is not None and found.kind is not None and found.kind != kind
            other = layer.replaces or another_kind or choice == NOTHING
        if not other:
            continue
        setting = put(setting, package, None)
        names = [dotted((*package, name)) for name in found.mapping] or [dotted(package)]
        shown = ",".join(choice) if isinstance(choice, list) else choice
        switch.drop(Dropped(package, found, f"'{shown}' is chosen"))
        note(f"{dotted(package)}: '{shown}' is chosen; dropped from {found.places[-1].origin}: {', '.join(names)}.")
    return setting


def _within(written: Choice, chosen: Choice) -> bool:
    """True when what was chosen before is still chosen."""
    before = written if isinstance(written, list) else [written]
    now = chosen if isinstance(chosen, list) else [chosen]
    return all(option in now for option in before)
