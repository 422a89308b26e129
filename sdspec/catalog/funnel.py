"""What became of a run's rows: the funnel by step and by seed, reject reasons with samples; read by DuckDB."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from sdspec.catalog.views import ask

DETAIL_WIDTH = 200
"""Characters of a detail that tell one kind of error from another."""

# kinds of details are told apart by hashes, and raw texts read of the chosen rows only: rejects may be many
FIRST = """
    WITH first AS (
        SELECT min(_index) AS place FROM rejects WHERE step = $step AND reason = $reason
        GROUP BY hash(left(detail, $width)) ORDER BY place LIMIT $samples
    )
    SELECT _row_id, detail, raw FROM rejects WHERE _index IN (SELECT place FROM first) ORDER BY _index
"""
"""The first rejects of a step with a reason, one for each kind of detail."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Rejects of one step with one reason."""

    step: str
    reason: str
    count: int
    samples: tuple[tuple[str, str, str | None], ...]
    """(row id, detail, raw text) of the first few, with different details where there are."""


@dataclass(frozen=True, slots=True)
class SeedLine:
    """One seed's rows."""

    seed: str
    attempted: int
    kept: int
    reasons: str
    """`sql_error 3, duplicate 1`"""


@dataclass(frozen=True, slots=True)
class Funnel:
    """All of it. attempted = kept + the sum of the reasons' counts."""

    kept: int
    reasons: tuple[Reason, ...]
    seeds: tuple[SeedLine, ...]


def read_funnel(folder: Path, samples: int) -> Funnel:
    """The funnel of a run folder, finished or not."""
    return ask(folder, lambda db: _funnel(db, samples))


def _funnel(db: duckdb.DuckDBPyConnection, samples: int) -> Funnel:
    kept = _all(db, "SELECT count(*) FROM rows")[0][0]
    return Funnel(kept, _reasons(db, samples), _seeds(db))


def _reasons(db: duckdb.DuckDBPyConnection, samples: int) -> tuple[Reason, ...]:
    counted = _all(db, "SELECT step, reason, count(*) FROM rejects GROUP BY ALL ORDER BY 3 DESC, 1, 2")
    found = []
    for step, reason, count in counted:
        values = {"step": step, "reason": reason, "width": DETAIL_WIDTH, "samples": samples}
        found.append(Reason(step, reason, count, tuple(_all(db, FIRST, values)) if samples else ()))
    return tuple(found)


def _seeds(db: duckdb.DuckDBPyConnection) -> tuple[SeedLine, ...]:
    query = """
        WITH ended AS (
            SELECT _seed, 'kept' AS reason FROM rows UNION ALL SELECT _seed, reason FROM rejects
        ), counted AS (
            SELECT _seed, reason, count(*) AS n FROM ended GROUP BY ALL
        )
        SELECT _seed, sum(n)::BIGINT, coalesce(sum(n) FILTER (reason = 'kept'), 0)::BIGINT,
            coalesce(string_agg(reason || ' ' || n, ', ' ORDER BY n DESC, reason) FILTER (reason <> 'kept'), '')
        FROM counted GROUP BY _seed ORDER BY 3, 2 DESC, 1
    """
    return tuple(SeedLine(*line) for line in _all(db, query))


def _all(db: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any] | None = None) -> Sequence[tuple[Any, ...]]:
    return db.execute(query, values or {}).fetchall()
