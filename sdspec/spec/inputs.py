"""Reads and hashes the files that a spec names: seeds and examples."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson

from sdspec.errors import did_you_mean
from sdspec.spec.finding import Finding
from sdspec.spec.settings import Setting, find
from sdspec.spec.spec import InputFile, Key, dotted


class _UnusableError(Exception):
    """A file that cannot be used: where in it, why, and what to do."""

    def __init__(self, at: str, why: str, hint: str = "") -> None:
        super().__init__(why)
        self.at, self.why, self.hint = at, why, hint


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
        try:
            found[key] = _read(path, FILES[key]) if key in FILES else _weights(path)
        except _UnusableError as problem:
            written = setting.value if isinstance(setting.value, str) else name
            where = f"{written}{problem.at}"
            findings.append(Finding(place.origin, f"{dotted(key)}: {where}: {problem.why}", problem.hint, key))
    return found, findings


def _at(data: Any, key: Key) -> Any:
    for part in key:
        data = data.get(part) if isinstance(data, dict) else None
    return data


def _weights(path: Path) -> InputFile:
    """Weights are hashed, since their hash stands for the model in the journal; they are not read into memory."""
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            return InputFile(path, digest, path.stat().st_size, None)
    except OSError as error:
        raise _UnusableError("", f"cannot be read: {error.strerror}.") from None


def _read(path: Path, parse: Callable[[str, str], list[Any]]) -> InputFile:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        near = [other.name for other in path.parent.iterdir() if other.is_file()] if path.parent.is_dir() else []
        hint = did_you_mean(path.name, near) if near else ""
        raise _UnusableError("", f"no such file in {path.parent}.", hint) from None
    except OSError as error:
        raise _UnusableError("", f"cannot be read: {error.strerror}.") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _UnusableError(f":{line}", "is not UTF-8 text.", "Save it as UTF-8.") from None
    if not text.strip():
        raise _UnusableError("", "is empty.")
    data = parse(text, path.suffix.lower())
    if not data:
        raise _UnusableError("", "holds an empty list.")
    return InputFile(path, hashlib.sha256(content).hexdigest(), len(content), data)


def _seeds(text: str, suffix: str) -> list[Any]:
    if suffix == ".jsonl":
        entries = list(_json_lines(text))
    elif suffix == ".json" or _is_json_list(text):
        entries = _json_list(text)
    else:
        return [line.strip() for line in text.split("\n") if line.strip()]
    for at, entry in entries:
        if not isinstance(entry, str) or not entry.strip():
            raise _UnusableError(at, f"a seed is a text, got {_brief(entry)}.")
    return [entry for _, entry in entries]


def _examples(text: str, suffix: str) -> list[Any]:
    json_list = suffix == ".json" or text.lstrip().startswith("[")
    entries = _json_list(text) if json_list and suffix != ".jsonl" else list(_json_lines(text))
    for at, entry in entries:
        if not isinstance(entry, dict):
            raise _UnusableError(at, f"an example is a JSON object, got {_brief(entry)}.")
    return [entry for _, entry in entries]


FILES: dict[Key, Callable[[str, str], list[Any]]] = {
    ("template", "seeds_file"): _seeds,
    ("template", "examples_file"): _examples,
}
"""Keys that name a file, and how its text becomes a list."""


def _is_json_list(text: str) -> bool:
    if not text.lstrip().startswith("["):
        return False
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return False
    return True


def _json_list(text: str) -> list[tuple[str, Any]]:
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _UnusableError(f":{error.lineno}:{error.colno}", f"not JSON: {error.msg}.") from None
    if not isinstance(data, list):
        raise _UnusableError(":1:1", f"a JSON list is needed, got {_brief(data)}.")
    return [(f"[{index}]", entry) for index, entry in enumerate(data)]


def _json_lines(text: str) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            yield f":{number}", orjson.loads(line)
        except orjson.JSONDecodeError as error:
            hint = "One JSON value per line, or a JSON list."
            raise _UnusableError(f":{number}:{error.colno}", f"not JSON: {error.msg}.", hint) from None


def _brief(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 40 else f"{text[:40]}..."
