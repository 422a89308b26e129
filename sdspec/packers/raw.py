"""The dataset's columns as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdspec.contracts import Dataset, Packer


class Raw(Packer):
    """Every column of a row but those of its lineage, whose names begin with `_`."""

    def pack(self, row: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """The row without its lineage."""
        return {name: value for name, value in row.items() if not name.startswith("_")}
