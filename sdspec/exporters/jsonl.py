"""JSON lines in UTF-8: one object per line, nested values as they are."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import orjson
import pyarrow as pa

from sdspec.contracts import Exporter
from sdspec.store.disk import whole
from sdspec.store.schema import holds_json


class Jsonl(Exporter):
    """Writes `.jsonl`."""

    suffix: ClassVar[str] = ".jsonl"

    def write(self, examples: pa.Table | pa.RecordBatchReader, path: Path) -> None:
        """The file, a line per example, in their order."""
        written_as_is = [field.name for field in examples.schema if holds_json(field)]
        with whole(path) as beside, beside.open("wb") as file:
            for batch in examples.to_batches() if isinstance(examples, pa.Table) else examples:
                for row in batch.to_pylist():
                    for name in written_as_is:
                        if row[name] is not None:
                            row[name] = orjson.Fragment(row[name])
                    file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
