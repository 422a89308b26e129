"""The groups and options there are to choose from, by a look at the folders: nothing is composed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sdspec.spec.find import ROOT, SUFFIXES, packaged_conf, shown

NO_GROUPS = ("name", "seed", "providers", "models")
"""Keys of a spec; a folder beside it that is called like one holds no options."""

PACKAGE_HEADER = "@package"
"""A comment that starts with this is Hydra's."""


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a group."""

    name: str
    file: str
    """As a person would type it; packaged ones as `conf/<group>/<option>.yaml`."""
    packaged: bool
    about: str
    """The file's first comment line."""


def options(cwd: Path) -> dict[str, tuple[str, ...]]:
    """Group -> its options, both sorted: of the packaged conf, of ./conf, and of the folders in ./specs."""
    found: dict[str, set[str]] = {}
    for folder in (packaged_conf(), cwd / "conf", cwd / "specs"):
        for group, option in _below(folder, ""):
            found.setdefault(group, set()).add(option)
    return {group: tuple(sorted(found[group])) for group in sorted(found)}


def specs(cwd: Path) -> tuple[str, ...]:
    """The bare names of the specs in ./specs, sorted."""
    return tuple(sorted({path.stem for path in _entries(cwd / "specs") if path.suffix in SUFFIXES} - {ROOT}))


def options_of(group: str, spec: Path | None, cwd: Path) -> tuple[Option, ...]:
    """The options of a group, sorted: beside the spec, in ./conf, packaged; the first of a name hides the others."""
    found: dict[str, Option] = {}
    packaged = packaged_conf()
    for folder in ([spec.parent] if spec is not None else []) + [cwd / "conf", packaged]:
        for path in sorted((folder / group).glob("*.yaml")):
            own = path.resolve().is_relative_to(packaged.resolve())
            about = next(head_comment(path), "")
            found.setdefault(path.stem, Option(path.stem, shown(path, cwd), own, about))
    return tuple(found[name] for name in sorted(found))


def head_comment(path: Path) -> Iterator[str]:
    """The lines of the comment that a file begins with, without their marks; Hydra's are left out."""
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            if not line.startswith("#"):
                return
            if not (said := line.lstrip("#").strip()).startswith(PACKAGE_HEADER):
                yield said


def _below(folder: Path, group: str) -> Iterator[tuple[str, str]]:
    for path in _entries(folder):
        if path.is_dir() and not (group == "" and path.name in NO_GROUPS):
            yield from _below(path, f"{group}/{path.name}" if group else path.name)
        elif path.suffix == ".yaml" and group:
            yield group, path.stem


def _entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith((".", "__"))] if folder.is_dir() else []
