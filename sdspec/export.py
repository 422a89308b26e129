"""Run folder -> dataset files: reads rows, packs, writes. It calls no model and can be repeated at any time (law 9)."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from sdspec.contracts import Dataset
from sdspec.errors import Problem, SpecError
from sdspec.plan.plan import Plan
from sdspec.prompts import TextError
from sdspec.spec.spec import dotted
from sdspec.store.disk import saying
from sdspec.store.examples import read_examples


def export_run(plan: Plan, folder: Path) -> list[Path]:
    """The files that were written below `export/` of the run folder, one for each of the plan's exports."""
    dataset = Dataset(output=tuple(plan.output), constants=plan.constants)
    written = []
    for export in plan.exports:
        path = folder / "export" / f"{export.name}{export.exporter.suffix}"
        with saying("make", path.parent):
            path.parent.mkdir(exist_ok=True)
        try:
            export.exporter.write(read_examples(folder, partial(export.packer.pack, dataset=dataset)), path)
        except TextError as wrong:
            key = ("export", export.name, "packer")
            raise SpecError([Problem(plan.spec.origins.where(key), f"{dotted(key)}: {wrong}.")]) from wrong
        written.append(path)
    return written
