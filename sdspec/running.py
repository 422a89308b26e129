"""Plan -> run folder, from its first file to its exports: all that belongs to a run beside the rows themselves."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sdspec.catalog.card import CARD, write_cards
from sdspec.catalog.report import write_report
from sdspec.contracts import Block
from sdspec.engine.run import CANCELLED, Observer, Summary, run_plan
from sdspec.engine.tally import Tally, Usage
from sdspec.errors import SdspecError, SpecError, StoreError
from sdspec.exporting import Exported, Watch, export_run
from sdspec.plan.plan import Plan
from sdspec.spec.record import run_spec_text
from sdspec.spec.spec import with_value
from sdspec.store.exports import read_written
from sdspec.store.journal import Journal
from sdspec.store.runfolder import RunFolder
from sdspec.versions import environment

MISSING_NAMED = 100
"""So many seeds with rows still wanted are named in run.json, those that lack most first; the others are counted."""


async def run_into(
    plan: Plan, make: Callable[[], RunFolder], journal: Path, observer: Observer, *, retry_errors: bool
) -> tuple[RunFolder, Summary]:
    """The plan, run into the folder that `make` makes once the journal is open."""
    with Journal.open(journal) as opened:
        folder = make()
        with folder.claimed():
            _write_inputs(plan, folder)
            return folder, await _finished(plan, folder, opened, observer, retry_errors)


async def run_on(plan: Plan, folder: RunFolder, journal: Path, observer: Observer, *, retry_errors: bool) -> Summary:
    """The run, finished in its own folder; raises StoreError where another process runs it."""
    with Journal.open(journal) as opened, folder.claimed():
        return await _finished(plan, folder, opened, observer, retry_errors)


def write_missing(plan: Plan, folder: RunFolder) -> bool:
    """Report, exports and card of a run that is done are there; True when some were missing: it was killed before."""
    with folder.claimed():
        record, exports = folder.read_run(), folder.path / "export"
        wanted = {export.name for export in plan.exports} if record["counts"]["kept"] else set()
        there = {one.name for one in read_written(exports)}
        if (folder.path / "report.html").is_file() and wanted <= there and (not wanted or (exports / CARD).is_file()):
            return False
        _write_files(plan, folder)
        return True


def write_exports(plan: Plan, folder: RunFolder, into: Path | None = None, watch: Watch | None = None) -> Exported:
    """Each of the plan's exports and their card are written; raises SpecError for those that could not be packed."""
    exported = export_run(plan, folder.path, into, watch)
    write_cards(plan, folder.path, folder.read_run(), exported.folder, [one.path for one in exported.written])
    if exported.problems:
        raise SpecError(exported.problems)
    return exported


async def _finished(plan: Plan, folder: RunFolder, journal: Journal, observer: Observer, retry_errors: bool) -> Summary:
    try:
        folder.begin({"journal": str(journal.path.absolute()), **environment(plan)})
        summary = await run_plan(plan, folder, journal, observer, retry_errors=retry_errors)
    except BaseException as found:
        _failed(folder, found)
        raise
    folder.end(summary.status, _outcome(plan, summary))
    if summary.why == CANCELLED:
        raise asyncio.CancelledError
    try:
        _write_files(plan, folder)
    except KeyboardInterrupt:
        observer.warn(
            f"interrupted while files were made of the rows, which are all kept; {_resume(folder)} makes them"
        )
        raise
    return summary


def _resume(folder: RunFolder) -> str:
    return f"sdspec resume {os.path.relpath(folder.path)}"


def _write_files(plan: Plan, folder: RunFolder) -> None:
    """What is made of the rows; no model is called."""
    record = folder.read_run()
    write_report(folder.path, record)
    if record["counts"]["kept"] and plan.exports:
        write_exports(plan, folder)


def _failed(folder: RunFolder, found: BaseException) -> None:
    status, why = "failed", str(found) if isinstance(found, SdspecError) else f"{type(found).__name__}: {found}"
    if isinstance(found, KeyboardInterrupt | asyncio.CancelledError):
        status = why = "interrupted"
    try:
        folder.end(status, {"why": why})
    except StoreError:  # the disk is full: the first error says so
        return


def _outcome(plan: Plan, summary: Summary) -> dict[str, Any]:
    tally = summary.tally
    return {
        "why": summary.why,
        "counts": tally.counts(),
        **tally.usage(),
        "usage": _usage(plan, tally),
        "spent": tally.spent(summary.wall_s, whole=True),
        "missing": dict(sorted(summary.missing.items(), key=lambda one: -one[1])[:MISSING_NAMED]),
        "missing_seeds": len(summary.missing),
        "elapsed_s": round(summary.elapsed_s, 3),
        "rows_sha256": summary.rows_sha256,
    }


def _usage(plan: Plan, tally: Tally) -> dict[str, Any]:
    """What was bought, by step and by model."""
    asked = {step.name: step.part.asks() for step in plan.steps if isinstance(step.part, Block)}
    models: dict[str, Usage] = {}
    for step, usage in tally.steps.items():
        name = asked[step] or ""
        models[name] = models.get(name, Usage()) + usage
    return {
        "steps": {step: {"model": asked.get(step), **usage.to_json()} for step, usage in tally.steps.items()},
        "models": {name: {"id": plan.models[name].call.id, **usage.to_json()} for name, usage in models.items()},
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
