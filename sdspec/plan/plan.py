"""A compiled plan: everything the engine needs, nothing it must look up. Pure data, and it pickles."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from sdspec.calls import ModelCall
from sdspec.contracts import Block, Check, Dedup, Part, Provider
from sdspec.dataset import Exporter, Packer
from sdspec.prices import Price
from sdspec.spec.models import BudgetSpec, EngineSpec
from sdspec.spec.spec import Spec

SAMPLING = ("temperature", "top_p", "top_k", "max_tokens", "stop")
"""Settings of a model that decide how it samples, in the order in which they are shown."""
WIDTH = 80
"""Columns of a plan as text."""
SHOWN_DIGITS = 8
"""Of a fingerprint as text; plan.json has all."""


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
    price: Price | None = None
    """The spec's own, else that of the price map; None where neither has one. Decides no row."""

    @property
    def free(self) -> bool:
        """True when calls cost nothing, and the spec puts no price on them."""
        return self.provider.free and self.price is None

    @property
    def unpriced(self) -> str:
        """That calls cost something, and nobody knows what; empty where that is not so."""
        if self.free or self.price is not None:
            return ""
        return f"no price is known for model {self.call.id} on {kind_of(self.provider)}"

    @property
    def key(self) -> str:
        """Where the spec sets it: `model`, or `models.judge`."""
        return "model" if self.name == "model" else f"models.{self.name}"

    @property
    def price_example(self) -> str:
        """How the spec gives it a price, as a shell takes it."""
        return f"{self.key}.price='{{input: 1.0, output: 5.0}}'"

    def __str__(self) -> str:
        sampling = {name: value for name, value in self.call.deciding().items() if value not in (None, [], "")}
        shown = ", ".join(f"{name} {sampling[name]}" for name in SAMPLING if name in sampling)
        return f"{self.call.id} on {kind_of(self.provider)}" + (f" ({shown})" if shown else "")

    def to_json(self) -> dict[str, Any]:
        """The model as plain data; no secret is in it, a provider only names the variable."""
        provider = {"kind": kind_of(self.provider), **self.provider.model_dump(mode="json")}
        schema = "native" if self.provider.native_schema_for(self.call.known_as) else "prompt"
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
    own: str = ""
    """16 hex digits over what decides it in this step alone: tells a step that changed from one behind a change."""

    def to_json(self) -> dict[str, Any]:
        """The step as plain data."""
        return {
            "name": self.name,
            "kind": kind_of(self.part),
            "order": self.order,
            "reads": list(self.reads),
            "writes": dict(self.writes),
            "fingerprint": self.fingerprint,
            "own": self.own,
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
    per_call: int
    """Rows made from one answer: the rows 0 to per_call - 1 of an item share their draws, the next ones theirs."""
    spec: Spec
    """What it was compiled from."""
    notes: tuple[str, ...] = ()

    @property
    def engine(self) -> EngineSpec:
        """How it is run; decides no row."""
        return self.spec.config.engine

    @property
    def asked(self) -> list[Model]:
        """The models that steps ask, each once."""
        names = dict.fromkeys(step.part.asks() for step in self.steps if isinstance(step.part, Block))
        return [self.models[name] for name in names if name is not None]

    @property
    def budget(self) -> BudgetSpec:
        """Where a run of it stops; decides no row."""
        return self.spec.config.budget

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
            "per_call": self.per_call,
            "items": [{**item.values, "quota": item.quota} for item in self.items],
            "columns": dict(self.columns),
            "models": {name: model.to_json() for name, model in self.models.items()},
            "steps": [step.to_json() for step in self.steps],
            "exports": {one.name: {"format": one.format, "packer": kind_of(one.packer)} for one in self.exports},
        }

    def __str__(self) -> str:
        return self.text()

    def text(self, width: int = WIDTH) -> str:
        """The plan for people: rows, steps with their columns, models, exports; no line is longer than the width."""
        quotas = sorted({item.quota for item in self.items})
        each = f"{quotas[0]:,}" if len(quotas) == 1 else f"{quotas[0]:,} to {quotas[-1]:,}"
        seeded = bool(self.items) and "seed" in self.items[0].values
        of_seeds = f" over {len(self.items):,} seeds, {each} each" if seeded else ""
        of_calls = f"; {self.per_call} rows from each answer" if self.per_call > 1 else ""
        rows = f"{self.size:,} rows wanted{of_seeds}{of_calls}; at most {self.max_attempts:,} attempted"
        models = [line for model in self.models.values() for line in _model_lines(model, width)]
        exports = [f"export {one.name}: {one.format}, packed as {kind_of(one.packer)}" for one in self.exports]
        lines = [
            *_wrapped(f"{self.name} (plan {self.id})", width),
            *_wrapped(rows, width),
            "",
            *_steps(self.steps, width),
            "",
            *(line for text in (*models, *exports) for line in _wrapped(text, width)),
        ]
        return "\n".join(lines)


def kind_of(part: Part) -> str:
    """The part's `kind`: its file's name."""
    return type(part).__module__.rpartition(".")[2]


def _model_lines(model: Model, width: int) -> list[str]:
    """One line where it fits, else how it samples has its own."""
    text = f"{model.name}: {model}"
    name, at, sampling = text.partition(" (")
    return [text] if len(text) <= width or not at else [name, f"  {sampling.removesuffix(')')}"]


def _wrapped(text: str, width: int) -> list[str]:
    indent = text[: len(text) - len(text.lstrip())] + "  "
    return textwrap.wrap(text, width, subsequent_indent=indent, break_on_hyphens=False)


def _steps(steps: Sequence[Step], width: int) -> list[str]:
    """The steps as a table; lists of columns take more lines where there is no room, or are below their step."""
    rows = [("step", "order", "fingerprint", "reads", "writes"), *map(_step_line, steps)]
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    words = [max(len(word) for row in rows for word in row[column].split()) for column in (3, 4)]
    room = width - sum(widths[:3]) - 8
    if room < sum(words):
        return [line for row in rows[1:] for line in _stacked(row, width)]
    if sum(widths[3:]) > room:
        reads = min(widths[3], max(words[0], room - max(words[1], min(widths[4], room // 2))))
        widths[3:] = [reads, min(room - reads, widths[4])]
    lines = []
    for row in rows:
        cells = [textwrap.wrap(cell, most, break_on_hyphens=False) for cell, most in zip(row, widths, strict=True)]
        for parts in zip_longest(*cells, fillvalue=""):
            lines.append("  ".join(part.ljust(most) for part, most in zip(parts, widths, strict=True)).rstrip())
    return lines


def _stacked(row: tuple[str, ...], width: int) -> list[str]:
    step, order, fingerprint, reads, writes = row
    texts = (f"{step}, {order}, {fingerprint}", f"  reads {reads}", f"  writes {writes}")
    return [line for text in texts for line in textwrap.wrap(text, width, subsequent_indent="    ")]


def _step_line(step: Step) -> tuple[str, ...]:
    kind = kind_of(step.part)
    reads = ", ".join(step.reads) or "-"
    writes = ", ".join(f"{name}: {typed}" for name, typed in step.writes.items()) or "-"
    name = step.name if kind == step.name else f"{step.name} ({kind})"
    return name, step.order, step.fingerprint[:SHOWN_DIGITS], reads, writes
