"""The public Python surface, which the command line uses too.

spec = sdspec.load("specs/orders_sql.yaml", overrides=["model.temperature=0.2"])
plan = sdspec.compile(spec)
run = sdspec.run(plan)
run.rows()

What looks at specs and plans is imported here; the engine, the tables and the sweeps only by the functions that need
them, so that `check`, `plan` and `explain` start in less than a second.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from sdspec.errors import Problem, SpecError, StoreError
from sdspec.plan.compile import compile_all, compile_spec, provider_of
from sdspec.plan.plan import Plan
from sdspec.plan.recorded import OF_THE_ENVIRONMENT, as_overrides, recorded
from sdspec.spec.load import load_spec, trace_spec
from sdspec.spec.settings import plain
from sdspec.spec.spec import Spec, dotted
from sdspec.store.runfolder import RunFolder, create_sweep, find_run

if TYPE_CHECKING:
    import datasets
    import pyarrow as pa

    from sdspec.catalog.life import Life
    from sdspec.engine.catalogue import Entry
    from sdspec.engine.checkup import Section
    from sdspec.engine.checkup import Watch as Looking
    from sdspec.engine.preview import Previewed
    from sdspec.engine.run import Observer, Summary
    from sdspec.exporting import Exported, Watch
    from sdspec.plan.changes import Changes
    from sdspec.plan.estimate import StepEstimate
    from sdspec.plan.explain import Explanation
    from sdspec.plan.preview import FirstAsk
    from sdspec.sweeping.job import SweepWatch
    from sdspec.sweeping.results import Sweep

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
        from sdspec.store.tables import read_rows

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


def explain(
    key: str, target: str | os.PathLike[str] | None = None, overrides: Sequence[str] = (), cwd: Path | None = None
) -> Explanation:
    """A key's value and everything that was written for it on the way, also in a spec that has problems."""
    from sdspec.plan.explain import explain as explain_key

    spec, history = trace_spec(None if target is None else os.fspath(target), overrides, cwd=cwd)
    return explain_key(spec, history, key, cwd or Path.cwd())


def compile(spec: Spec) -> Plan:
    """The plan of a spec; raises SpecError with every problem."""
    return compile_spec(spec)


def estimate(plan: Plan) -> tuple[StepEstimate, ...]:
    """What the plan would ask, and how much of that the journal already holds; no call is made."""
    from sdspec.engine.rehearsal import rehearsed_with
    from sdspec.plan.estimate import estimate as estimate_plan

    return estimate_plan(plan, rehearsed_with(journal_path(plan), plan))


def changes(plan: Plan) -> Changes | None:
    """What differs from the last run of the same name below `engine.outputs`; None where there is none."""
    from sdspec.catalog.past import last_run
    from sdspec.plan.changes import changes as changes_since
    from sdspec.spec.record import literal

    past = last_run(Path(plan.engine.outputs), plan.name, plan.spec.inputs)
    return None if past is None else changes_since(past, plan, literal(plan.spec.raw))


def preview(plan: Plan, count: int = 3) -> list[FirstAsk]:
    """The first rows in the order in which a run attempts them, with what each asks, word for word; no call is made."""
    from sdspec.plan.preview import first_asks

    return first_asks(plan, count)


def call_first(plan: Plan, count: int = 3, observer: Observer | None = None) -> list[Previewed]:
    """The first rows as a run walks them, up to what hangs on other rows; a run gets their answers from the journal."""
    from sdspec.engine.preview import walk_first
    from sdspec.engine.run import Silent
    from sdspec.store.journal import Journal

    async def go() -> list[Previewed]:
        with Journal.open(journal_path(plan)) as journal:
            return await walk_first(plan, journal, count, observer or Silent())

    return asyncio.run(go())


def doctor(
    plan: Plan, watch: Looking | None = None, *, calls: bool = True, timeout_s: float = 15.0
) -> tuple[Section, ...]:
    """What stands between a plan and its run: the disk, and each model from its credentials to a structured answer.

    `calls` asks each model twice, for a few tokens; nothing is journaled or fetched. No check takes much longer than
    the time limit.
    """
    from sdspec.engine.checkup import Settings, Watch, checkup

    settings = Settings(timeout_s, calls, plan.engine.concurrency)
    return asyncio.run(checkup(plan, journal_path(plan), settings, watch or Watch()))


def models(
    target: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    cwd: Path | None = None,
    *,
    match: str = "",
    provider: str = "provider",
    timeout_s: float = 15.0,
) -> list[Entry]:
    """The models that a spec's provider offers, or that of a name below `providers:`; the spec needs no model yet.

    `match` is a word of their id or name.

    Raises SpecError where the provider is wrong, PrerequisiteError and RunFatal where it does not list its models.
    """
    from sdspec.engine.catalogue import entries

    spec = load_spec(None if target is None else os.fspath(target), overrides, cwd=cwd)
    return asyncio.run(entries(provider_of(spec, provider), timeout_s, match))


