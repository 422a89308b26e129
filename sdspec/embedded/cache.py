"""The folder of the embedded model in the user's cache, and the hashes of weights; what is wrong says what to do."""

from __future__ import annotations

from pathlib import Path

from sdspec import digests
from sdspec.errors import PrerequisiteError


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
    """64 hex digits over the file, each file hashed once; raises PrerequisiteError."""
    try:
        return digests.remembered_sha256(path)
    except OSError as error:
        raise PrerequisiteError(f"cannot read the model file {path}: {error.strerror}.") from error


def file_sha256(path: Path) -> str:
    """64 hex digits over the file's bytes as they are now; raises PrerequisiteError."""
    try:
        return digests.file_sha256(path)
    except OSError as error:
        raise PrerequisiteError(f"cannot read the model file {path}: {error.strerror}.") from error
