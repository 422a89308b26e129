"""The life of one row: what it was made from, what was asked and answered for it, every verdict, what became of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from sdspec.errors import Problem, SpecError
from sdspec.store.arrays import arrow_array
from sdspec.store.columns import LINEAGE
from sdspec.store.journal import Journal
from sdspec.store.schema import python_rows
from sdspec.store.tables import read_batches

_NAMED = 8
"""So many rows are named where more than one is meant."""


@dataclass(frozen=True, slots=True)
class LifeCall:
    """One call made for a row."""

    step: str
    purpose: str
    """`answer`, `reask 1` ..."""
    model: str
    request: str
    """Its key in the journal, hex."""
    messages: Sequence[Mapping[str, str]] | None
    """As sent; None where the journal does not hold the request."""
    outcome: str
    """`answer`, `row_fatal` (refused for good, and journaled), or `failed`: no try got an answer, the next run asks."""
    answer: str | None
    error: str | None
    input_tokens: int
    output_tokens: int
    cost_usd: float | None
    """What it cost when it was bought, by this run or an earlier one; None where the price is not known."""
    latency_s: float | None
    tries: int | None
    from_journal: bool


@dataclass(frozen=True, slots=True)
class Life:
    """One row of a run."""

    id: str
    index: int | None
    """Its place among the rows decided; None for surplus."""
    seed: str
    fate: str
    """`kept`, `rejected`, or `surplus`: started ahead and not needed."""
    step: str | None
    """Where it was rejected, and why."""
    reason: str | None
    detail: str | None
    raw: str | None
    values: Mapping[str, Any]
    """The columns that it had in the end."""
    notes: Mapping[str, Any]
    """Its lineage: `examples` drawn (positions), `checks` by step, `reasks`, `repaired`, `unfit` values."""
    calls: tuple[LifeCall, ...]


def read_life(folder: Path, row: str, journal: Journal | None) -> Life:
    """The row of a run folder whose `_row_id` begins like this; raises SpecError where there is none, or several."""
    kept, rejected = _found(folder, "rows", "_row_id", row), _found(folder, "rejects", "_row_id", row)
    ids = sorted({one["_row_id"] for one in (*kept, *rejected)})
    surplus = [] if ids else _found(folder, "calls", "row", row)
    ids = ids or sorted({one["row"] for one in surplus})
    if len(ids) != 1:
        raise SpecError([_none(folder, row) if not ids else _several(row, ids)])
    if surplus:
        life = Life(ids[0], None, "", "surplus", None, None, None, None, {}, {}, ())
    elif kept:
        life = _kept(kept[0])
    else:
        life = _rejected(rejected[0])
    return _with_calls(life, folder, journal)


def _found(folder: Path, table: str, column: str, prefix: str) -> list[dict[str, Any]]:
    """The rows of a table whose id begins like this, read batch by batch."""
    rows: list[dict[str, Any]] = []
    for batch in read_batches(folder, table):
        if batch.num_rows:
            rows += python_rows(batch.filter(pc.starts_with(batch.column(column), prefix)))
    return rows


def _none(folder: Path, row: str) -> Problem:
    hint = f"`sdspec show {folder.name}` names some; rows.parquet and rejects.parquet hold all, as _row_id."
    return Problem(row, "no row of this run begins like this.", hint)


def _several(row: str, ids: list[str]) -> Problem:
    more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
    return Problem(row, f"{len(ids)} rows begin like this.", f"Say more of one: {', '.join(ids[:_NAMED])}{more}.")


def _kept(row: Mapping[str, Any]) -> Life:
    values = {name: value for name, value in row.items() if name not in LINEAGE}
    unfit = (row["_lineage"] or {}).get("unfit") or {}
    values |= {name: orjson.loads(text) for name, text in unfit.items()}
    return Life(
        row["_row_id"], row["_index"], row["_seed"], "kept", None, None, None, None, values, row["_lineage"] or {}, ()
    )


def _rejected(row: Mapping[str, Any]) -> Life:
    return Life(
        row["_row_id"],
        row["_index"],
        row["_seed"],
        "rejected",
        row["step"],
        row["reason"],
        row["detail"],
        row["raw"],
        row["columns"] or {},
        row["_lineage"] or {},
        (),
    )


def _with_calls(life: Life, folder: Path, journal: Journal | None) -> Life:
    """Its calls in the order in which they were asked."""
    keys = list(life.notes.get("calls", ()))
    lines: dict[str, dict[str, Any]] = {}
    for batch in read_batches(folder, "calls"):
        if batch.num_rows:
            asked = pc.is_in(batch.column("request"), value_set=arrow_array(keys, pa.string()))
            mine = pc.or_(pc.equal(batch.column("row"), life.id), asked)
            for line in batch.filter(mine).to_pylist():
                if line["row"] == life.id or line["request"] not in lines:  # of another row it may have ended otherwise
                    lines[line["request"]] = line
    order = [*keys, *(key for key in lines if key not in keys)]
    return replace(life, calls=tuple(_call(lines[key], journal) for key in order if key in lines))


def _call(line: Mapping[str, Any], journal: Journal | None) -> LifeCall:
    key = bytes.fromhex(line["request"])
    record = journal.look(key) if journal else None
    request = journal.request(key) if journal else None
    return LifeCall(
        step=line["step"],
        purpose=line["purpose"],
        model=line["model"],
        request=line["request"],
        messages=request["messages"] if request else None,
        outcome=line["outcome"],
        answer=line["answer"],
        error=line["error"],
        input_tokens=line["input_tokens"],
        output_tokens=line["output_tokens"],
        cost_usd=record.cost_usd if record else line["cost_usd"],
        latency_s=line["latency_s"],
        tries=line["tries"],
        from_journal=line["from_journal"],
    )
