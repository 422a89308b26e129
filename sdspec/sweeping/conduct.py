"""One sweep from its overrides to `sweep.json`: looked at as a whole first, then run by Hydra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import BrokenExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sdspec.errors import SpecError
from sdspec.sweeping.combinations import idle_problems, look, problems_of, same_plans
from sdspec.sweeping.results import Result, Results, Sweep
from sdspec.sweeping.stop import Stop

if TYPE_CHECKING:
    from sdspec.spec.sweep import Job, SweepPlan

KILLED = "a process of the sweep was killed, perhaps for want of memory"


@dataclass(frozen=True)
class Prepared:
    """A sweep that may start."""

    sweep: SweepPlan
    name: str
    """Name of its folder below `outputs`."""
    outputs: str
    notes: tuple[str, ...]
    """What the plans' own notes say, each once."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The swept keys."""
        return tuple(axis.key for axis in self.sweep.axes)

    @property
    def total(self) -> int | None:
        """How many jobs there will be; None where the sweeper decides as it goes."""
        return None if self.sweep.combinations is None else len(self.sweep.combinations)

    def waiting(self) -> list[Result]:
        """A result for each job that is known in advance."""
        combinations = self.sweep.combinations or ()
        return [Result.of(number, texts, self.keys) for number, texts in enumerate(combinations, 1)]


def prepare(target: str | None, overrides: Sequence[str], cwd: Path | None) -> Prepared:
    """The sweep, with every problem of every combination found; raises SpecError with all of them."""
    from sdspec.spec.sweep import plan_sweep

    sweep = plan_sweep(target, overrides, cwd=cwd)
    combinations = look(sweep, target, cwd)
    problems = dict.fromkeys([*sweep.problems, *problems_of(combinations, sweep.axes)])
    if not problems:
        problems = dict.fromkeys(idle_problems(combinations, sweep.axes))
    if problems:
        raise SpecError(tuple(problems))
    plans = [one.plan for one in combinations if one.plan is not None]
    notes = [note for plan in plans for note in plan.notes] + [same_plans([plan.id for plan in plans])]
    name, outputs = (plans[0].name, plans[0].engine.outputs) if plans else (sweep.name, sweep.outputs)
    return Prepared(sweep, name, outputs, tuple(dict.fromkeys(filter(None, notes))))


def conduct(prepared: Prepared, folder: Path, job: Job, stop: Stop, say: Callable[[str], None]) -> Sweep:
    """Every job has run, or was kept from it by Ctrl-C; `sweep.json` says what became of each, also after a crash."""
    from sdspec.spec.sweep import multirun

    broken, results = False, []
    try:
        with stop.heard(say, in_process=prepared.sweep.in_process):
            try:
                multirun(prepared.sweep, folder, job)
            except BrokenExecutor:
                broken = not stop.is_asked()
    except KeyboardInterrupt:
        say("stopped")
    finally:
        results = _settled(prepared, folder, broken)
    plans = [result.plan for result in results if result.plan is not None]
    notes = [KILLED if broken else "", same_plans(plans) if prepared.total is None else ""]
    return Sweep(folder, tuple(results), tuple(filter(None, notes)))


def _settled(prepared: Prepared, folder: Path, broken: bool) -> list[Result]:
    kept = Results(folder)
    found = {**{result.number: result for result in prepared.waiting()}, **kept.read()}
    results = [found[number] for number in sorted(found)]
    if broken:
        results = [replace(one, status="failed", why=KILLED) if one.exit_code == 130 else one for one in results]
    kept.close(results)
    return results
