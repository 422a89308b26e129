"""A run's folder: made exclusively, found again by name, with a status that survives the death of its process.

`outputs/<name>/<YYYY-MM-DD_HH-MM-SS>-<plan id>/`, or one level deeper inside a sweep's folder.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count, groupby
from pathlib import Path
from typing import Any, Self

import orjson

from sdspec.errors import Problem, SpecError, StoreError, did_you_mean
from sdspec.store.disk import claimed, clear_leftovers, saying, whole, write_whole
from sdspec.store.process import is_elsewhere, is_gone, this_process

STATUSES = ("running", "done", "short", "budget", "gate", "failed", "interrupted")
LARGE_BYTES = 64 * 2**20
"""Input files above this size are not copied: their hash is kept."""
SILENT_S = 600.0
"""A run writes run.json every few seconds, but while its tables are merged and exported; clocks differ by minutes."""
_RUN = "run.json"
_STAMP = "%Y-%m-%d_%H-%M-%S"
_STAMP_LENGTH = 19
_NEAR = 12
"""So many runs are named when one is not found."""


@dataclass(frozen=True, slots=True)
class RunFolder:
    """The folder of one run; whether its files are there yet is another question."""

    path: Path

    @classmethod
    def create(cls, outputs: Path, name: str, plan_id: str, now: datetime, sweep: str | Path | None = None) -> Self:
        """A new folder, marked as running in this process; raises StoreError where none can be made.

        `sweep` is the folder of the sweep that the run belongs to: its name, or its absolute path.
        """
        parent = outputs / name / sweep if sweep else outputs / name
        with saying("make", parent):
            parent.mkdir(parents=True, exist_ok=True)
        stem = f"{now.strftime(_STAMP)}-{plan_id}"
        names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        folder = cls(next(parent / name for name in names if _made(parent / name)))
        started = {"started_at": now.astimezone().isoformat(), "status": "running", "process": this_process()}
        folder.write_json(_RUN, {"id": folder.id, "name": name, "plan": plan_id, **started})
        return folder

    @classmethod
    def open(cls, path: Path) -> Self:
        """The folder of a run that is there; raises StoreError where there is none."""
        if not (path / _RUN).is_file():
            raise StoreError(f"{path} is not a run folder: it has no {_RUN}.")
        return cls(path)

    @property
    def id(self) -> str:
        """The folder's own name."""
        return self.path.name

    def read_run(self) -> dict[str, Any]:
        """run.json; a run marked as running whose process is gone reads as interrupted.

        One of another host is gone when it has not written run.json for `SILENT_S`.
        """
        path = self.path / _RUN
        try:
            with saying("read", path):
                found: dict[str, Any] = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError as error:
            raise StoreError(f"{path} is damaged: {error}.") from error
        if found["status"] == "running" and (is_gone(found["process"]) or self._is_silent(found["process"])):
            found["status"] = "interrupted"
        return found

    @property
    def started_at(self) -> str:
        """When, as run.json says it; empty where that cannot be read."""
        try:
            return str(self.read_run().get("started_at"))
        except StoreError:
            return ""

    def _is_silent(self, process: Mapping[str, Any]) -> bool:
        return is_elsewhere(process) and time.time() - (self.path / _RUN).stat().st_mtime > SILENT_S

    @contextmanager
    def claimed(self) -> Iterator[None]:
        """Inside, this process alone may change the run; raises StoreError with which one else does.

        What killed processes had begun to write is gone.
        """
        with claimed(self.path) as alone:
            found = self.read_run()
            process = found["process"]
            if not alone or (found["status"] == "running" and process != this_process()):
                raise StoreError(f"run {self.id} is still running, as process {process['pid']} on {process['host']}.")
            clear_leftovers(self.path)
            yield

    def begin(self, fields: Mapping[str, Any]) -> None:
        """run.json holds these fields too, and says that this process runs the run."""
        self.write_json(_RUN, {**self.read_run(), **fields, "status": "running", "process": this_process()})

    def note(self, fields: Mapping[str, Any]) -> None:
        """run.json holds these fields too; not waited for until it is on the disk, so that it can be done often."""
        data = orjson.dumps({**self.read_run(), **fields}, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS)
        with whole(self.path / _RUN, durable=False) as beside:
            beside.write_bytes(data + b"\n")

    def end(self, status: str, fields: Mapping[str, Any]) -> None:
        """run.json holds these fields too, and how the run ended."""
        if status not in STATUSES:
            raise ValueError(status)
        ended = {"ended_at": datetime.now().astimezone().isoformat(), "status": status}
        self.write_json(_RUN, {**self.read_run(), **fields, **ended})

    def write_text(self, name: str, text: str) -> None:
        """The file `name` holds the text, whole; folders on its way are made."""
        self._write(name, text.encode())

    def write_json(self, name: str, value: Any) -> None:
        """The file `name` holds the value as indented JSON, whole."""
        self._write(name, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS) + b"\n")

    def _write(self, name: str, data: bytes) -> None:
        path = self.path / name
        with saying("make", path.parent):
            path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)

    def keep_input(self, source: Path, sha256: str) -> str:
        """Where the run's spec.yaml finds the file: `inputs/<name>`, a copy, or for a large one where it lies.

        `sha256` is of what was read when the spec was loaded; raises StoreError when the file has changed since. Of a
        large file `inputs/<name>.sha256` keeps the hash.
        """
        with saying("read", source):
            large = source.stat().st_size > LARGE_BYTES
        if large:
            self.write_text(f"inputs/{source.name}.sha256", f"{sha256}  {source.absolute()}\n")
            return str(source.absolute())
        with saying("make", self.path / "inputs"):
            (self.path / "inputs").mkdir(exist_ok=True)
        name = f"inputs/{source.name}"
        if (self.path / name).exists() and _sha256(self.path / name) != sha256:
            name = f"inputs/{source.stem}-{sha256[:8]}{source.suffix}"
        with whole(self.path / name) as beside:
            shutil.copyfile(source, beside)
            if _sha256(beside) != sha256:
                raise StoreError(f"{source} has changed since the spec was read; start again.")
        return name


