"""The call journal: what was bought once is there for every later run; thousands of askers, one writer thread.

A thread of its own holds the file. It takes whatever is queued, answers the reads, commits all writes in one
transaction and wakes the event loop once. No timer: while it commits, the next batch gathers. Several processes may
have the same file open.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future as ThreadFuture
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Self, TypeVar

from sdspec.contracts import Verdict
from sdspec.errors import StoreError
from sdspec.store.jsontext import json_bytes
from sdspec.store.ledger import BUSY_S, Call, Judged, Ledger
from sdspec.store.netfs import MOUNTS
from sdspec.store.records import CallRecord, JournalStats, dumped, record_of, verdict_of

if TYPE_CHECKING:
    from sdspec.store.claims import Claims

_T = TypeVar("_T")

_LARGEST_BATCH = 4096
"""So many operations at most make one batch: the first of them waits for the last."""


class _Get(NamedTuple):
    table: str
    key: bytes
    future: asyncio.Future[Any]


@dataclass(frozen=True, slots=True)
class _Put:
    row: Call | Judged
    future: asyncio.Future[Any]

    @property
    def key(self) -> bytes:
        return self.row.key

    @property
    def table(self) -> str:
        return "calls" if isinstance(self.row, Call) else "verdicts"


@dataclass(frozen=True, slots=True)
class _Do(Generic[_T]):
    work: Callable[[Ledger], _T]
    future: ThreadFuture[_T]


_Operation = _Get | _Put | _Do[Any]
_Outcome = tuple[asyncio.Future[Any], Any, str | None]
"""A future with its result, or with why there is none."""


class Journal:
    """An open journal; made by `Journal.open`, closed by `close` or at the end of a `with` block.

    `get` and `put` belong to an event loop; `count`, `stats`, `look` and `request` block and need none.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.path = ledger.path
        self._ledger = ledger
        self._queue: deque[_Operation] = deque()
        self._wake: SimpleQueue[None] = SimpleQueue()
        self._woken = False
        self._closing = False
        self._broken: str | None = None
        self._began: float | None = None
        self._thread = Thread(target=self._serve, name="journal", daemon=True)
        self._thread.start()

    @classmethod
    def open(cls, path: Path, mounts: Path = MOUNTS, busy_s: float = BUSY_S) -> Self:
        """The journal at `path`, made where there is none; raises StoreError with what is wrong."""
        return cls(Ledger(path, mounts, busy_s))

    @cached_property
    def claims(self) -> Claims:
        """What this process, and others that have the file open, are buying; opened by the first who buys."""
        from sdspec.store.claims import Claims

        return Claims.open(self.path)

    # ------------------------------------------------------------------------------------------------- event loop

    async def get(self, key: bytes) -> CallRecord | None:
        """What was bought under this key, an answer or an error; None where nothing was."""
        found = await self._get("calls", key)
        return None if found is None else record_of(found)

    async def put(self, key: bytes, record: CallRecord, request: Mapping[str, Any] | None = None) -> CallRecord:
        """The record that stands under the key, on the disk: yours, or an earlier answer that another process bought.

        An answer takes the place of an error, and nothing takes the place of an answer. `request` is kept for
        `request()`: the messages and parameters, any JSON. After a failed write every put raises StoreError.
        """
        asked = None if request is None else json_bytes(request)
        failed = record.error is not None
        row = Call(key, record.model, record.created_at, failed, dumped(record).decode(), asked)
        older = await self._put(row)
        return record if older is None else record_of(older)

    async def get_verdict(self, key: bytes) -> Verdict | None:
        """The verdict reached before under this key."""
        found = await self._get("verdicts", key)
        return None if found is None else verdict_of(found)

    async def put_verdict(self, key: bytes, verdict: Verdict) -> Verdict:
        """The verdict that stands under the key, on the disk: the first one."""
        older = await self._put(Judged(key, time.time(), dumped(verdict).decode()))
        return verdict if older is None else verdict_of(older)

    async def _get(self, table: str, key: bytes) -> dict[str, Any] | None:
        future: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._submit(_Get(table, key, future))
        return await future

    async def _put(self, row: Call | Judged) -> dict[str, Any] | None:
        if self._broken:
            raise StoreError(self._broken)
        future: asyncio.Future[dict[str, Any] | None] = asyncio.get_running_loop().create_future()
        self._submit(_Put(row, future))
        return await future

    # -------------------------------------------------------------------------------------------------- any thread

    def count(self) -> int:
        """Calls held, errors included."""
        return self._do(Ledger.count)

    def stats(self) -> JournalStats:
        """What the journal holds in all."""
        return self._do(Ledger.stats)

    def look(self, key: bytes) -> CallRecord | None:
        """As `get`, without an event loop."""
        found = self._do(lambda ledger: ledger.read("calls", [key])).get(key)
        return None if found is None else record_of(found)

    def look_verdict(self, key: bytes) -> Verdict | None:
        """As `get_verdict`, without an event loop."""
        found = self._do(lambda ledger: ledger.read("verdicts", [key])).get(key)
        return None if found is None else verdict_of(found)

    def request(self, key: bytes) -> Any | None:
        """The request that was put with a call; None where there was none."""
        return self._do(lambda ledger: ledger.request(key))

    @property
    def busy_s(self) -> float:
        """For how long the file has been at work on one batch: another process may keep it locked."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def close(self) -> None:
        """Everything queued is on the disk and the file is closed; a second close does nothing."""
        self._closing = True
        self._wake.put(None)
        self._thread.join()
        if "claims" in vars(self):
            self.claims.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _do(self, work: Callable[[Ledger], _T]) -> _T:
        future: ThreadFuture[_T] = ThreadFuture()
        self._submit(_Do(work, future))
        return future.result()

    def _submit(self, operation: _Operation) -> None:
        if self._closing:
            raise StoreError(f"journal {self.path}: it is closed.")
        self._queue.append(operation)
        if not self._woken:  # the thread clears it before it looks at the queue, so nothing is overlooked
            self._woken = True
            self._wake.put(None)

    # -------------------------------------------------------------------------------------------------- its thread

    def _serve(self) -> None:
        taken: list[_Operation] = []
        try:
            while self._queue or not self._closing:
                self._wake.get()
                self._woken = False
                while self._queue:
                    taken = [self._queue.popleft() for _ in range(min(len(self._queue), _LARGEST_BATCH))]
                    self._batch(taken)
        finally:  # after a failure of ours nobody may be left waiting
            self._closing = True
            self._ledger.close()
            _abandon([*taken, *self._queue], StoreError(f"journal {self.path}: its thread has ended."))

    def _batch(self, operations: list[_Operation]) -> None:
        self._began = time.monotonic()
        self._work(operations)
        self._began = None

    def _work(self, operations: list[_Operation]) -> None:
        _deliver(self._read([one for one in operations if isinstance(one, _Get)]))
        for one in operations:
            if isinstance(one, _Do):
                try:
                    one.future.set_result(one.work(self._ledger))
                except StoreError as error:
                    one.future.set_exception(error)
        if puts := [one for one in operations if isinstance(one, _Put)]:
            _deliver(self._write(puts))

    def _read(self, wanted: Sequence[_Get | _Put]) -> list[_Outcome]:
        found: dict[tuple[str, bytes], Any] = {}
        try:
            for table in {one.table for one in wanted}:
                keys = list({one.key for one in wanted if one.table == table})
                found.update(((table, key), data) for key, data in self._ledger.read(table, keys).items())
        except StoreError as error:
            return [(one.future, None, str(error)) for one in wanted]
        return [(one.future, found.get((one.table, one.key)), None) for one in wanted]

    def _write(self, puts: list[_Put]) -> list[_Outcome]:
        if not self._broken:
            calls = [one.row for one in puts if isinstance(one.row, Call)]
            verdicts = [one.row for one in puts if isinstance(one.row, Judged)]
            try:
                if self._ledger.write(calls, verdicts):
                    return [(one.future, None, None) for one in puts]
                return self._read(puts)
            except StoreError as error:
                self._broken = str(error)
        return [(one.future, None, self._broken) for one in puts]


def _deliver(outcomes: list[_Outcome]) -> None:
    """Each future has its outcome, with one call into each event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        loops.setdefault(outcome[0].get_loop(), []).append(outcome)
    for loop, some in loops.items():
        with suppress(RuntimeError):  # the loop was closed while its askers waited: they are gone
            loop.call_soon_threadsafe(_settle, some)


def _settle(outcomes: list[_Outcome]) -> None:
    for future, result, failure in outcomes:
        if future.done():  # cancelled while it waited; what it put is kept
            continue
        if failure is None:
            future.set_result(result)
        else:
            future.set_exception(StoreError(failure))


def _abandon(operations: list[_Operation], error: StoreError) -> None:
    _deliver([(one.future, None, str(error)) for one in operations if not isinstance(one, _Do)])
    for one in operations:
        if isinstance(one, _Do) and not one.future.done():
            one.future.set_exception(error)
