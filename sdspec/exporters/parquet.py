"""Parquet: one file, row groups of a fixed size; equal examples give equal bytes within one version of pyarrow."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pyarrow as pa

from sdspec.contracts import Exporter
from sdspec.store.disk import whole
from sdspec.store.schema import json_as_text
from sdspec.store.tables import write_parquet


class Parquet(Exporter):
    """Writes `.parquet`; JSON columns are text."""

    suffix: ClassVar[str] = ".parquet"
    loader: ClassVar[str] = "parquet"

    def read_back(self, schema: pa.Schema) -> pa.Schema:
        """Their types, JSON as text."""
        return json_as_text(schema)

    def write(self, examples: pa.Table | pa.RecordBatchReader, path: Path) -> None:
        """The file, with the columns and types of the examples."""
        reader = examples.to_reader() if isinstance(examples, pa.Table) else examples
        with whole(path) as beside:
            write_parquet(reader, beside)
