"""Loads a spec: composed, resolved and checked, with every problem of it and the files that it names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sdspec.errors import SpecError
from sdspec.spec.finding import Finding, Place, problems
from sdspec.spec.history import History
from sdspec.spec.models import SpecConfig
from sdspec.spec.settings import Setting, find, lowered, origins, plain, put, setting_of, walk
from sdspec.spec.spec import Key, Origin, Spec, dotted, with_value

if TYPE_CHECKING:
    from sdspec.spec.loader import Composition, Loader

MISSING = "???"
"""OmegaConf's mark of a value that someone above must give."""

ROUNDS = 40
"""Times that wrong keys are put back at their defaults; a spec has far fewer layers."""


def load_spec(target: str | None, overrides: Sequence[str] = (), *, cwd: Path | None = None) -> Spec:
    """The spec of a YAML file, of a bare name in `./specs/`, or the default config; what is wrong is in `.problems`.

    Keys that are wrong stand at the value of the layer below, or at their default, and are in `.bad`. SpecError is
    raised only when there is no config at all: no such file, or not YAML.
    """
    return trace_spec(target, overrides, cwd=cwd)[0]


def trace_spec(target: str | None, overrides: Sequence[str] = (), *, cwd: Path | None = None) -> tuple[Spec, History]:
    """`load_spec`, and everything that was written on the way."""
    from sdspec.spec.find import find_spec, shown
    from sdspec.spec.loader import ONE_AT_A_TIME, make_loader

    here = Path(cwd or Path.cwd()).absolute()
    path = find_spec(target, here) if target is not None else None
    name = shown(path, here) if path is not None else "the default config"
    loader = make_loader(path, here, plugins=_uses_hydra_groups(path, overrides))
    if path is not None and (document := loader.library.read(path)).broken:
        raise SpecError(problems(document.findings, name))
    with ONE_AT_A_TIME:
        return _Loading(loader, loader.compose(list(overrides)), name, overrides).spec(path)


def _uses_hydra_groups(path: Path | None, overrides: Sequence[str]) -> bool:
    """Hydra's launchers and sweepers are plugins, found by importing every `hydra_plugins` module: only on demand."""
    if any(word.lstrip("+~").startswith("hydra/") for word in overrides):
        return True
    return path is not None and b"hydra/" in path.read_bytes()


