"""Files written whole or not at all, and a full or forbidden disk said in one sentence."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdspec.errors import StoreError

_SENTENCES = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file would grow beyond the allowed size",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.ENOENT: "no such file or folder",
}

_BESIDE = re.compile(r"\..+\.(\d+)\.(?:tmp|old)")
"""The names of `whole` and `whole_folder`; the number is that of the process."""


@contextmanager
def saying(what: str, path: Path) -> Iterator[None]:
    """An OSError inside is raised as a StoreError: `cannot <what> <path>: <why>.`"""
    try:
        yield
    except OSError as error:
        why = _SENTENCES.get(error.errno or 0) or error.strerror or str(error)
        raise StoreError(f"cannot {what} {path}: {why}.") from error


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """No other thread or process is in such a block for this folder; it waits for them, and leaves no file behind."""
    import fcntl  # here, since only Unix has it

    with saying("lock", folder):
        opened = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # a file system without locks: better an entry lost than no export
            fcntl.flock(opened, fcntl.LOCK_EX)
        yield
    finally:
        os.close(opened)


@contextmanager
def claimed(folder: Path) -> Iterator[bool]:
    """Whether this block is the only one of its kind for the folder, among all processes; it does not wait for others.

    The lock ends with the process, however that ends. Where the file system has no locks it is always the only one.
    """
    import fcntl  # here, since only Unix has it

    with saying("lock", folder):
        opened = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as refused:
            yield refused.errno not in (errno.EAGAIN, errno.EACCES)
        else:
            yield True
    finally:
        os.close(opened)


def clear_leftovers(folder: Path) -> None:
    """What processes that were killed had begun to write in the folder, and below it, is gone."""
    for path in sorted(folder.rglob(".*")):
        begun = _BESIDE.fullmatch(path.name)
        if begun and not _is_there(int(begun[1])):
            with saying("remove", path), suppress(FileNotFoundError):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def whole(path: Path, durable: bool = True) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` when the block ends well, and else is removed.

    Where `durable`, the bytes are on the disk before the name is: a power cut leaves the old file or the new one.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with saying("write", path):
        try:
            yield beside
            if durable:
                with beside.open("rb") as file:
                    os.fsync(file.fileno())
            beside.replace(path)
        finally:
            with suppress(FileNotFoundError, NotADirectoryError):
                beside.unlink()


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """An empty folder beside `path` to write into; it takes the place of `path` when the block ends well.

    Its files are on the disk before it has the name. The folder of before is gone for the moment between two renames,
    as no system call that is everywhere swaps folders.
    """
    beside, before = (path.with_name(f".{path.name}.{os.getpid()}.{what}") for what in ("tmp", "old"))
    with saying("write", path):
        try:
            shutil.rmtree(beside, ignore_errors=True)
            beside.mkdir()
            yield beside
            for file in beside.iterdir():
                with file.open("rb") as written:
                    os.fsync(written.fileno())
            with suppress(FileNotFoundError):
                path.rename(before)
            try:
                beside.rename(path)
            except OSError:
                with suppress(FileNotFoundError):
                    before.rename(path)
                raise
        finally:
            for folder in (beside, before):
                shutil.rmtree(folder, ignore_errors=True)


def write_whole(path: Path, data: bytes) -> None:
    """The file at `path` holds `data`; a reader at any moment sees the old content or the new."""
    with whole(path) as beside:
        beside.write_bytes(data)
