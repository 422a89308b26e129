"""Ends a sweep in order: Ctrl-C reaches the jobs, wherever they run, and no further one starts.

A file says that the sweep is to stop. In this process the engine hears the signal itself. A job in another process is
kept out of the terminal's reach, else it would get the signal twice; it looks at the file, and tells its engine. Its
process does not outlive the sweep's own one.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from sdspec.store.process import is_gone

SIGNALS = (signal.SIGINT, signal.SIGTERM)
LOOK_S = 0.25
"""Pause between two looks of a job at the file."""

_RUNNING = threading.Lock()
"""Held by the job that runs in this process."""
_WATCH = "watches the sweep's process"


@dataclass(frozen=True)
class Stop:
    """Whether a sweep is to stop; it pickles."""

    marker: Path
    sweeper: Mapping[str, Any]
    """The process that runs the sweep, as `this_process` names it."""

    def ask(self) -> None:
        """No further job starts, and those that run end in order."""
        self.marker.touch()

    def is_asked(self) -> bool:
        """True also when the sweep's own process has gone."""
        return self.marker.exists() or is_gone(self.sweeper)

    @contextmanager
    def heard(self, say: Callable[[str], None], *, in_process: bool) -> Iterator[None]:
        """SIGINT and SIGTERM ask the sweep to stop; a second one raises KeyboardInterrupt. The file is gone at the end.

        Jobs in other processes start deaf to both until `in_job`: an interrupt while they import would end them with
        a traceback.
        """

        def interrupt(number: int, frame: object) -> None:
            if self.marker.exists():
                raise KeyboardInterrupt
            self.ask()
            say("stopping: waiting for the calls in flight; once more to stop now")

        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, interrupt) for number in SIGNALS}
        closed = threading.Event()
        # Children inherit the mask of this thread; the other one stays open, so that this process still gets signals.
        open_ear = threading.Thread(target=closed.wait, daemon=True)
        if not in_process:
            open_ear.start()
            resource_tracker.ensure_running()  # else it starts with the first child, and opens the mask (Python 3.11)
            signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        try:
            yield
        finally:
            if not in_process:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
                closed.set()
                open_ear.join()
            for number, handler in before.items():
                signal.signal(number, handler)
            self.marker.unlink(missing_ok=True)

    @contextmanager
    def in_job(self) -> Iterator[None]:
        """The engine that runs inside is interrupted, once, when the sweep is to stop."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        if os.getpid() != self.sweeper["pid"]:
            _leave_terminal()
            if _WATCH not in (thread.name for thread in threading.enumerate()):
                threading.Thread(target=self._end_with_sweeper, name=_WATCH, daemon=True).start()
        before = {number: signal.signal(number, self._noted) for number in SIGNALS}
        mask = signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
        ended = threading.Event()
        passing = threading.Thread(target=self._pass_on, args=(ended,), daemon=True)
        passing.start()
        try:
            with _RUNNING:
                yield
        finally:
            ended.set()
            passing.join()
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            for number, handler in before.items():
                signal.signal(number, handler)

    def _noted(self, number: int, frame: object) -> None:
        self.ask()

    def _pass_on(self, ended: threading.Event) -> None:
        while not ended.wait(LOOK_S):
            engine_listens = signal.getsignal(signal.SIGINT) not in (self._noted, signal.default_int_handler)
            if engine_listens and self.is_asked():
                os.kill(os.getpid(), signal.SIGINT)
                return

    def _end_with_sweeper(self) -> None:
        while not is_gone(self.sweeper):
            time.sleep(4 * LOOK_S)
        with _RUNNING:
            os._exit(1)


def _leave_terminal() -> None:
    """This process is alone in its group, what came for it until now is forgotten, and idle it hears no Ctrl-C."""
    os.setpgid(0, 0)
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
