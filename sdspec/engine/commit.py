"""Decides rows in index order: repeats are refused, kept rows and rejects are written, everything is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from sdspec.contracts import Dedup, DedupIndex
from sdspec.engine.tally import Tally
from sdspec.engine.walk import CallLine
from sdspec.plan.plan import Plan
from sdspec.rows import Reject, Row
from sdspec.store.behind import Behind
from sdspec.store.runfolder import RunFolder
from sdspec.store.tables import CallsWriter, RejectsWriter, RowsWriter


class Committer:
    """The in-order end of every row: one for each run."""

    def __init__(self, plan: Plan, folder: RunFolder, tally: Tally) -> None:
        self._tally = tally
        self._dedups: list[tuple[str, Dedup, DedupIndex]] = [
            (step.name, step.part, step.part.index())
            for step in plan.steps
            if step.order == "commit" and isinstance(step.part, Dedup)
        ]
        self._behind = Behind()
        self._rows = RowsWriter(folder.path, plan.columns, self._behind)
        self._rejects = RejectsWriter(folder.path, self._behind)
        self._calls = CallsWriter(folder.path, self._behind)

    def commit(self, row: Row, reject: Reject | None) -> bool:
        """The row is written as kept (True) or as a reject; its index is the number of rows decided before it.

        Raises StoreError where rows before it could not be written; it is not decided then, and may come again.
        """
        self._behind.look()
        reject = reject or self._repeat(row)
        index = self._tally.attempted
        self._tally.attempted += 1
        self._tally.repaired += row.notes.get("repaired", 0)
        self._tally.reasked += row.notes.get("reasks", 0) if row.slot == 0 else 0
        seed = str(row.values.get("seed", ""))
        if reject is None:
            self._tally.kept += 1
            self._rows.add(row.values, row_id=row.id, index=index, seed=seed, lineage=row.notes)
            return True
        self._tally.rejected[reject.reason] += 1
        self._rejects.add(reject, row_id=row.id, index=index, seed=seed, values=row.values, notes=row.notes)
        return False

    def called(self, line: CallLine) -> None:
        """A call is counted and written; order is that of arrival."""
        if line.bought is None:
            self._tally.failed += 1
        else:
            self._tally.called(line.bought, line.step, line.ask.key)
        self._calls.add(_call_row(line))

    async def flush(self) -> None:
        """What was committed can be read from the folder's shards."""
        for done in [writer.flush() for writer in (self._rows, self._rejects, self._calls)]:
            await asyncio.wrap_future(done)

    def finish(self) -> str:
        """The three files stand whole in the folder; the rows' SHA-256."""
        self._rejects.finish()
        self._calls.finish()
        return self._rows.finish()

    def close(self) -> None:
        """Nothing is written any more."""
        self._behind.close()

    def _repeat(self, row: Row) -> Reject | None:
        for name, dedup, index in self._dedups:
            repeat = index.seen({column: row.values[column] for column in dedup.columns}, row.id)
            if repeat is not None:
                return Reject(name, repeat.reason, repeat.detail)
        return None


def _call_row(line: CallLine) -> Mapping[str, Any]:
    record = line.bought.record if line.bought else None
    answer = record.answer if record else None
    charged = record.charged if record else None
    error = line.error or (record.error if record else None)
    return {
        "row": line.row,
        "step": line.step,
        "purpose": line.purpose,
        "model": line.ask.model.id,
        "request": line.ask.key.hex(),
        "outcome": "answer" if answer else "row_fatal" if record else "failed",
        "error": f"{error.code}: {error.message}" if error else None,
        "answer": answer.text if answer else None,
        "input_tokens": charged.input_tokens if charged else 0,
        "output_tokens": charged.output_tokens if charged else 0,
        "cached_tokens": charged.cached_tokens if charged else 0,
        "cache_write_tokens": charged.cache_write_tokens if charged else 0,
        "reasoning_tokens": charged.reasoning_tokens if charged else 0,
        "cost_usd": 0.0 if line.bought and line.bought.from_journal else record.cost_usd if record else None,
        "latency_s": record.latency_s if record else None,
        "tries": line.bought.tries if line.bought else None,
        "from_journal": bool(line.bought and line.bought.from_journal),
    }