def create_sweep(outputs: Path, name: str, now: datetime) -> Path:
    """A new folder for the runs of a sweep: `outputs/<name>/<YYYY-MM-DD_HH-MM-SS>-sweep`."""
    parent = outputs / name
    with saying("make", parent):
        parent.mkdir(parents=True, exist_ok=True)
    stem = f"{now.strftime(_STAMP)}-sweep"
    names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
    return next(parent / name for name in names if _made(parent / name))


def list_runs(outputs: Path) -> list[RunFolder]:
    """All runs below `outputs`, the newest first."""
    runs = sorted(_runs(outputs), key=lambda run: run.id[:_STAMP_LENGTH], reverse=True)
    newest_first: list[RunFolder] = []
    for _, same_second in groupby(runs, key=lambda run: run.id[:_STAMP_LENGTH]):
        some = list(same_second)
        if len(some) > 1:
            some.sort(key=lambda run: (run.started_at, len(run.id), run.id), reverse=True)
        newest_first += some
    return newest_first


def find_run(outputs: Path, text: str) -> RunFolder:
    """The run that a user means by a folder, a run id, a unique prefix of one, or `last`; raises SpecError."""
    if (Path(text) / _RUN).is_file():
        return RunFolder(Path(text))
    runs = list_runs(outputs)
    if text == "last" and runs:
        return runs[0]
    exact = [run for run in runs if text == run.id]
    found = exact or [run for run in runs if text and run.id.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        shown = ", ".join(str(run.path) for run in found[:_NEAR])
        raise SpecError([Problem(text, f"{len(found)} runs begin like this.", f"Say more of one: {shown}.")])
    if not runs:
        raise SpecError([Problem(text, f"there are no runs in {outputs}.", "`sdspec run` makes one.")])
    hint = did_you_mean(text, [run.id for run in runs[:_NEAR]])
    raise SpecError([Problem(text, f"no run of this name in {outputs}.", hint)])


def _made(path: Path) -> bool:
    """True when the folder was made now, False when it was there."""
    with saying("make", path):
        try:
            path.mkdir()
        except FileExistsError:
            return False
    return True


def _runs(outputs: Path) -> Iterator[RunFolder]:
    for folder in _folders(outputs):
        for run in _folders(folder):
            if (run / _RUN).is_file():
                yield RunFolder(run)
            else:
                yield from (RunFolder(inner) for inner in _folders(run) if (inner / _RUN).is_file())


def _folders(path: Path) -> list[Path]:
    if not path.is_dir():
        return []
    with saying("read", path):
        return [inner for inner in path.iterdir() if inner.is_dir() and not inner.name.startswith(".")]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
