"""What takes time while a model is asked: beside a spinner on a terminal, as lines elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.status import Status
from rich.text import Text

from sdspec.cli.problems import tell
from sdspec.engine.run import Observer, Silent


@contextmanager
def waiting() -> Iterator[Observer]:
    """An observer: a spinner on a terminal, lines elsewhere."""
    err = Console(stderr=True)
    if not err.is_terminal:
        yield _Lines()
        return
    with err.status("asking the model") as status:
        yield _Status(status)


class _Status(Silent):
    """Says what takes time beside a spinner."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def say(self, text: str) -> None:
        self._status.update(Text(text))  # a path may look like markup


class _Lines(Silent):
    """Says what takes time as lines."""

    def say(self, text: str) -> None:
        tell(text)
