"""Work on files that nobody waits for: done in order on a thread, so that an event loop goes on meanwhile."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

MOST_WAITING = 4
"""Jobs that may wait; who gives a further one waits for them, so that what they hold stays bounded."""


class Behind:
    """Does jobs one after the other. One that fails is tried again before the next, so that none is ever left out."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="behind")  # its thread starts with the first job
        self._jobs: deque[Callable[[], None]] = deque()
        self._last: Future[None] | None = None
        self._failure: BaseException | None = None

    def give(self, job: Callable[[], None]) -> Future[None]:
        """The job is in line; the future says when it is done, or what stopped it or one before it."""
        if self._last is not None and len(self._jobs) >= MOST_WAITING:
            wait([self._last])
        self._jobs.append(job)
        self._last = self._pool.submit(self._work)
        self._last.add_done_callback(self._ended)
        return self._last

    def look(self) -> None:
        """Raises what the last try failed with, if it did."""
        if self._failure is not None:
            raise self._failure

    def close(self) -> None:
        """The thread has ended, after the job that it was at."""
        self._pool.shutdown(cancel_futures=True)

    def _work(self) -> None:
        while self._jobs:
            self._jobs[0]()
            self._jobs.popleft()

    def _ended(self, work: Future[None]) -> None:
        self._failure = None if work.cancelled() else work.exception()
