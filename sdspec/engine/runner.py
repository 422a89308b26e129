"""Drives the rows of a run: starts them ahead within a window, commits them in order, fills quotas, ends.

Whatever happens to a row wakes the pump, which then does all at once: commit what is ready, let rows buy whose turn it
is, start what may be started, and see whether the run is over.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from typing import Protocol

from sdspec.engine.caller import Turn
from sdspec.engine.controller import Closed
from sdspec.engine.schedule import Position, Schedule
from sdspec.engine.steps import Outcome, walk_steps
from sdspec.engine.walk import Services, Walk, WalkContext
from sdspec.errors import PrerequisiteError, RunFatal, StoreError
from sdspec.plan.plan import Plan
from sdspec.rows import Reject, Row

HELD_ROWS = 8192
"""Finished rows that wait in memory for an earlier one; further ones are let go of and walked again at commit."""
RECALLED = 64
"""Rows walked again at once; their answers come from the journal."""
LEAST_GRACE_S = 5.0
"""Calls in flight when a run ends get at least this long, and three mean latencies: they are paid for."""


class Commit(Protocol):
    """Decides a row whose turn has come; True when it is kept."""

    def __call__(self, row: Row, reject: Reject | None) -> bool: ...


class Runner:
    """One pass over a plan's rows."""

    def __init__(
        self,
        plan: Plan,
        services: Services,
        commit: Commit,
        window: int,
        mean_latency_s: Callable[[], float],
    ) -> None:
        self._plan = plan
        self._services = services
        self._commit = commit
        self._window = window
        self._mean_latency_s = mean_latency_s
        self._steps = [step for step in plan.steps if step.order == "row"]
        self._schedule = Schedule([item.quota for item in plan.items], plan.max_attempts)
        self._open: dict[Position, Walk] = {}
        self._tasks: dict[Position, asyncio.Task[None]] = {}
        self._gate: list[tuple[Position, asyncio.Future[None]]] = []
        self._held = 0
        self._let_go: list[Position] = []
        """Finished rows of which only this is kept; thousands may stand behind one slow call."""
        self._woken = asyncio.Event()
        self._ended = asyncio.Event()
        self._unpaid: set[Position] = set()
        """Rows that ended because the budget is reached: they are passed over, those behind them are committed."""
        self._in_vain = 0
        """Rows one after the other that ended so, with none between that found its answers in the journal."""
        self._grace_s: float | None = None
        self.stopped: tuple[str, str] | None = None
        """("failed", "interrupted" or "budget", why) when the run ended before its quota or its attempts did."""
        self.afterwards = ""
        """Why calls have failed that no row needed any more; a run that goes on would have failed by it."""

    @property
    def schedule(self) -> Schedule:
        """Where the rows stand."""
        return self._schedule

    def stop(self, status: str, why: str, grace_s: float | None = None) -> None:
        """Nothing new is asked; calls in flight get their grace (at most `grace_s`). A second stop shortens it."""
        if self.stopped is None:
            self.stopped = (status, why)
        if grace_s is not None:
            self._grace_s = grace_s
        self._ended.set()
        for caller in self._services.callers.values():
            if self._grace_s == 0.0:
                caller.give_up()

    async def run(self) -> int:
        """Rows are committed until the quotas are met, attempts run out, or it is stopped; the surplus rows' number."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            pump = group.create_task(self._pump())
            await self._ended.wait()
            pump.cancel()
            for caller in self._services.callers.values():
                caller.close()
            self._open_gates()
            await self._settle()
            if self.stopped:
                self._commit_or_stop()
            for task in self._tasks.values():
                task.cancel()
        return len(self._let_go) + sum(1 for walk in self._open.values() if walk.finished or walk.bought)

    async def _settle(self) -> None:
        """Calls in flight are journaled; the rows that waited for them have gone as far as they can."""
        grace_s = self._grace_s
        if grace_s is None and self.stopped and self.stopped[0] in ("interrupted", "budget"):
            grace_s = self._plan.engine.timeout_s  # they are paid for; who is in a hurry interrupts once more
        elif grace_s is None:
            grace_s = max(LEAST_GRACE_S, 3 * self._mean_latency_s())
        for caller in self._services.callers.values():
            await caller.settle(grace_s if self.stopped or caller.waits_for_surplus else 0.0)
        if self.stopped and self._tasks and grace_s:
            await asyncio.wait(list(self._tasks.values()), timeout=grace_s)

    # -------------------------------------------------------------------------------------------------- the pump

    async def _pump(self) -> None:
        self._woken.set()
        while await self._woken.wait():
            self._woken.clear()
            if not self._commit_or_stop():
                return
            self._open_gates()
            while (position := self._schedule.start(room=len(self._tasks) < self._window)) is not None:
                self._open[position] = Walk(position)
                self._begin(position)
            if self._schedule.over:
                self._ended.set()
            elif self._services.budget.reached and (not self._tasks or self._in_vain > self._window):
                self.stop("budget", self._services.budget.reached)

    def _commit_or_stop(self) -> bool:
        """What is ready is committed; False when the disk does not take it, which ends the run."""
        try:
            self._commit_ready()
        except StoreError as broken:
            self.stop("failed", str(broken))
            return False
        return True

    def _commit_ready(self) -> None:
        while (position := self._next_ready()) is not None:
            walk = self._open.get(position)
            if walk is None or walk.outcome is None:
                self._recall()
                return
            kept = self._commit(*walk.outcome)
            del self._open[position]
            self._held -= 1
            self._schedule.committed(position, kept)

    def _next_ready(self) -> Position | None:
        """The row to commit now. Rows that the budget could not pay are passed over; a resume makes them in order."""
        while (head := self._schedule.head) in self._unpaid and head is not None:
            self._schedule.skip()
        return self._schedule.ready()

    def _recall(self) -> None:
        """The earliest rows that were let go of walk again."""
        running = sum(1 for position in self._tasks if self._open[position].again)
        while self._let_go and running < RECALLED:
            position = heapq.heappop(self._let_go)
            self._open[position] = Walk(position, finished=True, again=True)
            self._begin(position)
            running += 1

    # -------------------------------------------------------------------------------------------------- one row

    def _begin(self, position: Position) -> None:
        self._tasks[position] = self._group.create_task(self._walk(self._open[position]))

    async def _walk(self, walk: Walk) -> None:
        position = walk.position
        row = Row.start(position[1], position[0], self._plan.items[position[1]].values, self._plan.per_call)

        async def missed() -> None:
            await self._missed(walk)

        turn = Turn(position, missed, lambda: self._wanted(position))
        context = WalkContext(walk, self._services, turn)
        try:
            outcome = await walk_steps(row, self._steps, context)
        except Closed:
            self._drop(walk)
            if self._services.budget.reached and not self._schedule.behind_the_cut(position):
                self._unpaid.add(position)
                self._in_vain += 1
        except (RunFatal, StoreError, PrerequisiteError) as fatal:
            self._drop(walk)
            if self._schedule.over and not isinstance(fatal, StoreError):
                self.afterwards = str(fatal)
            else:
                self.stop("failed", str(fatal))
        except asyncio.CancelledError:
            self._tasks.pop(position, None)
            raise
        else:
            self._finish(walk, outcome)
        self._woken.set()

    def _finish(self, walk: Walk, outcome: Outcome) -> None:
        del self._tasks[walk.position]
        reject = outcome[1]
        self._in_vain = 0
        if not walk.finished:
            walk.finished = True
            self._schedule.finished(walk.position, accepted=reject is None)
        durable = reject is None or reject.durable
        if self._held >= HELD_ROWS and durable and not walk.again and walk.position != self._schedule.head:
            heapq.heappush(self._let_go, walk.position)
            del self._open[walk.position]
            return
        walk.outcome = outcome
        self._held += 1

    def _drop(self, walk: Walk) -> None:
        """The row was stopped before its end: as if never started, but for what it bought."""
        del self._tasks[walk.position]
        if not walk.finished and not walk.bought:
            del self._open[walk.position]
            self._schedule.withdrawn(walk.position)

    def _wanted(self, position: Position) -> bool:
        return not self._ended.is_set() and not self._schedule.behind_the_cut(position)

    async def _missed(self, walk: Walk) -> None:
        """Waits until no earlier row can make this one's purchase needless; raises Closed when it has become so."""
        self._schedule.missed(walk.position)
        if not self._wanted(walk.position):
            raise Closed
        if not self._schedule.may_buy(walk.position):
            granted: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            heapq.heappush(self._gate, (walk.position, granted))
            self._woken.set()
            await granted
            if not self._wanted(walk.position):
                raise Closed
        else:
            self._woken.set()

    def _open_gates(self) -> None:
        while self._gate and (self._ended.is_set() or self._schedule.may_buy(self._gate[0][0])):
            _, granted = heapq.heappop(self._gate)
            if not granted.done():
                granted.set_result(None)
