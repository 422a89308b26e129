"""A folder that `datasets.load_from_disk` reads, with the features of the columns.

Imports datasets and pyarrow when it writes.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from sdspec.dataset import Exporter
from sdspec.errors import StoreError
from sdspec.store.disk import whole_folder

if TYPE_CHECKING:
    import pyarrow as pa


class Hf(Exporter):
    """Writes a folder `.hf`; JSON columns are text."""

    suffix: ClassVar[str] = ".hf"
    loader: ClassVar[str] = "arrow"
    inside: ClassVar[str] = "*.arrow"

    def read_back(self, schema: pa.Schema) -> pa.Schema:
        """Their types, JSON as text."""
        from sdspec.store.schema import json_as_text

        return json_as_text(schema)

    def write(self, examples: pa.Table | pa.RecordBatchReader, path: Path) -> None:
        """The folder; `datasets` writes it from a file of ours that is mapped into memory, not loaded.

        Raises StoreError without a single example: `datasets` cannot load a folder that has none.
        """
        import pyarrow as pa
        from datasets import Dataset, Features

        from sdspec.store.examples import batches_of
        from sdspec.store.schema import json_as_text

        if not examples.schema.names:
            raise StoreError(f"cannot write {path}: a dataset folder needs at least one row.")
        schema = Features.from_arrow_schema(json_as_text(examples.schema)).arrow_schema
        with whole_folder(path) as beside:
            streamed = beside.with_name(f"{beside.name}.arrow")
            try:
                with pa.ipc.new_stream(streamed, schema) as stream:
                    for batch in batches_of(examples):
                        stream.write_batch(pa.RecordBatch.from_arrays(batch.columns, schema=schema))
                with _no_bars():
                    Dataset.from_file(str(streamed)).save_to_disk(beside)
            finally:
                streamed.unlink(missing_ok=True)


@contextmanager
def _no_bars() -> Iterator[None]:
    """`datasets` draws no progress bars inside: whoever writes shows progress in their own way."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    were_off = are_progress_bars_disabled()
    disable_progress_bars()
    try:
        yield
    finally:
        if not were_off:
            enable_progress_bars()
