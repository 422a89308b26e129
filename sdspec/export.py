"""Run folder -> dataset files: reads rows, packs, writes. It calls no model and can be repeated at any time (law 9)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sdspec.contracts import Dataset
from sdspec.plan.plan import Plan
from sdspec.store.examples import read_examples


def export_run(plan: Plan, folder: Path) -> list[Path]:
    """The files that were written below `export/` of the run folder, one for each of the plan's exports."""
    dataset = Dataset(output=tuple(plan.output), constants=plan.constants)
    written = []
    for export in plan.exports:
        path = folder / "export" / f"{export.name}{export.exporter.suffix}"
        path.parent.mkdir(exist_ok=True)
        export.exporter.write(read_examples(folder, partial(export.packer.pack, dataset=dataset)), path)
        written.append(path)
    return written
