"""The public Python surface, which the command line uses too.

spec = sdspec.load("specs/orders_sql.yaml", overrides=["model.temperature=0.2"])
plan = sdspec.compile(spec)
run = sdspec.run(plan)
run.rows()
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from sdspec.catalog.report import write_report
from sdspec.engine.run import CANCELLED, Observer, Silent, Summary, run_plan
from sdspec.errors import Problem, SdspecError, SpecError, StoreError
from sdspec.export import export_run
from sdspec.plan.compile import compile_all, compile_spec
from sdspec.plan.estimate import StepEstimate
from sdspec.plan.estimate import estimate as estimate_plan
from sdspec.plan.plan import Plan
from sdspec.spec.load import load_spec
from sdspec.spec.record import run_spec_text
from sdspec.spec.spec import Spec, with_value
from sdspec.store.journal import Journal
from sdspec.store.runfolder import RunFolder, find_run
from sdspec.store.tables import read_rows
from sdspec.versions import environment

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

JOURNAL_ENV = "SDSPEC_JOURNAL"


class Run:
    """A run and its folder."""

    def __init__(self, folder: RunFolder, summary: Summary | None = None) -> None:
        self.path = folder.path
        self.folder = folder
        self.summary = summary
        """How it ended; None for a run that was opened."""

    def record(self) -> dict[str, Any]:
        """`run.json`."""
        return self.folder.read_run()

    def plan_record(self) -> dict[str, Any]:
        """`plan.json`."""
        found: dict[str, Any] = orjson.loads((self.path / "plan.json").read_bytes())
        return found

    def rows(self) -> pa.Table:
        """The kept rows, in index order; also while the run goes on."""
        return read_rows(self.path)

    def dataset(self) -> datasets.Dataset:
        """The kept rows as a Hugging Face dataset."""
        from datasets import Dataset

        return Dataset(self.rows())


def load(target: str | os.PathLike[str] | None = None, overrides: Sequence[str] = (), cwd: Path | None = None) -> Spec:
    """The spec of a file, of a name in ./specs, or of the default config; raises SpecError with every problem."""
    spec = load_spec(None if target is None else os.fspath(target), overrides, cwd=cwd)
    if spec.problems:
        raise SpecError(check(spec))
    return spec


def check(spec: Spec) -> tuple[Problem, ...]:
    """Every problem of a spec, those of loading included; no call is made."""
    return compile_all(spec).problems


def compile(spec: Spec) -> Plan:
    """The plan of a spec; raises SpecError with every problem."""
    return compile_spec(spec)


def estimate(plan: Plan) -> tuple[StepEstimate, ...]:
    """What the plan would ask, and how much of that the journal already holds; no call is made."""
    path = journal_path(plan)
    if not path.exists():
        return estimate_plan(plan, lambda keys: set())
    with Journal.open(path) as journal:
        return estimate_plan(plan, journal.has_many)


def run(plan: Plan, observer: Observer | None = None, *, retry_errors: bool = False) -> Run:
    """The plan, run into a new folder below `engine.outputs`. Look at `summary.status` for how it ended."""
    return asyncio.run(arun(plan, observer, retry_errors=retry_errors))


async def arun(plan: Plan, observer: Observer | None = None, *, retry_errors: bool = False) -> Run:
    """`run` for code that has an event loop."""
    outputs = Path(plan.engine.outputs)
    with Journal.open(journal_path(plan)) as journal:
        folder = RunFolder.create(outputs, plan.name, plan.id, datetime.now())
        _write_inputs(plan, folder)
        return await _into(plan, folder, journal, observer or Silent(), retry_errors)


def resume(run: Run, observer: Observer | None = None, *, retry_errors: bool = False) -> Run:
    """The run, finished in its own folder; answers come from its journal. One that is done is left as it is."""
    plan = plan_of(run)
    record = run.record()
    if record["status"] == "done":
        return run

    named = os.environ.get(JOURNAL_ENV) or record.get("journal")
    path = Path(named) if named else journal_path(plan)
    if not path.exists():
        raise StoreError(
            f"the journal of this run, {path}, is gone; without it a resume would lose the rows there are."
        )

    async def go() -> Run:
        with Journal.open(path) as journal:
            run.folder.claim()
            return await _into(plan, run.folder, journal, observer or Silent(), retry_errors)

    return asyncio.run(go())


def plan_of(run: Run) -> Plan:
    """The plan of a run, compiled again from its `spec.yaml`; raises SpecError where that gives another plan now."""
    plan = compile(load(run.path / "spec.yaml"))
    planned = run.record()["plan"]
    if plan.id != planned:
        what = f"its spec.yaml now compiles to plan {plan.id}, and the run was of plan {planned}."
        raise SpecError([Problem(str(run.path), what, f"Start a new run: sdspec run {run.path / 'spec.yaml'}.")])
    return plan


def export(run: Run, overrides: Sequence[str] = ()) -> list[Path]:
    """The run's rows, written again as its spec or the overrides say (`export=parquet`); no model is called."""
    return export_run(compile(load(run.path / "spec.yaml", overrides)), run.path)


def open_run(run: str | os.PathLike[str], outputs: Path = Path("outputs")) -> Run:
    """A run by its folder, its id, a unique prefix of it, or `last`."""
    return Run(find_run(outputs, os.fspath(run)))


def journal_path(plan: Plan) -> Path:
    """Where the plan's call journal is: SDSPEC_JOURNAL, else engine.journal, else below engine.outputs."""
    named = os.environ.get(JOURNAL_ENV) or plan.engine.journal
    return Path(named) if named else Path(plan.engine.outputs) / "journal.sqlite"


async def _into(plan: Plan, folder: RunFolder, journal: Journal, observer: Observer, retry_errors: bool) -> Run:
    try:
        folder.begin({"journal": str(journal.path.absolute()), **environment(plan)})
        summary = await run_plan(plan, folder, journal, observer, retry_errors=retry_errors)
    except BaseException as found:
        _failed(folder, found)
        raise
    folder.end(summary.status, _outcome(summary))
    if summary.why == CANCELLED:
        raise asyncio.CancelledError
    write_report(folder.path, folder.read_run())
    if summary.tally.kept:
        export_run(plan, folder.path)
    return Run(folder, summary)


def _failed(folder: RunFolder, found: BaseException) -> None:
    why = str(found) if isinstance(found, SdspecError) else f"{type(found).__name__}: {found}"
    try:
        folder.end("failed", {"why": why})
    except StoreError:  # the disk is full: the first error says so
        return


def _outcome(summary: Summary) -> dict[str, Any]:
    return {
        "why": summary.why,
        "counts": summary.tally.counts(),
        **summary.tally.usage(),
        "missing": summary.missing,
        "elapsed_s": round(summary.elapsed_s, 3),
        "rows_sha256": summary.rows_sha256,
    }


def _write_inputs(plan: Plan, folder: RunFolder) -> None:
    """`spec.yaml`, `.hydra/`, `plan.json` and `inputs/` are there."""
    raw: Any = dict(plan.spec.raw)
    for key, found in plan.spec.inputs.items():
        raw = with_value(raw, key, folder.keep_input(found.path, found.sha256))
    folder.write_text("spec.yaml", run_spec_text(raw))
    for name, text in plan.spec.hydra.items():
        folder.write_text(f".hydra/{name}.yaml", text)
    folder.write_json("plan.json", plan.to_json())
