"""Plan -> run folder: opens what a run needs, drives its rows, leaves every file whole, whatever happened."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from sdspec.contracts import Limits
from sdspec.engine.budget import Budget, Purse
from sdspec.engine.caller import Caller, CallSettings
from sdspec.engine.commit import Committer
from sdspec.engine.controller import Controller
from sdspec.engine.endpoints import Endpoints
from sdspec.engine.heap import calm_heap
from sdspec.engine.runner import Runner
from sdspec.engine.tally import Tally
from sdspec.engine.walk import Services
from sdspec.engine.workers import Workers
from sdspec.errors import StoreError
from sdspec.plan.plan import Plan
from sdspec.store.journal import Journal
from sdspec.store.runfolder import RunFolder

TICK_S = 0.2
"""Pause between two looks at the progress."""
FLUSH_S = 5.0
"""Committed rows can be read from the run folder after at most this long."""
BUSY_SAID_S = 2.0
"""A commit takes milliseconds; one that takes longer than this is told."""
CHECK_WORKERS = 2
CANCELLED = "cancelled"
"""Why a run ended whose task was cancelled."""


class Observer(Protocol):
    """Sees a run go on; given by who started it."""

    def tick(self, tally: Tally, in_flight: int, elapsed_s: float) -> None:
        """Called a few times a second."""

    def say(self, text: str) -> None:
        """Something that takes time."""

    def waiting(self, text: str) -> None:
        """Called before each tick: what holds calls back just now; empty when nothing does."""
        return

    def warn(self, text: str) -> None:
        """Something that the user should know, however quiet it shall be."""
        self.say(text)


class Silent(Observer):
    """An observer that looks away."""

    def tick(self, tally: Tally, in_flight: int, elapsed_s: float) -> None: ...

    def say(self, text: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run ended."""

    status: str
    """done, short, budget, failed or interrupted."""
    why: str
    tally: Tally
    missing: dict[str, int]
    """Seed -> kept rows that are still wanted."""
    rows_sha256: str
    elapsed_s: float
    wall_s: float
    """As `elapsed_s`, with the sessions before this one."""


async def run_plan(
    plan: Plan, folder: RunFolder, journal: Journal, observer: Observer, *, retry_errors: bool = False
) -> Summary:
    """The plan has run into the folder; everything paid for is in the journal, whatever the status."""
    tally = Tally.carried(plan.size, folder.read_run())
    budget = Budget(plan.budget, tally)
    folder.note({"budget": plan.budget.model_dump()})
    for model in plan.asked:
        if model.unpriced:
            observer.warn(f"{model.unpriced}, so its cost is not counted. To count it: {model.price_example}")
    if tally.written_at is None:
        _note(folder, tally, budget)
    committer = Committer(plan, folder, tally)
    workers = Workers(CHECK_WORKERS)
    async with AsyncExitStack() as stack:
        stack.callback(committer.close)
        stack.enter_context(calm_heap())
        stack.push_async_callback(workers.close)
        endpoints = Endpoints(stack, plan.engine.concurrency, observer.say)
        callers = open_callers(plan, endpoints, journal, budget, retry_errors=retry_errors)
        services = Services(callers, journal, workers.examine, committer.called, plan.seed, budget)
        window = (2 * plan.engine.concurrency + 32) * plan.per_call
        runner = Runner(plan, services, committer.commit, window, lambda: tally.latency_s / max(1, tally.made))
        watch = asyncio.create_task(_watch(runner, committer, tally, observer, services, folder))
        with _signals(runner, observer):
            try:
                surplus = await _finished(runner)
            finally:
                watch.cancel()
            tally.surplus = surplus if runner.stopped is None else 0
            rows_sha256 = committer.finish()
    observer.tick(tally, 0, budget.session_s)
    if runner.afterwards:
        observer.warn(f"calls that no row needed any more have failed, as the next run's may: {runner.afterwards}")
    status, why = _ending(runner, plan)
    return Summary(status, why, tally, _missing(plan, runner), rows_sha256, budget.session_s, budget.wall_s)


def _note(folder: RunFolder, tally: Tally, budget: Budget) -> None:
    """What the run has bought so far is on the disk: it counts also if the run is killed."""
    folder.note({"spent": tally.spent(budget.wall_s, whole=False), **tally.usage()})


async def _finished(runner: Runner) -> int:
    """`runner.run()`; where the task around it is cancelled, the calls in flight are kept all the same."""
    running = asyncio.create_task(runner.run())
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        runner.stop("interrupted", CANCELLED)
        return await running


