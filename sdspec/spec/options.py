"""The groups and options there are to choose from, by a look at the folders: nothing is composed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from sdspec.spec.find import ROOT, SUFFIXES, packaged_conf

NO_GROUPS = ("name", "seed", "providers", "models")
"""Keys of a spec; a folder beside it that is called like one holds no options."""


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


def _below(folder: Path, group: str) -> Iterator[tuple[str, str]]:
    for path in _entries(folder):
        if path.is_dir() and not (group == "" and path.name in NO_GROUPS):
            yield from _below(path, f"{group}/{path.name}" if group else path.name)
        elif path.suffix == ".yaml" and group:
            yield group, path.stem


def _entries(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if not path.name.startswith((".", "__"))] if folder.is_dir() else []
