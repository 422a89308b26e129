"""What became of each job of a sweep, and of the sweep: `sweep.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import orjson

from sdspec.errors import SdspecError, StoreError
from sdspec.store.disk import saying, write_whole
from sdspec.store.runfolder import RunFolder

EXIT_CODES: Mapping[str, int] = {
    "done": 0, "failed": 1, "wrong": 2, "short": 3, "budget": 3, "interrupted": 130, "not started": 130
}  # fmt: skip
"""By status; besides those of a run `wrong`, a spec with problems, and `not started`, for the sweep was stopped."""

WORST_FIRST = (130, 1, 2, 3, 0)
"""A sweep exits with the worst code of its jobs: stopped before it was through, a run that failed, a job whose spec is
wrong, fewer rows than wanted, all done."""

_JOBS = ".jobs"
_FILE = "sweep.json"


@dataclass(frozen=True)
class Result:
    """How one job ended."""

    number: int
    """From 1, in the order of the combinations."""
    overrides: tuple[str, ...]
    """All of its overrides: `sdspec run SPEC` with them is the same run."""
    swept: Mapping[str, str]
    """Of the swept keys: key -> value, as texts."""
    status: str = "not started"
    """That of the run; or `wrong` or `not started`, see `EXIT_CODES`."""
    why: str = ""
    """What is wrong, or why the run ended before it was done."""
    path: str | None = None
    """The run's folder; None where there is none."""
    plan: str | None = None
    counts: Mapping[str, Any] | None = None
    """As in run.json."""
    tokens: Mapping[str, int] | None = None
    cost_usd: float | None = None
    unpriced_calls: int | None = None
    elapsed_s: float | None = None
    rows_sha256: str | None = None
    exit_code: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "exit_code", EXIT_CODES[self.status])

    @classmethod
    def of(cls, number: int, overrides: tuple[str, ...], keys: Sequence[str]) -> Result:
        """The result of a job that has not started, `keys` being the swept ones."""
        pairs = (text.partition("=") for text in overrides)
        return cls(number, overrides, {key: value for key, _, value in pairs if key in keys})

    @property
    def kept_rate(self) -> float | None:
        """Rows kept of those attempted; None before there is any."""
        attempted = self.counts["attempted"] if self.counts else 0
        return self.counts["kept"] / attempted if self.counts and attempted else None

    @property
    def run_id(self) -> str | None:
        """The run's id, as `sdspec show` takes it."""
        return Path(self.path).name if self.path else None

    def ended(self, folder: RunFolder) -> Result:
        """The result with what the run's own record says."""
        record = folder.read_run()
        status = record["status"] if record["status"] != "running" else "interrupted"
        names = ("counts", "tokens", "cost_usd", "unpriced_calls", "elapsed_s", "rows_sha256")
        taken: dict[str, Any] = {name: record.get(name) for name in names}
        return replace(self, status=status, why=record.get("why") or "", path=str(folder.path), **taken)

    def failed(self, why: SdspecError | str) -> Result:
        """The result of a job that failed outside of its run."""
        return replace(self, status="failed", why=str(why))


@dataclass(frozen=True)
class Sweep:
    """A sweep that has ended."""

    path: Path
    """Its folder, which holds the run folders and `sweep.json`."""
    results: tuple[Result, ...]
    notes: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """The worst of its jobs', by `WORST_FIRST`."""
        return min((result.exit_code for result in self.results), key=WORST_FIRST.index, default=0)

    def to_json(self) -> list[dict[str, Any]]:
        """`sweep.json`: its results."""
        return [asdict(result) for result in self.results]


@dataclass(frozen=True)
class Results:
    """The results on the disk, each written by its job: they outlive whatever ends the sweep."""

    folder: Path

    def write(self, result: Result) -> None:
        """The job's result is this one."""
        at = self.folder / _JOBS
        with saying("make", at):
            at.mkdir(exist_ok=True)
        write_whole(at / f"{result.number}.json", orjson.dumps(asdict(result)))

    def read(self) -> dict[int, Result]:
        """By number; of a run whose process ended before it, what the run's own folder says."""
        found = (self._read(path) for path in (self.folder / _JOBS).glob("*.json"))
        return {result.number: result for result in sorted(found, key=lambda result: result.number)}

    def _read(self, path: Path) -> Result:
        known = {one.name for one in fields(Result) if one.init}
        data = {name: value for name, value in orjson.loads(path.read_bytes()).items() if name in known}
        result = Result(**{**data, "overrides": tuple(data["overrides"])})
        if result.path is None or result.status != "interrupted":
            return result
        try:
            return result.ended(RunFolder.open(Path(result.path)))
        except StoreError as lost:
            return result.failed(lost)

    def close(self, results: Sequence[Result]) -> None:
        """`sweep.json` holds these results, and the jobs' own files are gone."""
        body = orjson.dumps([asdict(result) for result in results], option=orjson.OPT_INDENT_2)
        write_whole(self.folder / _FILE, body + b"\n")
        jobs = self.folder / _JOBS
        if jobs.is_dir():
            for path in jobs.iterdir():
                path.unlink()
            jobs.rmdir()
