"""The first rows of a plan, walked without a run folder; what they buy is in the journal, where a run finds it."""

from __future__ import annotations

from asyncio import TaskGroup
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sdspec.engine.budget import Budget
from sdspec.engine.caller import Caller, Turn
from sdspec.engine.controller import Closed
from sdspec.engine.endpoints import Endpoints
from sdspec.engine.run import CHECK_WORKERS, Observer, open_callers
from sdspec.engine.steps import walk_steps
from sdspec.engine.tally import Tally
from sdspec.engine.walk import CallLine, Services, Walk, WalkContext
from sdspec.engine.workers import Workers
from sdspec.errors import SdspecError
from sdspec.plan.estimate import first_rows
from sdspec.plan.plan import Plan
from sdspec.rows import Reject, Row
from sdspec.store.journal import Journal


@dataclass(frozen=True, slots=True)
class Previewed:
    """A row as far as its row-wise steps brought it; what hangs on other rows (dedup, quota) was not decided."""

    row: Row
    reject: Reject | None
    calls: tuple[CallLine, ...]
    """In the order in which they were asked; that of an answer with several rows stands with each of them."""


async def walk_first(plan: Plan, journal: Journal, count: int, observer: Observer) -> list[Previewed]:
    """The first `count` rows in the order in which a run attempts them; raises what would end a run."""
    lines: dict[str, CallLine] = {}
    tally = Tally(wanted=count)
    budget = Budget(plan.budget, tally)

    def called(line: CallLine) -> None:
        lines[line.ask.key.hex()] = line
        if line.bought is not None:
            tally.called(line.bought, line.step, line.ask.key)

    workers = Workers(CHECK_WORKERS)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(workers.close)
        endpoints = Endpoints(stack, plan.engine.concurrency, observer.say)
        callers = open_callers(plan, endpoints, journal, budget)
        services = Services(callers, journal, workers.examine, called, plan.seed, budget)
        try:
            outcomes = await _walked(plan, services, list(first_rows(plan, (), count)))
        finally:
            await _settled(callers, plan.engine.timeout_s)
    return [
        Previewed(row, reject, tuple(lines[key] for key in row.notes.get("calls", ()) if key in lines))
        for row, reject in outcomes
    ]


async def _walked(plan: Plan, services: Services, rows: list[Row]) -> list[tuple[Row, Reject | None]]:
    steps = [step for step in plan.steps if step.order == "row"]

    async def walk(row: Row) -> tuple[Row, Reject | None]:
        position = (row.occurrence, row.item)
        context = WalkContext(Walk(position), services, Turn(position, _missed, _wanted))
        try:
            return await walk_steps(row, steps, context)
        except Closed:
            if not services.budget.reached:
                raise
            return row, Reject(context.name, "budget", services.budget.reached)

    try:
        async with TaskGroup() as group:
            tasks = [group.create_task(walk(row)) for row in rows]
    except ExceptionGroup as found:
        known = found.subgroup(SdspecError)
        raise (known or found).exceptions[0] from None
    return [task.result() for task in tasks]


async def _missed() -> None:
    """Every row may buy."""


def _wanted() -> bool:
    return True


async def _settled(callers: dict[str, Caller], timeout_s: float) -> None:
    """What is in flight is paid for: it is waited for, also after an interrupt. Nothing more goes out."""
    for caller in callers.values():
        caller.close()
    for caller in callers.values():
        await caller.settle(timeout_s)