def _ending(runner: Runner, plan: Plan) -> tuple[str, str]:
    stopped = runner.stopped
    if stopped is not None and not (stopped[0] == "budget" and not runner.schedule.wanted):
        return stopped
    if not runner.schedule.wanted:
        return "done", ""
    return "short", f"{plan.max_attempts} rows were attempted, as many as workflow.max_attempts allows"


def _missing(plan: Plan, runner: Runner) -> dict[str, int]:
    """Seed -> kept rows that are still wanted; a seed that is listed twice is one."""
    found: Counter[str] = Counter()
    for item, count in runner.schedule.missing().items():
        found[str(plan.items[item].values.get("seed", "all"))] += count
    return dict(found)


def open_callers(
    plan: Plan, endpoints: Endpoints, journal: Journal, budget: Budget, *, retry_errors: bool = False
) -> dict[str, Caller]:
    """One caller for each model that a step asks; models of one provider share its controller, all one budget."""
    settings = CallSettings(plan.engine.timeout_s, plan.engine.max_tries, retry_errors)
    controllers: dict[str, Controller] = {}
    callers = {}
    for name, model in plan.models.items():
        if model.provider_name not in controllers:
            limits: Limits = model.provider.limits
            most = min(plan.engine.concurrency, limits.concurrency or plan.engine.concurrency)
            controllers[model.provider_name] = Controller(
                most, limits, plan.engine.outage_s, slow_start=model.provider.slow_start
            )
        purse = Purse(budget, model.price, free=model.free)
        callers[name] = Caller(
            model.provider, endpoints.opener(model), controllers[model.provider_name], journal, settings, purse
        )
    return callers


async def _watch(
    runner: Runner, committer: Committer, tally: Tally, observer: Observer, services: Services, folder: RunFolder
) -> None:
    flushed = time.monotonic()
    budget = services.budget
    controllers = {id(caller.controller): caller.controller for caller in services.callers.values()}.values()
    while True:
        await asyncio.sleep(TICK_S)
        budget.look()
        if budget.reached:
            for caller in services.callers.values():
                caller.close()  # what has not been sent yet is not sent any more
        observer.waiting(_waits_for(services, [one.holds_back() for one in controllers]))
        observer.tick(tally, sum(one.out for one in controllers), budget.session_s)
        if time.monotonic() - flushed > FLUSH_S:
            flushed = time.monotonic()
            try:
                await committer.flush()
                _note(folder, tally, budget)
            except StoreError as broken:
                runner.stop("failed", str(broken))
                return


def _waits_for(services: Services, held_back: list[str]) -> str:
    """What holds calls back just now; empty when nothing does."""
    if (busy_s := services.journal.busy_s) > BUSY_SAID_S:
        return f"the journal is locked by another process, or its disk is slow: waiting for {busy_s:.0f} s"
    elsewhere = sum(caller.rivals.awaited for caller in services.callers.values())
    if elsewhere and not any(caller.controller.out for caller in services.callers.values()):
        return f"waiting for {elsewhere} answers that another process is buying"
    return next(filter(None, held_back), "")


@contextmanager
def _signals(runner: Runner, observer: Observer) -> Iterator[None]:
    """What asks the process to end ends the run in order, a second time now. Outside the main thread it is not ours.

    SIGHUP says that the terminal was closed; under nohup it is ignored, and stays so. Afterwards the handlers are those
    of the program around us again.
    """
    loop = asyncio.get_running_loop()
    seen = 0

    def interrupt() -> None:
        nonlocal seen
        seen += 1
        runner.stop("interrupted", "interrupted", grace_s=None if seen == 1 else 0.0)
        if seen == 1:
            observer.warn("stopping: waiting for the calls in flight; once more to stop now")

    caught: list[tuple[signal.Signals, Any]] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        before = signal.getsignal(number)
        if number == signal.SIGHUP and before == signal.SIG_IGN:
            continue
        try:
            loop.add_signal_handler(number, interrupt)
            caught.append((number, before))
        except (NotImplementedError, RuntimeError, ValueError):  # not the main thread, or no Unix
            break
    try:
        yield
    finally:
        for number, before in caught:
            loop.remove_signal_handler(number)
            if before is not None and not isinstance(before, partial):  # None: not Python's; partial: asyncio.run's
                signal.signal(number, before)
