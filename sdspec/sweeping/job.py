"""One job of a sweep, in whatever process a launcher runs it: loads its spec, runs it, keeps its result."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol

from sdspec.engine.run import Observer, Silent
from sdspec.errors import SdspecError, SpecError
from sdspec.plan.compile import compile_spec
from sdspec.plan.plan import Plan
from sdspec.spec.load import load_spec
from sdspec.store.runfolder import RunFolder
from sdspec.sweeping.results import Result, Results
from sdspec.sweeping.stop import Stop

Runs = Callable[[Plan, Observer, Callable[[], RunFolder]], object]
"""Runs a plan into the folder that the function makes, to its end; it pickles."""


class SweepWatch(Protocol):
    """Sees a sweep go on; given by who started it. It pickles, for jobs in other processes."""

    def say(self, text: str) -> None:
        """Something that the user should know."""

    def job(self, result: Result, total: int | None, plan: Plan) -> AbstractContextManager[Observer]:
        """An observer for a job that starts, one of `total` where that is known; called where the job runs."""

    def ended(self, result: Result, total: int | None) -> None:
        """A job has ended; called where it ran."""


class Unwatched(SweepWatch):
    """Looks away."""

    def say(self, text: str) -> None: ...

    def job(self, result: Result, total: int | None, plan: Plan) -> AbstractContextManager[Observer]:
        return nullcontext(Silent())

    def ended(self, result: Result, total: int | None) -> None: ...


@dataclass(frozen=True)
class SweptRun:
    """What Hydra calls for each combination. A job that fails is a result like any other, and stops no other job."""

    target: str | None
    cwd: Path | None
    """What the spec is looked up from; None is where the process is."""
    here: Path
    """Where the sweep was started."""
    folder: Path
    """The sweep's folder."""
    keys: tuple[str, ...]
    """The swept keys."""
    total: int | None
    """How many jobs there will be, where that is known."""
    runs: Runs
    stop: Stop
    watch: SweepWatch

    def __call__(self, number: int, overrides: tuple[str, ...]) -> float:
        """The share of rows kept, for sweepers that search for the best combination."""
        os.chdir(self.here)  # a launcher's process may be anywhere
        result = Result.of(number + 1, overrides, self.keys)
        if not self.stop.is_asked():
            with self.stop.in_job():
                result = self._ended(result)
            if result.status == "interrupted":
                self.stop.ask()
            self.watch.ended(result, self.total)
        Results(self.folder).write(result)
        return result.kept_rate or 0.0

    def _ended(self, result: Result) -> Result:
        Results(self.folder).write(replace(result, status="interrupted"))
        made: list[RunFolder] = []
        try:
            plan = compile_spec(load_spec(self.target, result.overrides, cwd=self.cwd))
            result = replace(result, plan=plan.id)
            with self.watch.job(result, self.total, plan) as observer:
                self.runs(plan, observer, lambda: self._folder(plan, result, made))
        except SpecError as wrong:
            return replace(self._of(result, made[0]) if made else result, status="wrong", why=str(wrong))
        except SdspecError as failed:
            return (self._of(result, made[0]) if made else result).failed(failed)
        except KeyboardInterrupt:
            self.stop.ask()
            return self._of(result, made[0]) if made else replace(result, status="interrupted")
        return self._of(result, made[0])

    def _folder(self, plan: Plan, result: Result, made: list[RunFolder]) -> RunFolder:
        folder = RunFolder.create(Path(plan.engine.outputs), plan.name, plan.id, datetime.now(), self.folder)
        folder.begin({"sweep": {"id": self.folder.name, "job": result.number, "swept": result.swept}})
        made.append(folder)
        Results(self.folder).write(replace(result, status="interrupted", path=self._shown(folder)))
        return folder

    def _of(self, result: Result, folder: RunFolder) -> Result:
        return replace(result.ended(folder), path=self._shown(folder))

    def _shown(self, folder: RunFolder) -> str:
        return os.path.relpath(folder.path, self.here)
