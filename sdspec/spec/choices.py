"""The options of one group, each with its file and what the file says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdspec.spec.find import packaged_conf, shown

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


def options_of(group: str, spec: Path | None, cwd: Path) -> tuple[Option, ...]:
    """The options of a group, sorted: beside the spec, in ./conf, packaged; the first of a name hides the others."""
    found: dict[str, Option] = {}
    packaged = packaged_conf()
    for folder in ([spec.parent] if spec is not None else []) + [cwd / "conf", packaged]:
        for path in sorted((folder / group).glob("*.yaml")):
            own = path.resolve().is_relative_to(packaged.resolve())
            found.setdefault(path.stem, Option(path.stem, shown(path, cwd), own, _first_comment(path)))
    return tuple(found[name] for name in sorted(found))


def _first_comment(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            if not line.startswith("#"):
                return ""
            if not (said := line.lstrip("#").strip()).startswith(PACKAGE_HEADER):
                return said
    return ""
