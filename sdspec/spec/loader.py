"""Composes a spec with Hydra: its parsing, defaults lists and overrides, with our layering (see `settings`).

`Loader` is a Hydra config loader, so that `Hydra(task_name, config_loader=loader).multirun(...)` sweeps over specs.
"""

from __future__ import annotations

import copy
import importlib
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra import __version__, version
from hydra._internal.config_loader_impl import ConfigLoaderImpl, get_overrides_dirname
from hydra._internal.config_repository import CachingConfigRepository
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra._internal.core_plugins.importlib_resources_config_source import ImportlibResourcesConfigSource
from hydra._internal.core_plugins.structured_config_source import StructuredConfigSource
from hydra._internal.defaults_list import DefaultsList, create_defaults_list
from hydra._internal.sources_registry import SourcesRegistry
from hydra.conf import ConfigSourceInfo
from hydra.core.default_element import ConfigDefault, ResultDefault
from hydra.core.override_parser.types import Override
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.config_source import ConfigSource
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException
from packaging.version import Version

from sdspec.errors import SpecError
from sdspec.spec import overrides as words
from sdspec.spec.brought import brought_by
from sdspec.spec.chosen import chosen_where
from sdspec.spec.find import ROOT, packaged_conf
from sdspec.spec.finding import Finding, Place, problems
from sdspec.spec.layers import Choice, Layer, Switch, lay
from sdspec.spec.repository import Bringing, Library, Repository, folders
from sdspec.spec.settings import Dropped, Setting, plain
from sdspec.spec.spec import Key, Origin

ONE_AT_A_TIME = threading.RLock()
"""Hydra's and OmegaConf's generated parsers share their caches between threads, unguarded."""

REFUSED = (HydraException, RecursionError, ValueError)
"""What Hydra raises on a defaults list that it cannot follow."""

BUILT_IN = ("basic_launcher", "basic_sweeper")
"""Modules that store the options which Hydra's own defaults list names; importing them does it."""


@dataclass(frozen=True)
class Composition:
    """What composing gave: the tree of settings, and everything found on the way."""

    tree: Setting
    choices: Mapping[str, str]
    hydra: DictConfig
    overrides: tuple[str, ...]
    """Those that are right and hold no secret."""
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    dropped: tuple[Dropped, ...]
    chosen: Mapping[str, Origin]
    """Group -> where its option was chosen."""


def make_loader(spec: Path | None, cwd: Path, *, plugins: bool = False) -> Loader:
    """A loader for a spec file (absolute) or for the default config; `plugins`: Hydra's plugins are found first."""
    if not isinstance(version.getbase(), Version):
        version.setbase("1.3")
    sources: tuple[type[ConfigSource], ...] = (
        FileConfigSource,
        ImportlibResourcesConfigSource,
        StructuredConfigSource,
    )
    for source in sources:
        SourcesRegistry.instance().register(source)
    for built_in in BUILT_IN:
        importlib.import_module(f"hydra._internal.core_plugins.{built_in}")
    own = [("main", spec.parent)] if spec is not None else []
    if (cwd / "conf").is_dir() and (cwd / "conf").resolve() != packaged_conf():
        own.append(("conf", cwd / "conf"))
    path = folders([*((name, str(folder)) for name, folder in own), (ROOT, str(packaged_conf()))])
    if plugins:
        for plugin in Plugins.instance().discover(SearchPathPlugin):
            if issubclass(plugin, SearchPathPlugin):
                plugin().manipulate_search_path(path)
    return Loader(path, Library(cwd, spec))


class Loader(ConfigLoaderImpl):
    """Hydra's config loader with sdspec's layering."""

    repository: Repository

    def __init__(self, search_path: Any, library: Library) -> None:
        self.config_search_path = search_path
        self.library = library
        self.repository = Repository(search_path, library)

    def _load_configuration_impl(
        self,
        config_name: str | None,
        overrides: list[str],
        run_mode: RunMode,
        from_shell: bool = True,
        validate_sweep_overrides: bool = True,
    ) -> DictConfig:
        """What Hydra's own runs and sweeps get; raises SpecError where anything is wrong."""
        done = self.compose(overrides, run_mode)
        if done.findings:
            raise SpecError(problems(done.findings, "spec"))
        config = OmegaConf.create({**plain(done.tree), "hydra": {}})
        config.hydra = done.hydra.hydra
        OmegaConf.set_struct(config, True)
        return config

    def compose(self, overrides: Sequence[str], run_mode: RunMode = RunMode.RUN) -> Composition:
        """The composed spec; what is wrong is in its findings."""
        with ONE_AT_A_TIME:
            return _Composing(self, run_mode).run(overrides)