def life(run: Run, row: str) -> Life:
    """The whole life of the row whose id begins like this; raises SpecError where there is none, or several."""
    from sdspec.catalog.life import read_life
    from sdspec.store.journal import Journal

    path = run_journal(run)
    if path is None or not path.exists():
        return read_life(run.path, row, None)
    with Journal.open(path) as journal:
        return read_life(run.path, row, journal)


def run(plan: Plan, observer: Observer | None = None, *, retry_errors: bool = False) -> Run:
    """The plan, run into a new folder below `engine.outputs`. Look at `summary.status` for how it ended."""
    return asyncio.run(arun(plan, observer, retry_errors=retry_errors))


async def arun(plan: Plan, observer: Observer | None = None, *, retry_errors: bool = False) -> Run:
    """`run` for code that has an event loop."""
    from sdspec.engine.run import Silent
    from sdspec.running import run_into

    def make() -> RunFolder:
        return RunFolder.create(Path(plan.engine.outputs), plan.name, plan.id, datetime.now())

    return Run(*await run_into(plan, make, journal_path(plan), observer or Silent(), retry_errors=retry_errors))


def sweep(
    target: str | os.PathLike[str] | None = None,
    overrides: Sequence[str] = (),
    watch: SweepWatch | None = None,
    *,
    retry_errors: bool = False,
    cwd: Path | None = None,
) -> Sweep:
    """A run for each combination that the overrides ask for (`a=1,2 b=3,4`), by Hydra's sweeper and launcher.

    Raises SpecError, before any call, with every problem of every combination, and for a swept key that changes no row.
    A job that fails later is a result like the others. `hydra/launcher=joblib` runs jobs side by side, in processes.
    """
    from sdspec.store.process import this_process
    from sdspec.sweeping.conduct import conduct, prepare
    from sdspec.sweeping.job import SweptRun, Unwatched
    from sdspec.sweeping.stop import Stop

    named = None if target is None else os.fspath(target)
    prepared = prepare(named, overrides, cwd)
    seen = watch or Unwatched()
    for note in prepared.notes:
        seen.say(f"note: {note}")
    folder = create_sweep(Path(prepared.outputs), prepared.name, datetime.now()).absolute()
    stop = Stop(folder / ".stop", this_process())
    runs = partial(_run_swept, retry_errors=retry_errors)
    job = SweptRun(named, cwd, Path.cwd(), folder, prepared.keys, prepared.total, runs, stop, seen)
    return conduct(prepared, folder, job, stop, seen.say)


def _run_swept(plan: Plan, observer: Observer, make: Callable[[], RunFolder], *, retry_errors: bool) -> None:
    from sdspec.running import run_into

    asyncio.run(run_into(plan, make, journal_path(plan), observer, retry_errors=retry_errors))


def resume(
    run: Run, observer: Observer | None = None, *, overrides: Sequence[str] = (), retry_errors: bool = False
) -> Run:
    """The run, finished in its own folder; answers come from its journal. Of one that is done, missing files are made.

    What it has spent counts on. Overrides may give it another budget (`budget.usd=20`) and nothing else: SpecError.
    """
    plan = plan_of(run, overrides)
    record = run.record()
    if record["status"] == "done":
        from sdspec.running import write_missing

        if write_missing(plan, run.folder) and observer is not None:
            observer.warn("the rows were all there; the files made of them, which were missing, are written")
        return run

    path = run_journal(run) or journal_path(plan)
    if not path.exists():
        raise StoreError(
            f"the journal of this run, {path}, is gone; without it a resume would lose the rows there are."
        )
    from sdspec.engine.run import Silent
    from sdspec.running import run_on

    watch = observer or Silent()
    return Run(run.folder, asyncio.run(run_on(plan, run.folder, path, watch, retry_errors=retry_errors)))


def plan_of(run: Run, overrides: Sequence[str] = ()) -> Plan:
    """The plan of a run, compiled again from its `spec.yaml`, with the budget that it had last or that overrides give.

    Raises SpecError where that gives another plan now, and for overrides of more than the budget.
    """
    if problems := [_not_of_budgets(word, run) for word in overrides if not _OF_BUDGETS.match(word)]:
        raise SpecError(problems)
    record = run.record()
    if not (run.path / "spec.yaml").is_file():
        raise StoreError(f"run {run.path.name} was killed before it began, and asked nothing: run its spec again.")
    last = [f"budget.{name}={'null' if most is None else most}" for name, most in record.get("budget", {}).items()]
    plan = compile(load(run.path / "spec.yaml", [*last, *overrides]))
    planned = record["plan"]
    if plan.id != planned:
        what = f"its spec.yaml now compiles to plan {plan.id}, and the run was of plan {planned}."
        hint = f"Start a new run: sdspec run {run.path / 'spec.yaml'}."
        raise SpecError([*_moved(run, plan), Problem(str(run.path), what, hint)])
    return plan


