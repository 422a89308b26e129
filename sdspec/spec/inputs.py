"""Reads and hashes the files that a spec names: seeds and examples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from sdspec.digests import remembered_sha256
from sdspec.errors import did_you_mean
from sdspec.spec.entries import (
    Entry,
    Fault,
    Table,
    UnusableError,
    csv_table,
    json_lines,
    json_list,
    plain_text,
    refuse,
    text_lines,
)
from sdspec.spec.finding import Finding
from sdspec.spec.settings import Setting, find
from sdspec.spec.spec import InputFile, Key, dotted

MOST_FAULTS = 20
"""Faults of one file that are shown; a file of thousands that are alike would hide the rest of the spec's."""
FILES_NAMED = 6
"""Files of a folder that are named where one is missing; a folder may hold thousands."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What a file holds, entry by entry."""

    found: list[Entry]
    header_at: str | None = None
    """Where the header of a CSV stands; each entry then is a mapping of its names to texts."""


def read_inputs(config: Any, tree: Setting) -> tuple[dict[Key, InputFile], list[Finding]]:
    """The files by the keys that name them; `config` is the resolved config as plain data."""
    found: dict[Key, InputFile] = {}
    findings = []
    weights: list[Key] = [("model", "path"), *(("models", name, "path") for name in config.get("models") or {})]
    for key in [*FILES, *weights]:
        name, setting = _at(config, key), find(tree, key)
        if not isinstance(name, str) or setting is None:
            continue
        place = setting.places[-1]
        path = place.folder / Path(name).expanduser()
        written = setting.value if isinstance(setting.value, str) else name
        try:
            found[key] = _read(path, written, FILES[key]) if key in FILES else _weights(path)
        except UnusableError as wrong:
            for fault in wrong.faults[:MOST_FAULTS]:
                what = f"{dotted(key)}: {written}{fault.at}: {fault.why}"
                findings.append(Finding(place.origin, what, fault.hint, key))
            if (more := len(wrong.faults) - MOST_FAULTS) > 0:
                what = f"{dotted(key)}: {written}: {more} more entries are wrong."
                findings.append(Finding(place.origin, what, key=key))
    return found, findings


def _at(data: Any, key: Key) -> Any:
    for part in key:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _weights(path: Path) -> InputFile:
    """Weights are hashed, since their hash stands for the model in the journal; once, and not read into memory."""
    try:
        return InputFile(path, remembered_sha256(path), path.stat().st_size, None)
    except OSError as error:
        raise UnusableError(Fault("", f"cannot be read: {error.strerror}.")) from None


def _read(path: Path, written: str, parse: Callable[[str, str], Entries]) -> InputFile:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        near = [other.name for other in path.parent.iterdir() if other.is_file()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, near, FILES_NAMED) if near else ""
        raise UnusableError(Fault("", f"no such file in {path.parent}.", hint)) from None
    except OSError as error:
        raise UnusableError(Fault("", f"cannot be read: {error.strerror}.")) from None
    text = plain_text(content)
    if not text.strip():
        raise UnusableError(Fault("", "is empty."))
    entries = parse(text, path.suffix.lower())
    if not entries.found:
        raise UnusableError(Fault("", "holds an empty list."))
    return InputFile(
        path=path,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content),
        data=[entry for _, entry in entries.found],
        places=tuple(f"{written}{at}" for at, _ in entries.found),
        header=None if entries.header_at is None else f"{written}{entries.header_at}",
    )


def _seeds(text: str, suffix: str) -> Entries:
    if suffix in TABLES:
        return _seeds_of_table(csv_table(text))
    if suffix == ".jsonl":
        entries = json_lines(text)
    elif suffix == ".json" or _is_json_list(text):
        entries = json_list(text)
    else:
        return Entries(text_lines(text))
    refuse(entries, lambda entry: not isinstance(entry, str) or not entry.strip(), "a seed is a text")
    return Entries(entries)


def _seeds_of_table(table: Table) -> Entries:
    if "seed" not in table.names:
        what = f"the header names no column 'seed', but {', '.join(map(repr, table.names))}."
        hint = "Name one column seed; or save the seeds as .txt, one per line."
        raise UnusableError(Fault(table.header_at, what, hint))
    entries = [(at, record["seed"].strip()) for at, record in table.entries]
    refuse(entries, lambda seed: not seed, "a seed is a text")
    return Entries(entries)


def _examples(text: str, suffix: str) -> Entries:
    if suffix in TABLES:
        table = csv_table(text)
        return Entries(table.entries, table.header_at)
    if suffix == ".txt":
        return Entries([("", text)])
    listed = suffix == ".json" or (suffix != ".jsonl" and text.lstrip().startswith("["))
    entries = json_list(text) if listed else json_lines(text)
    refuse(entries, lambda entry: not isinstance(entry, dict | str), "an example is a JSON object")
    return Entries(entries)


TABLES = (".csv", ".tsv")

FILES: dict[Key, Callable[[str, str], Entries]] = {
    ("template", "seeds_file"): _seeds,
    ("template", "examples_file"): _examples,
}
"""Keys that name a file, and how its text (with the file's suffix) becomes entries."""


def _is_json_list(text: str) -> bool:
    if not text.lstrip().startswith("["):
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True
