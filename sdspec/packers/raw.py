"""The dataset's columns as they are, or some of them under other names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from sdspec.dataset import Dataset, Packer
from sdspec.errors import did_you_mean
from sdspec.store.columns import LINEAGE


class Raw(Packer):
    """Every column of a row but those of its lineage, whose names begin with `_`; or the columns that are named."""

    columns: Mapping[str, str] | None = Field(
        None,
        min_length=1,
        description="Which columns, in this order: name in the file -> column of the row, `_seed` and `_row_id` too; "
        "null is all of the dataset's own.",
    )

    def problems(self, columns: Sequence[str], dataset: Dataset) -> list[str]:
        """Columns that a kept row does not have."""
        known = (*columns, *LINEAGE)
        return [
            f"columns: {new!r} is column {old!r}, which no row has. {did_you_mean(old, known)}"
            for new, old in (self.columns or {}).items()
            if old not in known
        ]

    def selects(self, columns: Sequence[str]) -> Mapping[str, str]:
        """The named columns, or those that are not lineage."""
        return self.columns or {name: name for name in columns if not name.startswith("_")}

    def pack(self, row: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The row with the selected columns alone."""
        return {new: row[old] for new, old in self.selects(tuple(row)).items()}
