"""One JSON array in UTF-8, an object per line. It is streamed here; most of its readers load it as a whole.

Imports pyarrow when it writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sdspec.dataset import Exporter
from sdspec.exporters.jsonl import json_lines
from sdspec.store.disk import whole

if TYPE_CHECKING:
    import pyarrow as pa


class Json(Exporter):
    """Writes `.json`."""

    suffix: ClassVar[str] = ".json"
    loader: ClassVar[str] = "json"

    def write(self, examples: pa.Table | pa.RecordBatchReader, path: Path) -> None:
        """The file; `[]` without an example."""
        with whole(path) as beside, beside.open("wb") as file:
            before = b"["
            for line in json_lines(examples):
                file.write(before + line[:-1])
                before = b",\n"
            file.write(b"[]\n" if before == b"[" else b"]\n")
