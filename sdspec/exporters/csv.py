"""CSV as in RFC 4180, in UTF-8 with a header: text always in quotes, numbers and true and false without.

A missing value is nothing between two commas, an empty text is `""`: pyarrow and DuckDB can tell them apart, pandas
and `datasets` read both as missing unless told otherwise (a dataset card tells them). Lists, objects and JSON columns
are JSON text. CSV knows no types: where every text of a column looks like a number, most readers make numbers of it.

Imports pyarrow when it writes.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import orjson

from sdspec.dataset import Exporter
from sdspec.store.disk import whole

if TYPE_CHECKING:
    import pyarrow as pa


class Csv(Exporter):
    """Writes `.csv`."""

    suffix: ClassVar[str] = ".csv"
    loader: ClassVar[str] = "csv"

    def read_back(self, schema: pa.Schema) -> pa.Schema:
        """Nested values and JSON as text."""
        import pyarrow as pa

        from sdspec.store.schema import json_as_text

        return pa.schema([pa.field(one.name, pa.string()) if _nested(one) else one for one in json_as_text(schema)])

    def load_options(self, schema: pa.Schema) -> dict[str, Any]:
        """No text means missing (`NA`, `null`), and in columns of plain text not even the empty one."""
        import pyarrow as pa

        from sdspec.store.schema import holds_json

        missing = {one.name: [""] for one in schema if one.type != pa.string() or holds_json(one)}
        return {"keep_default_na": False, **({"na_values": missing} if missing else {})}

    def write(self, examples: pa.Table | pa.RecordBatchReader, path: Path) -> None:
        """The file, a record per example, in their order."""
        import pyarrow as pa
        from pyarrow.csv import CSVWriter, WriteOptions

        from sdspec.store.examples import batches_of

        schema = self.read_back(examples.schema)
        with whole(path) as beside:
            if not schema.names:
                beside.touch()
                return
            with CSVWriter(beside, schema, write_options=WriteOptions(eol="\r\n")) as writer:
                for batch in batches_of(examples):
                    writer.write_batch(pa.RecordBatch.from_arrays([_flat(column) for column in batch], schema=schema))


def _nested(field: pa.Field) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_nested(field.type))


def _flat(column: pa.Array) -> pa.Array:
    import pyarrow as pa

    from sdspec.store.arrays import arrow_array

    if not pa.types.is_nested(column.type):
        return column
    texts = [None if value is None else orjson.dumps(value).decode() for value in column.to_pylist()]
    return arrow_array(texts, pa.string())