class _Loading:
    """From a composition to a Spec."""

    def __init__(self, loader: Loader, composed: Composition, name: str, typed: Sequence[str]) -> None:
        self.loader, self.composed, self.name, self.typed = loader, composed, name, typed
        self.findings: list[Finding] = list(composed.findings)
        self.notes: list[str] = list(composed.notes)

    def spec(self, path: Path | None) -> tuple[Spec, History]:
        """The Spec, whole, and its history."""
        from sdspec.spec.alternatives import settle
        from sdspec.spec.environment import with_environment
        from sdspec.spec.inputs import read_inputs
        from sdspec.spec.interpolate import resolve
        from sdspec.spec.leftovers import clear
        from sdspec.spec.record import hydra_record

        written = plain(self.composed.tree)
        dropped = list(self.composed.dropped)
        settled, wrong = settle(self.composed.tree, self.notes.append, dropped.append)
        settled = clear(settled, self.name, self.notes.append, dropped.append)
        settled = with_environment(settled)
        self.findings += [*wrong, *self._reserved()]
        config, data, tree = self._checked(self._kept(self._given(settled)))
        raw, _ = resolve(plain(tree), environment=False)
        inputs, wrong = read_inputs(data, tree)
        self.findings += wrong
        spec = Spec(
            config=config,
            raw=located(raw, tree),
            origins=origins(tree, self.name),
            path=path,
            overrides=self.composed.overrides,
            choices=self.composed.choices,
            inputs=inputs,
            bad=frozenset(finding.key for finding in self.findings if finding.key is not None),
            problems=problems(self.findings, self.name, self.typed),
            notes=tuple(dict.fromkeys(self.notes)),
            hydra=hydra_record(written, self.composed.hydra, self.composed.overrides),
        )
        return spec, History(settled, tree, tuple(dropped), self.composed.chosen)

    def _reserved(self) -> list[Finding]:
        from sdspec.spec.find import ROOT, packaged_conf, shown

        cwd = self.loader.library.cwd
        root = cwd / "conf" / f"{ROOT}.yaml"
        if not root.is_file() or root.resolve().is_relative_to(packaged_conf()):
            return []
        what = f"the name '{ROOT}' is that of the packaged root config, and this file is not read."
        return [Finding(Origin(shown(root, cwd), 1, 1), what, "Give it another name, or make its keys group options.")]

    def _given(self, tree: Setting) -> Setting:
        """The tree without values that someone should have given."""
        from sdspec.spec.validate import description

        missing = [(key, setting) for key, setting in walk(tree) if setting.value == MISSING]
        for key, setting in reversed(missing):
            hint = f"{description(key)} Give it in the spec, or as {dotted(key)}=...".strip()
            self.findings.append(Finding(setting.places[-1].origin, f"{dotted(key)}: must be set.", hint, key))
            tree = put(tree, key, None)
        return tree

    def _kept(self, tree: Setting) -> Setting:
        """The tree without numbers that the files of a run could not hold."""
        hint = "Put it in quotes: it is then a text."
        for key, setting in list(walk(tree)):
            if isinstance(setting.value, int) and not -(2**63) <= setting.value < 2**63:
                what = f"{dotted(key)}: a whole number of more than 64 bits."
                self.findings.append(Finding(setting.places[-1].origin, what, hint, key))
                tree = put(tree, key, None)
        return tree

    def _checked(self, tree: Setting) -> tuple[SpecConfig, Any, Setting]:
        """The config with its data and its tree, wrong keys at their defaults."""
        from sdspec.spec.interpolate import resolve
        from sdspec.spec.validate import check, origin_near

        for _ in range(ROUNDS):
            data, unresolved = resolve(plain(tree), environment=True)
            wrong = [
                Finding(origin_near(tree, key), f"{dotted(key)}: {what}", hint, key) for key, what, hint in unresolved
            ]
            config = None
            if not wrong:
                data = located(data, tree)
                config, wrong = check(data, tree)
            if config is not None:
                return config, data, tree
            known = {finding.key for finding in self.findings}
            self.findings += [finding for finding in wrong if not _follows(finding.key, known, tree)]
            for key in sorted({f.key for f in wrong if f.key is not None}, key=len, reverse=True):
                tree = _defaulted(tree, key)
        raise SpecError(problems(self.findings, self.name, self.typed))


def _follows(key: Key | None, known: set[Key | None], tree: Setting) -> bool:
    """True for a key that is known to be wrong, and for a missing one where something above it is."""
    if key is None or key in known:
        return True
    return find(tree, key) is None and any(key[:length] in known for length in range(1, len(key)))


def _defaulted(tree: Setting, key: Key) -> Setting:
    """The tree with a wrong or missing key at what stands for it."""
    from sdspec.spec.validate import PLACEHOLDERS

    if find(tree, key) is not None:
        return lowered(tree, key)
    place = Place(Origin(None), -1, Path())
    if key[-1] in PLACEHOLDERS:
        return put(tree, key, setting_of(PLACEHOLDERS[str(key[-1])], lambda _: place))
    return lowered(tree, key[:-1])


PATHS = {"model": ("path",), "provider": ("ca_bundle", "token_file")}
"""Keys of models and of providers that name a file which is read where it is, not copied into the run."""


def located(data: Any, tree: Setting) -> Any:
    """The data with the paths of models' and providers' files absolute: they are relative to the file that names them.

    A path that a reference to the environment stands in stays as it is, until that is resolved.
    """
    for group, names in PATHS.items():
        several = find(tree, (f"{group}s",))
        nodes: list[Key] = [(group,), *((f"{group}s", name) for name in (several.mapping if several else ()))]
        for key in ((*node, name) for node in nodes for name in names):
            setting, value = find(tree, key), _at(data, key)
            if setting is not None and isinstance(value, str) and "${" not in value:
                data = with_value(data, key, str(setting.places[-1].folder / Path(value).expanduser()))
    return data


def _at(data: Any, key: Key) -> Any:
    for part in key:
        data = data.get(part) if isinstance(data, dict) else None
    return data
