"""The user's cache folder, and SHA-256 of the big files that are read from it, each computed once."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import orjson

from sdspec.errors import PrerequisiteError


def cache_folder() -> Path:
    """The user's cache folder of sdspec; it need not exist. XDG_CACHE_HOME moves it on every platform."""
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if configured.is_absolute():  # the XDG specification says to ignore a relative one
        return configured / "sdspec"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sdspec"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "sdspec" / "Cache"
    return Path.home() / ".cache" / "sdspec"


def writable(folder: Path) -> Path:
    """The folder, made where it was missing; raises PrerequisiteError when it cannot be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PrerequisiteError(
            f"cannot write the cache folder {folder}: {error.strerror}. "
            "Set XDG_CACHE_HOME to a folder that can be written."
        ) from error
    return folder


def weights_sha256(path: Path) -> str:
    """64 hex digits over the file, remembered by path, size and modification time; raises PrerequisiteError."""
    try:
        found = path.stat()
    except OSError as error:
        raise PrerequisiteError(f"cannot read the model file {path}: {error.strerror}.") from error
    memory = cache_folder() / "sha256.json"
    stamp = [found.st_size, found.st_mtime_ns, found.st_ino]
    name = str(path.resolve())
    entry = _remembered(memory).get(name)
    if isinstance(entry, list) and entry[:3] == stamp:
        return str(entry[3])
    digest = file_sha256(path)
    _remember(memory, name, [*stamp, digest])
    return digest


def file_sha256(path: Path) -> str:
    """64 hex digits over the file's bytes as they are now; raises PrerequisiteError."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise PrerequisiteError(f"cannot read the model file {path}: {error.strerror}.") from error


def _remembered(memory: Path) -> dict[str, object]:
    try:
        data = orjson.loads(memory.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return data if isinstance(data, dict) else {}


def _remember(memory: Path, name: str, entry: list[object]) -> None:
    """The entry is in the memory, or forgotten where the folder is read-only: it only saves time."""
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        draft = memory.with_name(f"{memory.name}.{os.getpid()}")
        draft.write_bytes(orjson.dumps(_remembered(memory) | {name: entry}))
        draft.replace(memory)
    except OSError:
        return
