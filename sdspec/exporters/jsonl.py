"""JSON lines in UTF-8: one object per line, nested values as they are. Imports pyarrow when it writes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import orjson

from sdspec.dataset import Exporter
from sdspec.store.disk import whole

if TYPE_CHECKING:
    import pyarrow as pa


class Jsonl(Exporter):
    """Writes `.jsonl`."""

    suffix: ClassVar[str] = ".jsonl"
    loader: ClassVar[str] = "json"

    def write(self, examples: pa.Table | pa.RecordBatchReader, path: Path) -> None:
        """The file, a line per example, in their order."""
        with whole(path) as beside, beside.open("wb") as file:
            for line in json_lines(examples):
                file.write(line)


def json_lines(examples: pa.Table | pa.RecordBatchReader) -> Iterator[bytes]:
    """Each example as a JSON object with a line feed behind it; JSON columns stand as what they hold."""
    from sdspec.store.examples import batches_of
    from sdspec.store.schema import holds_json

    written_as_is = [field.name for field in examples.schema if holds_json(field)]
    for batch in batches_of(examples):
        for row in batch.to_pylist():
            for name in written_as_is:
                if row[name] is not None:
                    row[name] = orjson.Fragment(row[name])
            yield orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE)
