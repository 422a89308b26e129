"""Run folder -> dataset files: reads rows, packs, writes. It calls no model and can be repeated at any time (law 9)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from sdspec.dataset import Dataset
from sdspec.errors import Problem, SpecError, StoreError
from sdspec.plan.plan import Export, Plan, kind_of
from sdspec.prompts import TextError
from sdspec.spec.spec import dotted
from sdspec.store.disk import saying
from sdspec.store.examples import read_examples
from sdspec.store.exports import Written, features, hashes, remember
from sdspec.store.schema import python_rows
from sdspec.store.tables import count_rows, read_batches

Watch = Callable[[str, int, int], None]
"""Told the export's name, its rows written so far, and how many it will have."""

CELL = 400
"""Characters of a text that the example in the record keeps."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What one export of a run wrote."""

    folder: Path
    rows: int
    """Kept rows when it began; a run that goes on may have more by now."""
    written: tuple[Written, ...]
    problems: tuple[Problem, ...]
    """Exports that could not be packed; of these nothing is written."""

    @property
    def paths(self) -> list[Path]:
        """The files and folders that were written, in the spec's order."""
        return [self.folder / one.path for one in self.written]


def export_run(plan: Plan, folder: Path, into: Path | None = None, watch: Watch | None = None) -> Exported:
    """Each of the plan's exports is written below `into`, by default `export/` of the run folder, and recorded there.

    All of them hold the rows that were kept when it began, also while the run goes on. Raises StoreError where there
    are none, and SpecError where the rows lack a column of the plan.
    """
    rows = count_rows(folder, "rows")
    if not rows:
        raise StoreError(
            f"{folder} has no kept rows, so there is nothing to export. `sdspec show {folder.name}` says more."
        )
    columns = _columns(plan, folder)
    target = into or folder / "export"
    with saying("make", target):
        target.mkdir(parents=True, exist_ok=True)
    written, problems = [], []
    for export in plan.exports:
        try:
            written.append(_write(plan, export, folder, columns, target, _Progress(export.name, rows, watch)))
        except TextError as wrong:
            key = ("export", export.name, "packer")
            problems.append(Problem(plan.spec.origins.where(key), f"{dotted(key)}: {wrong}."))
    return Exported(target, rows, tuple(written), tuple(problems))


def _columns(plan: Plan, folder: Path) -> list[str]:
    have: list[str] = next(read_batches(folder, "rows")).schema.names
    if missing := [name for name in plan.columns if name not in have]:
        what = f"its rows have no column {missing[0]!r}, which its spec.yaml names."
        raise SpecError([Problem(str(folder), what, f"They have: {', '.join(have)}.")])
    return have


class _Progress:
    """Examples on their way through: counts them and keeps the first."""

    def __init__(self, name: str, total: int, watch: Watch | None) -> None:
        self.total = total
        self.rows = 0
        self.first: dict[str, Any] = {}
        self._name = name
        self._watch = watch

    def through(self, examples: pa.RecordBatchReader) -> pa.RecordBatchReader:
        """The same examples."""
        return pa.RecordBatchReader.from_batches(examples.schema, self._counted(examples))

    def _counted(self, examples: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        for batch in examples:
            if not self.rows and batch.num_rows:
                self.first = python_rows(batch.slice(0, 1))[0]
            yield batch
            self.rows += batch.num_rows
            if self._watch is not None:
                self._watch(self._name, self.rows, self.total)


def _write(plan: Plan, export: Export, folder: Path, columns: list[str], target: Path, progress: _Progress) -> Written:
    dataset = Dataset(output=tuple(plan.output), constants=plan.constants)
    exporter, packer = export.exporter, export.packer
    pack = partial(packer.pack, dataset=dataset)
    examples = progress.through(read_examples(folder, pack, packer.selects(columns), progress.total))
    path = target / f"{export.name}{exporter.suffix}"
    exporter.write(examples, path)
    size_bytes, sha256 = hashes(target, path.name, exporter.inside)
    written = Written(
        name=export.name,
        path=path.name,
        run=folder.resolve().name,
        rows=progress.rows,
        format=export.format,
        packer={"kind": kind_of(packer), **packer.model_dump(mode="json", exclude_defaults=True)},
        features=features(exporter.read_back(examples.schema)),
        example=_shortened(progress.first),
        loader=exporter.loader,
        inside=exporter.inside,
        load_options=exporter.load_options(examples.schema),
        size_bytes=size_bytes,
        sha256=sha256,
    )
    remember(target, written)
    return written


def _shortened(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= CELL else f"{value[:CELL]} ... ({len(value)} characters)"
    if isinstance(value, dict):
        return {name: _shortened(inner) for name, inner in value.items()}
    return [_shortened(inner) for inner in value] if isinstance(value, list) else value
