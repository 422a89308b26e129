"""Finds a spec file by what the user typed, and the packaged conf folder."""

from __future__ import annotations

import difflib
from pathlib import Path

from sdspec.errors import Problem, SpecError, did_you_mean

ROOT = "sdspec"
"""Reserved name of the packaged root config."""

SUFFIXES = (".yaml", ".yml")


def packaged_conf() -> Path:
    """The conf folder that comes with sdspec: inside the package in a wheel, beside it in a source tree."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def shown(path: Path, cwd: Path) -> str:
    """A path as a person there would type it; packaged conf as `conf/<group>/<option>.yaml`."""
    conf = packaged_conf()
    if path.is_relative_to(conf):
        return (Path("conf") / path.relative_to(conf)).as_posix()
    return (path.relative_to(cwd) if path.is_relative_to(cwd) else path).as_posix()


def find_spec(target: str, cwd: Path) -> Path:
    """The absolute path of a spec file or of a bare name in `./specs/`; raises SpecError with the near names."""
    bare = "/" not in target and not target.endswith(SUFFIXES)
    start = cwd / "specs" / target if bare else cwd / Path(target).expanduser()
    names = [start, *(start.with_name(start.name + suffix) for suffix in SUFFIXES)]
    found = next((path for path in names if path.is_file()), None)
    if found is None:
        raise SpecError([_not_found(target, start, bare)])
    if found.stem == ROOT:
        what = f"a spec cannot be called '{ROOT}': that is the name of the packaged root config."
        raise SpecError([Problem(shown(found, cwd), what, "Give the file another name.")])
    return Path(found.absolute())


def _not_found(target: str, start: Path, bare: bool) -> Problem:
    if start.is_dir():
        hint = f"Did you mean '{target.rstrip('/')}/spec.yaml'?" if (start / "spec.yaml").is_file() else ""
        return Problem(target, "is a folder, not a spec file.", hint)
    folder = start.parent
    files = [p for p in folder.iterdir() if p.suffix in SUFFIXES and p.is_file()] if folder.is_dir() else []
    if bare:
        where = "no such spec in ./specs/."
        return Problem(target, where, did_you_mean(target, {p.stem for p in files}) if files else _no_specs())
    near = difflib.get_close_matches(start.name, [p.name for p in files], n=3, cutoff=0.5)
    parent = target[: len(target) - len(Path(target).name)]
    hint = "Did you mean " + " or ".join(f"'{parent}{name}'" for name in near) + "?" if near else ""
    return Problem(target, "no such file.", hint)


def _no_specs() -> str:
    return "There is none here: give the path of a YAML file, or leave it out to run the default config."
