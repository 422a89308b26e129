"""The last run of a spec, read from its folder, for a plan to be compared with."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from sdspec.errors import StoreError
from sdspec.plan.changes import Past
from sdspec.spec.document import read_document
from sdspec.spec.layers import NOT_KEYS
from sdspec.spec.spec import Key
from sdspec.store.runfolder import RunFolder, list_runs

FILES: tuple[Key, ...] = (("template", "seeds_file"), ("template", "examples_file"))
"""Keys that may name a file in the run's spec, whatever the new one names."""


def last_run(outputs: Path, name: str, files: Iterable[Key]) -> Past | None:
    """The newest run of that name, members of sweeps too, whatever became of it; None where there is none.

    A folder without plan.json or spec.yaml is of a run that died before it began, and one whose run.json or plan.json
    is damaged tells nothing: the run before it is taken. `files` are keys that name files.
    """
    found = (folder for folder in list_runs(outputs) if folder.path.relative_to(outputs).parts[0] == name)
    return next((past for past in (_past(folder, {*FILES, *files}) for folder in found) if past is not None), None)


def _past(folder: RunFolder, files: Iterable[Key]) -> Past | None:
    plan, spec = folder.path / "plan.json", folder.path / "spec.yaml"
    if not plan.is_file() or not spec.is_file():
        return None
    document = read_document(spec, folder.path)
    if document.broken:
        return None
    keys = {key: value for key, value in document.data.items() if key not in NOT_KEYS}
    try:
        status, planned = folder.read_run()["status"], orjson.loads(plan.read_bytes())
    except (StoreError, orjson.JSONDecodeError):
        return None
    return Past(folder.id, status, keys, planned, dict(_inputs(folder.path, keys, files)))


def _inputs(folder: Path, spec: Mapping[str, Any], files: Iterable[Key]) -> Iterator[tuple[Key, str]]:
    for key in files:
        name: Any = spec
        for part in key:
            name = name.get(part) if isinstance(name, Mapping) else None
        if isinstance(name, str) and (sha256 := _sha256(folder, name)) is not None:
            yield key, sha256


def _sha256(folder: Path, name: str) -> str | None:
    """Of the run's own copy of a file, or what it noted of one that was too large to be copied."""
    noted = folder / "inputs" / f"{Path(name).name}.sha256"
    if noted.is_file():
        return noted.read_text().split()[0]
    copy = folder / name
    if Path(name).is_absolute() or not copy.is_file():
        return None
    with copy.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
