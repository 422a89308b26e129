"""The contract of an engine: a database that is filled with rows, then runs one statement at a time within limits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any

from sdspec.sql.fill import Sink


@dataclass(frozen=True, slots=True)
class Limits:
    """What one statement may use, and what of its result is kept."""

    cpu_s: float
    """Seconds of processor time, so that a busy machine reaches the same verdict."""
    max_result_rows: int
    writes: bool
    """Statements that change rows or tables may run; what they change is rolled back."""


@dataclass(frozen=True, slots=True)
class Ran:
    """A statement that ran to its end."""

    columns: list[str] = field(default_factory=list)
    rows: list[list[Any]] = field(default_factory=list)
    """The first rows, as JSON."""
    row_count: int = 0
    """Rows of the result, or rows changed."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A statement that did not: a reason as verdicts have it, and the engine's own words."""

    reason: str
    detail: str


class BuildError(ValueError):
    """The schema cannot be created in the engine; the message says where and why."""


class Database(Sink, ABC):
    """One engine with a schema and rows in it."""

    def __init__(self) -> None:
        self.refused: dict[str, str] = {}
        """Why the engine refused the last row of a table that it refused one of."""

    @abstractmethod
    def create(self, sql: str) -> None:
        """Runs a statement of the schema; raises BuildError in the engine's words."""

    @abstractmethod
    def seal(self) -> None:
        """The rows are there for good; from here on statements are guarded."""

    @abstractmethod
    def run(self, sql: str, limits: Limits) -> Ran | Failed:
        """What a statement gives within its limits; the database is afterwards as it was before."""

    @abstractmethod
    def close(self) -> None:
        """Its memory is free."""
