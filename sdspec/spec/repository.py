"""Where Hydra finds configs: the spec's folder, ./conf, the packaged conf. Faulty defaults lists are mended on the way.

Hydra stops at the first wrong entry of a defaults list. Here every entry is looked at when its file is loaded; a wrong
one becomes a finding and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hydra._internal.config_repository import ConfigRepository
from hydra._internal.config_search_path_impl import ConfigSearchPathImpl
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.object_type import ObjectType
from hydra.plugins.config_source import ConfigResult, ConfigSource
from omegaconf import OmegaConf

from sdspec.errors import did_you_mean
from sdspec.spec.document import Document, read_document
from sdspec.spec.find import ROOT, packaged_conf
from sdspec.spec.finding import Finding
from sdspec.spec.models import SpecConfig
from sdspec.spec.options import NO_GROUPS
from sdspec.spec.spec import Origin


@dataclass
class Library:
    """The documents of one loader, read once each; copies of a repository share it."""

    cwd: Path
    primary: Path | None
    """The spec file, found under its stem whatever its suffix; None for the packaged root."""
    documents: dict[Path, Document] = field(default_factory=dict)

    def __deepcopy__(self, memo: Any) -> Library:
        return self

    @property
    def primary_name(self) -> str:
        """Hydra's name of the primary config."""
        return ROOT if self.primary is None else self.primary.stem

    def read(self, path: Path) -> Document:
        """The document at a path."""
        if path not in self.documents:
            self.documents[path] = read_document(path, self.cwd)
        return self.documents[path]


class Source(FileConfigSource):
    """One folder of the search path."""

    def __init__(self, provider: str, path: str, library: Library) -> None:
        super().__init__(provider, path)
        self.library = library

    def file(self, config_path: str) -> Path:
        """The file that holds a config."""
        primary = self.library.primary
        if self.provider == "main" and primary is not None and config_path == primary.stem:
            return primary
        return Path(self.path) / self._normalize_file_name(config_path)

    def is_config(self, config_path: str) -> bool:
        """The packaged root has its name for itself: no user's file stands in its place."""
        reserved = config_path == ROOT and Path(self.path) != packaged_conf()
        return not reserved and self.file(config_path).is_file()

    def is_group(self, config_path: str) -> bool:
        """A folder with options; one beside the spec that is only called like a key of the spec is none."""
        folder = Path(self.path) / config_path
        if config_path in NO_GROUPS or not folder.is_dir():
            return False
        return config_path == "" or any(p.suffix == ".yaml" or p.is_dir() for p in folder.iterdir())

    def load_config(self, config_path: str) -> ConfigResult:
        """What Hydra needs of a document: its header, and the folders that it adds to the search path."""
        document = self.library.read(self.file(config_path))
        hydra = document.data.get("hydra")
        more = hydra.get("searchpath") if isinstance(hydra, dict) else None
        shown = {"hydra": {"searchpath": more}} if isinstance(more, list) else {}
        header = {"package": document.package}
        return ConfigResult(self.provider, f"file://{self.path}", OmegaConf.create(shown), header)


@dataclass(frozen=True, slots=True)
class Bringing:
    """An option that another option brings: the entry `override /GROUP: OPTION` of its defaults list."""

    group: str
    option: str
    origin: Origin