def _moved(run: Run, plan: Plan) -> list[Problem]:
    """Each setting of which the environment says something else than when the run began."""
    was = recorded(plan.spec.raw, run.plan_record())
    now = recorded(plan.spec.raw, plan.to_json())
    return [
        Problem(
            plan.spec.origins.where(key),
            f"{dotted(key)}: is {now[key]!r} by the environment, and was {value!r} when the run began.",
            "Set the variable as it was, and resume then.",
        )
        for key, value in was.items()
        if now.get(key) != value
    ]


_OF_BUDGETS = re.compile(r"[+~]*budget(\.|=|$)")


def _not_of_budgets(word: str, run: Run) -> Problem:
    what = "a resume finishes a run as it was begun; it takes another budget, and no other key."
    hint = f"A new run takes what the journal holds: sdspec run {os.path.relpath(run.path / 'spec.yaml')} {word}"
    return Problem(f"override '{word}'", what, hint)


def export(
    run: Run, overrides: Sequence[str] = (), *, into: Path | None = None, watch: Watch | None = None
) -> Exported:
    """The run's rows so far, written again as its spec or the overrides say (`export=parquet`); no model is called.

    `into` is another folder than `export/` of the run. Raises SpecError where an override says more than how files are
    written, and where an export cannot be packed; the others are written all the same.
    """
    problems = [_not_of_exports(word) for word in overrides if not _OF_EXPORTS.match(word)]
    if problems:
        raise SpecError(problems)
    plan = compile(load(run.path / "spec.yaml", [*_as_it_was(run), *overrides]))
    if not plan.exports:
        where = plan.spec.origins.where(("export",))
        raise SpecError([Problem(where, "export: no dataset is asked for.", "Say which, e.g. export=jsonl.")])
    from sdspec.running import write_exports

    return write_exports(plan, run.folder, into, watch)


def _as_it_was(run: Run) -> list[str]:
    """What the environment said when the run began: files are made anywhere, also where no endpoint is known."""
    path = run.path / "spec.yaml"
    if OF_THE_ENVIRONMENT.encode() not in path.read_bytes():
        return []
    _, history = trace_spec(str(path))
    return as_overrides(recorded(plain(history.tree), run.plan_record()))


_OF_EXPORTS = re.compile(r"[+~]*(export|card)(\.|=|@|$)")


def _not_of_exports(word: str) -> Problem:
    what = "the rows are made already; an export changes only how they are written."
    return Problem(f"override '{word}'", what, "Keys that it takes: export, card.")


def schema(cwd: Path | None = None) -> dict[str, Any]:
    """The JSON Schema (draft-07) of a spec file, with the options of the packaged conf and of those in `cwd`."""
    from sdspec.schema.document import spec_schema
    from sdspec.spec.options import options

    return spec_schema(options(cwd or Path.cwd()))


def new(name: str, template: str = "custom", cwd: Path | None = None) -> tuple[Path, Path]:
    """specs/NAME.yaml, new and right at once, and the schema beside it, for editors; raises SpecError."""
    from sdspec.schema.document import schema_text
    from sdspec.starter import SCHEMA, write_starter
    from sdspec.store.disk import write_whole

    here = (cwd or Path.cwd()).absolute()
    path = write_starter(name, template, here)
    beside = path.with_name(SCHEMA)
    text = schema_text(schema(here)).encode()
    if not beside.is_file() or beside.read_bytes() != text:
        write_whole(beside, text)
    return path, beside


def open_run(run: str | os.PathLike[str], outputs: Path = Path("outputs")) -> Run:
    """A run by its folder, its id, a unique prefix of it, or `last`."""
    return Run(find_run(outputs, os.fspath(run)))


def run_journal(run: Run) -> Path | None:
    """The journal that the run goes by, there or not: SDSPEC_JOURNAL, else what its record names."""
    named = os.environ.get(JOURNAL_ENV) or run.record().get("journal")
    return Path(named) if named else None


def journal_path(plan: Plan) -> Path:
    """Where the plan's call journal is: SDSPEC_JOURNAL, else engine.journal, else below engine.outputs."""
    named = os.environ.get(JOURNAL_ENV) or plan.engine.journal
    return Path(named) if named else Path(plan.engine.outputs) / "journal.sqlite"