class _Composing:
    """One composition."""

    def __init__(self, loader: Loader, run_mode: RunMode) -> None:
        self.loader, self.run_mode = loader, run_mode
        self.name = loader.library.primary_name
        self.repository = copy.deepcopy(loader.repository)
        self.cached = CachingConfigRepository(self.repository)
        self.cached.delegate = self.repository
        self.findings: list[Finding] = []
        self.notes: list[str] = []
        self.broken: dict[Finding, Key] = {}
        """Findings about files that gave nothing, with what these files should have given."""
        self.written_for: dict[str, dict[str, Choice]] = {}
        self.chosen: Mapping[str, Choice] = {}

    def run(self, texts: Sequence[str]) -> Composition:
        """The whole way from texts to the tree."""
        parsed, wrong = words.parse(texts)
        self.findings += wrong
        self._search_path(parsed)
        given, wrong = words.sort_out(parsed, self.repository, sweep=self.run_mode == RunMode.MULTIRUN)
        self.findings += wrong
        defaults, used = self._defaults(given.groups)
        defaults, brought = self._with_brought(defaults, used)
        layers = self._layers(defaults.defaults)
        self.chosen = chosen = _choices(defaults)
        explicit = frozenset(o.get_key_element().lstrip("+~") for o in used)
        dropped: list[Dropped] = []
        switch = Switch(chosen, explicit, self._choices_of, dropped.append, frozenset(brought))
        tree, wrong = lay(layers, switch, self.notes.append)
        self.findings += wrong
        tree, wrong = words.apply(tree, given.keys, self.loader.library.cwd, self.notes.append, dropped.append)
        self.findings += wrong
        self.findings += [replace(f, key=self.broken[f]) if f in self.broken else f for f in self.repository.findings]
        kept = tuple(o for o in given.all if o not in given.groups or o in used)
        config = self._hydra(defaults, kept, given.hydra, layers)
        named = {group: ",".join(c) if isinstance(c, list) else str(c) for group, c in chosen.items() if c is not None}
        lines = tuple(str(o.input_line) for o in kept)
        where = chosen_where(defaults, used, self.repository) | {name: one.origin for name, one in brought.items()}
        said = (tuple(self.findings), tuple(self.notes))
        return Composition(tree, named, config, lines, *said, tuple(dropped), where)

    def _search_path(self, parsed: list[Override]) -> None:
        try:
            self.loader._process_config_searchpath(self.name, parsed, self.cached)
        except HydraException:
            self.findings.append(Finding(self._origin("hydra"), "hydra.searchpath: a list of folders is needed."))

    def _origin(self, key: str) -> Origin:
        document = self.repository.document(self.name)
        return document.origin((key,)) if document is not None else Origin(None)

    def _list(self, groups: Sequence[Override], name: str | None = None) -> DefaultsList:
        return create_defaults_list(
            repo=self.cached,
            config_name=name or self.name,
            overrides_list=list(groups),
            prepend_hydra=name is None,
            skip_missing=self.run_mode == RunMode.MULTIRUN or name is not None,
        )

    def _defaults(self, groups: Sequence[Override]) -> tuple[DefaultsList, list[Override]]:
        """The defaults list, and the group choices that fit in it; the others are findings."""
        try:
            return self._list(groups), list(groups)
        except REFUSED:
            found = self._own_defaults()
        used: list[Override] = []
        for override in groups:
            try:
                found = self._list([*used, override])
                used.append(override)
            except REFUSED as error:
                self.findings.append(_does_not_fit(override, error))
        return found, used

    def _with_brought(
        self, defaults: DefaultsList, groups: Sequence[Override]
    ) -> tuple[DefaultsList, dict[str, Bringing]]:
        """The defaults list with the options that other options bring, and those by group."""
        brought = brought_by(defaults, self.repository)
        if not brought:
            return defaults, {}
        more, _ = words.parse([f"{group}={one.option}" for group, one in brought.items()])
        return self._list([*groups, *more]), brought

    def _own_defaults(self) -> DefaultsList:
        try:
            return self._list(())
        except REFUSED as error:
            return self._mended(error)

    def _mended(self, error: Exception) -> DefaultsList:
        """The defaults list of a primary config whose own one Hydra refuses: the packaged root."""
        self.findings.append(Finding(self._origin("defaults"), f"defaults: {_first_line(error)}"))
        primary = self.cached.load_config(self.name)
        if primary is None or self.name == ROOT:
            raise SpecError(problems(self.findings, self.name)) from error
        primary.defaults_list = [ConfigDefault(path=f"/{ROOT}"), ConfigDefault(path="_self_")]
        return self._list(())

    def _choices_of(self, config_path: str) -> dict[str, Choice]:
        """The options that a file chooses by itself, which its keys were written for."""
        if config_path not in self.written_for:
            try:
                self.written_for[config_path] = self._own_choices(config_path)
            except REFUSED:
                self.written_for[config_path] = {}
        return self.written_for[config_path]

    def _own_choices(self, config_path: str) -> dict[str, Choice]:
        """What a file chooses by itself; what is brought to it counts where that stands in the end.

        Keys that lie on a model that a provider brought stay where another provider brings another one.
        """
        own = self._list((), config_path)
        brought = brought_by(own, self.repository).items()
        return _choices(own) | {group: one.option for group, one in brought if self.chosen.get(group) == one.option}

    def _layers(self, defaults: Sequence[ResultDefault]) -> list[Layer]:
        layers: list[Layer] = []
        for default in defaults:
            path = str(default.config_path)
            if path.startswith("hydra/"):
                continue
            package = tuple(str(default.package).split(".")) if default.package else ()
            document = self.repository.document(path)
            number = len(layers)
            if document is not None and document.broken:
                self.broken.update(dict.fromkeys(document.findings, package))
            if document is None:
                result = self.cached.load_config(path)
                data: Any = OmegaConf.to_container(result.config) if result is not None else {}
                place = Place(Origin(f"{path}.yaml", 1, 1), number, self.loader.library.cwd)
                layers.append(Layer(path, package, default.primary, data, {(): place}))
            else:
                places = {
                    key: Place(Origin(document.shown, *mark), number, document.path.parent)
                    for key, mark in {(): (1, 1), **document.marks}.items()
                }
                layers.append(Layer(path, package, default.primary, document.data, places))
        return layers

    def _hydra(
        self, defaults: DefaultsList, kept: Sequence[Override], own: Sequence[Override], layers: Sequence[Layer]
    ) -> DictConfig:
        """Hydra's own config, as Hydra fills it in."""
        mine = [default for default in defaults.defaults if str(default.config_path).startswith("hydra/")]
        config = self.loader._compose_config_from_defaults_list(mine, self.cached)
        for layer in layers:
            if "hydra" in layer.data and not layer.package:
                self._hydra_layer(layer, config)
        OmegaConf.set_struct(config, True)
        OmegaConf.set_readonly(config.hydra, False)
        for override in own:
            self._attempt(
                words.origin_of(str(override.input_line)),
                lambda override=override: ConfigLoaderImpl._apply_overrides_to_config([override], config),
            )
        node = config.hydra
        for override in kept:
            lines = node.overrides.hydra if override.is_hydra_override() else node.overrides.task
            lines.append(override.input_line)
        with open_dict(node):
            node.runtime.choices.update(defaults.overrides.known_choices)
            if "name" not in node.job:
                node.job.name = ROOT
        node.runtime.version, node.runtime.version_base = __version__, str(version.getbase())
        node.runtime.cwd = str(self.loader.library.cwd)
        node.runtime.config_sources = [
            ConfigSourceInfo(path=x.path, schema=x.scheme(), provider=x.provider) for x in self.cached.get_sources()
        ]
        directory = node.job.config.override_dirname
        node.job.override_dirname = get_overrides_dirname(
            [o for o in kept if not o.is_hydra_override()], directory.exclude_keys, directory.item_sep, directory.kv_sep
        )
        node.job.config_name = self.name
        return config

    def _hydra_layer(self, layer: Layer, config: DictConfig) -> None:
        origin, own = layer.place(("hydra",)).origin, layer.data["hydra"]
        if isinstance(own, dict):
            self._attempt(origin, lambda: config.merge_with({"hydra": own}))
        else:
            self.findings.append(Finding(origin, "hydra: a mapping (key: value) is needed."))

    def _attempt(self, origin: Origin, change: Any) -> None:
        try:
            change()
        except (HydraException, OmegaConfBaseException) as error:
            self.findings.append(Finding(origin, f"hydra: {_first_line(error)}"))


def _choices(defaults: DefaultsList) -> dict[str, Choice]:
    lists = {group: c for group, c in defaults.overrides.override_choices.items() if isinstance(c, list)}
    known: dict[str, Choice] = {**defaults.overrides.known_choices, **lists}
    return {group: choice for group, choice in known.items() if not group.startswith("hydra/")}


def _does_not_fit(override: Override, error: Exception) -> Finding:
    name, text = override.get_key_element().lstrip("+~"), str(override.input_line)
    origin = words.origin_of(text)
    if override.is_add():
        return Finding(origin, f"{name}: is already chosen.", f"Write {text.lstrip('+')}.")
    if "Could not override" in str(error) and not override.is_delete():
        return Finding(origin, f"{name}: nothing is chosen there yet.", f"Write +{text} to add it.")
    return Finding(origin, f"{name}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "a config includes itself."
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or ["cannot be composed"]
    return lines[0] if lines[0].endswith((".", "?")) else f"{lines[0]}."
