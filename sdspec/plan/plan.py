"""A compiled plan: everything the engine needs, nothing it must look up. Pure data, and it pickles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sdspec.calls import ModelCall
from sdspec.contracts import Block, Check, Dedup, Exporter, Packer, Part, Provider
from sdspec.spec.models import EngineSpec
from sdspec.spec.spec import Spec

SAMPLING = ("temperature", "top_p", "top_k", "max_tokens", "stop")
"""Settings of a model that decide how it samples, in the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Item:
    """One source item: what a row starts from, and how many kept rows are wanted of it."""

    values: Mapping[str, Any]
    """The columns that a row starts with, e.g. {"seed": "window functions"}; its content is the row's identity."""
    quota: int
    """Kept rows wanted."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model bound to its provider."""

    name: str
    """`model`, or its name under `models:`."""
    provider: Provider
    provider_name: str
    call: ModelCall

    def __str__(self) -> str:
        sampling = {name: value for name, value in self.call.deciding().items() if value not in (None, [], "")}
        shown = ", ".join(f"{name} {sampling[name]}" for name in SAMPLING if name in sampling)
        return f"{self.call.id} on {kind_of(self.provider)}" + (f" ({shown})" if shown else "")

    def to_json(self) -> dict[str, Any]:
        """The model as plain data; no secret is in it, a provider only names the variable."""
        provider = {"kind": kind_of(self.provider), **self.provider.model_dump(mode="json")}
        schema = "native" if self.provider.native_schema else "prompt"
        return {"id": self.call.id, "provider": provider, "schema": schema, **self.call.deciding()}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the plan."""

    name: str
    part: Block | Check | Dedup
    order: str
    """`row`: row-wise, out of order. `commit`: decided in index order when a row is committed."""
    reads: tuple[str, ...]
    writes: Mapping[str, str]
    fingerprint: str
    """16 hex digits over what decides this step's output, the steps before it included."""

    def to_json(self) -> dict[str, Any]:
        """The step as plain data."""
        return {
            "name": self.name,
            "kind": kind_of(self.part),
            "order": self.order,
            "reads": list(self.reads),
            "writes": dict(self.writes),
            "fingerprint": self.fingerprint,
        }


@dataclass(frozen=True, slots=True)
class Export:
    """One export of the run's rows."""

    name: str
    format: str
    exporter: Exporter
    packer: Packer


@dataclass(frozen=True)
class Plan:
    """The steps of a run, in order."""

    id: str
    """8 hex digits over everything that decides the rows."""
    name: str
    seed: int
    items: tuple[Item, ...]
    steps: tuple[Step, ...]
    models: Mapping[str, Model]
    output: Mapping[str, str]
    """Output columns with their types."""
    columns: Mapping[str, str]
    """Columns of a kept row with their types: the output, then what varied per row."""
    constants: Mapping[str, Any]
    exports: tuple[Export, ...]
    max_attempts: int
    spec: Spec
    """What it was compiled from."""
    notes: tuple[str, ...] = ()

    @property
    def engine(self) -> EngineSpec:
        """How it is run; decides no row."""
        return self.spec.config.engine

    @property
    def size(self) -> int:
        """Kept rows wanted."""
        return sum(item.quota for item in self.items)

    def to_json(self) -> dict[str, Any]:
        """`plan.json`: the plan as plain data, each step with its fingerprint."""
        return {
            "id": self.id,
            "name": self.name,
            "seed": self.seed,
            "size": self.size,
            "max_attempts": self.max_attempts,
            "items": [{**item.values, "quota": item.quota} for item in self.items],
            "columns": dict(self.columns),
            "models": {name: model.to_json() for name, model in self.models.items()},
            "steps": [step.to_json() for step in self.steps],
            "exports": {one.name: {"format": one.format, "packer": kind_of(one.packer)} for one in self.exports},
        }

    def __str__(self) -> str:
        """The plan for people: rows, steps with their columns, models, exports."""
        quotas = sorted({item.quota for item in self.items})
        each = f"{quotas[0]}" if len(quotas) == 1 else f"{quotas[0]} to {quotas[-1]}"
        seeded = bool(self.items) and "seed" in self.items[0].values
        of_seeds = f" over {len(self.items)} seeds, {each} each" if seeded else ""
        lines = [
            f"{self.name}: {self.size} rows wanted{of_seeds}; at most {self.max_attempts} attempted  (plan {self.id})",
            "",
            *_table([("step", "kind", "order", "reads", "writes", "fingerprint"), *map(_step_line, self.steps)]),
            "",
        ]
        for model in self.models.values():
            lines.append(f"{model.name}: {model}")
        for export in self.exports:
            lines.append(f"export {export.name}: {export.format}, packed as {kind_of(export.packer)}")
        return "\n".join(lines)


def kind_of(part: Part) -> str:
    """The part's `kind`: its file's name."""
    return type(part).__module__.rpartition(".")[2]


def _step_line(step: Step) -> tuple[str, ...]:
    reads = ", ".join(step.reads) or "-"
    writes = ", ".join(f"{name}: {kind}" for name, kind in step.writes.items()) or "-"
    return step.name, kind_of(step.part), step.order, reads, writes, step.fingerprint


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
