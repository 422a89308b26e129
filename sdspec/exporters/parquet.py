"""Parquet: one file, row groups of a fixed size; equal examples give equal bytes within one version of pyarrow.

Imports pyarrow when it writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sdspec.dataset import Exporter
from sdspec.store.disk import whole

if TYPE_CHECKING:
    import pyarrow as pa


class Parquet(Exporter):
    """Writes `.parquet`; JSON columns are text."""

    suffix: ClassVar[str] = ".parquet"
    loader: ClassVar[str] = "parquet"

    def read_back(self, schema: pa.Schema) -> pa.Schema:
        """Their types, JSON as text."""
        from sdspec.store.schema import json_as_text

        return json_as_text(schema)

    def write(self, examples: pa.Table | pa.RecordBatchReader, path: Path) -> None:
        """The file, with the columns and types of the examples."""
        import pyarrow as pa

        from sdspec.store.tables import write_parquet

        with whole(path) as beside:
            write_parquet(examples.to_reader() if isinstance(examples, pa.Table) else examples, beside)
