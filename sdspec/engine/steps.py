"""The row-wise steps of one row, one after the other: the same for a run and for a rehearsal of one."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

from sdspec.contracts import Block, Check, StepContext
from sdspec.errors import RowFatal, Transient
from sdspec.plan.plan import Step, kind_of
from sdspec.prompts import TextError
from sdspec.rows import Reject, Row, canonical

Outcome = tuple[Row, Reject | None]
"""The row as far as it came, and why it ended, if it did."""


class WalkedContext(StepContext):
    """What the steps of one walk may do, each in its turn."""

    def __init__(self, spec_seed: int) -> None:
        self.name = ""
        self.spec_seed = spec_seed
        self.step: Step | None = None

    def enter(self, step: Step) -> None:
        """The next asks and verdicts are this step's."""
        self.step = step
        self.name = step.name


async def walk_steps(row: Row, steps: Sequence[Step], context: WalkedContext) -> Outcome:
    """The row after its row-wise steps, or with the reject that ended it."""
    for step in steps:
        context.enter(step)
        try:
            reject = await _step(row, step, context)
        except RowFatal as refusal:
            reject = Reject(step.name, refusal.code, refusal.message)
        except Transient as failure:
            reject = Reject(step.name, failure.code, f"{failure.message} (the next run tries again)", durable=False)
        except TextError as wrong:
            reject = Reject(step.name, "render_error", f"line {wrong.line} of the prompt: {wrong.message}")
        if reject is not None:
            return row, reject
    return row, None


async def _step(row: Row, step: Step, context: WalkedContext) -> Reject | None:
    part = step.part
    if isinstance(part, Block):
        out = await part.apply(row, context)
        return out if isinstance(out, Reject) else None
    assert isinstance(part, Check)
    value = row.values[part.column]
    verdict = await context.verdict(row, part, value)
    evidence = {"ok": verdict.ok, "reason": verdict.reason, "detail": verdict.detail, **verdict.evidence}
    row.notes.setdefault("checks", {})[step.name] = evidence
    if verdict.ok:
        return None
    return Reject(step.name, verdict.reason, verdict.detail, value if isinstance(value, str) else None)


def verdict_key(check: Check, value: Any) -> bytes:
    """32 bytes: SHA-256 over the check with its settings, and the value that it examines."""
    return hashlib.sha256(canonical([kind_of(check), check.version, check.deciding(), value])).digest()
