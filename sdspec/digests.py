"""SHA-256 of large files, each computed once: remembered in the user's cache folder, which is found here too."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import orjson


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


def remembered_sha256(path: Path) -> str:
    """64 hex digits over the file, remembered by its path, size, modification time and inode; raises OSError."""
    found = path.stat()
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
    """64 hex digits over the file's bytes as they are now; raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remembered(memory: Path) -> dict[str, object]:
    try:
        data = orjson.loads(memory.read_bytes())
    except (OSError, orjson.JSONDecodeError):
        return {}
    return data if isinstance(data, dict) else {}


def _remember(memory: Path, name: str, entry: list[object]) -> None:
    """The entry is in the memory, without files that are gone; or forgotten where the folder is read-only."""
    try:
        memory.parent.mkdir(parents=True, exist_ok=True)
        draft = memory.with_name(f"{memory.name}.{os.getpid()}")
        known = {path: known for path, known in _remembered(memory).items() if Path(path).exists()}
        draft.write_bytes(orjson.dumps(known | {name: entry}))
        draft.replace(memory)
    except OSError:
        return