class Repository(ConfigRepository):
    """All sources; what is wrong in a defaults list is in `findings` once its file was loaded."""

    def __init__(self, search_path: ConfigSearchPath, library: Library) -> None:
        self.library = library
        self.findings: list[Finding] = []
        self.brought: dict[str, list[Bringing]] = {}
        """By the option that brings them (`provider/bedrock`): taken out of its defaults list, see `brought`."""
        super().__init__(search_path)

    def initialize_sources(self, config_search_path: ConfigSearchPath) -> None:
        """As Hydra does, with our Source for folders."""
        super().initialize_sources(config_search_path)
        self.sources: list[ConfigSource] = [
            Source(source.provider, source.path, self.library) if type(source) is FileConfigSource else source
            for source in self.sources
        ]

    def document(self, config_path: str) -> Document | None:
        """The document of a config; None where a package, not a folder, provides it."""
        source = self._find_object_source(config_path, ObjectType.CONFIG)
        return self.library.read(source.file(config_path)) if isinstance(source, Source) else None

    def load_config(self, config_path: str) -> ConfigResult | None:
        """The config with its wrong defaults left out; None where there is none."""
        document = self.document(config_path)
        source = self._find_object_source(config_path, ObjectType.CONFIG)
        if document is None or source is None:
            return super().load_config(config_path)
        self.findings.extend(document.findings)
        written = document.data.get("defaults", [])
        kept = self._checked(config_path, document, written if isinstance(written, list) else [])
        result = source.load_config(config_path)
        result.defaults_list = self._create_defaults_list(config_path, OmegaConf.create(kept))
        return result

    def options(self, group: str) -> list[str]:
        """All options of a group, sorted."""
        return list(self.get_group_options(group, ObjectType.CONFIG))

    def groups(self) -> list[str]:
        """All top-level groups of ours, sorted."""
        return [name for name in self.get_group_options("", ObjectType.GROUP) if name in SpecConfig.model_fields]

    def _checked(self, config_path: str, document: Document, items: Any) -> list[Any]:
        if not isinstance(document.data.get("defaults", []), list):
            origin = document.origin(("defaults",))
            self.findings.append(Finding(origin, "defaults: a list is needed.", "Write `- /sdspec`, then `- _self_`."))
        kept = []
        for index, item in enumerate(items):
            wrong = self._item_problem(config_path, item, document.origin(("defaults", index)))
            if wrong is not None:
                self.findings.append(wrong)
            if wrong is None and (brought := self._bringing(config_path, item, document.origin(("defaults", index)))):
                self.brought.setdefault(config_path, []).append(brought)
            elif wrong is None or wrong.key is not None:
                kept += [item] if wrong is None else self._mended(config_path, item)
        if config_path == self.library.primary_name and config_path != ROOT:
            kept = _with_root(kept)
        return kept if not kept or "_self_" in kept else [*kept, "_self_"]

    def _bringing(self, config_path: str, item: Any, origin: Origin) -> Bringing | None:
        """What an entry of an option's defaults list brings for another group."""
        of_an_option = config_path.partition("/")[0] in SpecConfig.model_fields and "/" in config_path
        if not of_an_option or not isinstance(item, dict) or not _is_override(item):
            return None
        entry, option = next(iter(item.items()))
        group = _absolute(config_path.rpartition("/")[0], str(entry).split(" ")[-1])
        return Bringing(group, option, origin) if isinstance(option, str) and "${" not in option else None

    def _item_problem(self, config_path: str, item: Any, origin: Origin) -> Finding | None:
        folder = config_path.rpartition("/")[0]
        if isinstance(item, str):
            name = item.partition("@")[0]
            path = _absolute(folder, name)
            if item == "_self_" or "${" in item or self.config_exists(path):
                return None
            known = self.options(path.rpartition("/")[0])
            hint = did_you_mean(path.rpartition("/")[2], known)
            return Finding(origin, f"defaults: no config '{name}'.", hint)
        if not isinstance(item, dict) or len(item) != 1:
            what = "defaults: an entry is a config, or one `group: option`."
            return Finding(origin, what, "E.g. `- override /provider: fake`.")
        entry, value = next(iter(item.items()))
        group = _absolute(folder, str(entry).split(" ")[-1].partition("@")[0])
        if not self.group_exists(group):
            return Finding(origin, f"defaults: no group '{group}'.", did_you_mean(group, self.groups()))
        if "optional" in str(entry).split(" "):
            return None
        return option_problem(self, group, value, origin, str(entry).partition("@")[2], f"defaults: {group}")

    def _mended(self, config_path: str, item: Any) -> list[Any]:
        """An entry with wrong options: the right ones stay; where none is left nothing is chosen yet."""
        entry, value = next(iter(item.items()))
        group = _absolute(config_path.rpartition("/")[0], str(entry).split(" ")[-1].partition("@")[0])
        right = (
            [option for option in value if self.config_exists(f"{group}/{option}")] if isinstance(value, list) else []
        )
        return [{entry: right or None}] if right or not _is_override(item) else []


def option_problem(
    repository: Repository, group: str, value: Any, origin: Origin, package: str = "", name: str = ""
) -> Finding | None:
    """What is wrong with the choice of an option, or of a list of options, for a package (default: the group's)."""
    key = tuple((package or group.replace("/", ".")).split("."))
    for option in value if isinstance(value, list) else [value]:
        if option is None or option == "???" or (isinstance(option, str) and "${" in option):
            continue
        if not isinstance(option, str) or not repository.config_exists(f"{group}/{option}"):
            hint = did_you_mean(str(option), repository.options(group)) + _further(group, str(option))
            return Finding(origin, f"{name or group}: no option '{option}'.", hint, key)
    return None


def _further(group: str, option: str) -> str:
    """Where an option may be that is not here."""
    if group == "model":
        return f" To name a model of the provider: model.id={option}."
    if group.startswith("hydra/"):
        return f" Plugins bring more: pip install hydra-{option}-{group.removeprefix('hydra/')}."
    return ""


def _absolute(folder: str, path: str) -> str:
    return path[1:] if path.startswith("/") else f"{folder}/{path}" if folder else path


def _with_root(items: list[Any]) -> list[Any]:
    """A spec that names no config to start from starts from the packaged root."""
    own = [item for item in items if item != "_self_" and not (isinstance(item, dict) and _is_override(item))]
    return items if own else [f"/{ROOT}", *items]


def _is_override(item: dict[str, Any]) -> bool:
    return "override" in str(next(iter(item))).split(" ")


def folders(search_path: Iterable[tuple[str, str]]) -> ConfigSearchPath:
    """Hydra's search path: its own configs, these folders, and its schema source."""
    path = ConfigSearchPathImpl()
    path.append("hydra", "pkg://hydra.conf")
    for provider, folder in search_path:
        path.append(provider, folder)
    path.append("schema", "structured://")
    return path
