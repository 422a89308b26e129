"""Exported files: whole, streamed, and loaded by the library that people train with."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sdspec.contracts import Dataset, Exporter, Packer
from sdspec.errors import StoreError
from sdspec.exporters.jsonl import Jsonl
from sdspec.exporters.parquet import Parquet
from sdspec.packers.messages import Messages
from sdspec.packers.prompt_completion import PromptCompletion
from sdspec.packers.raw import Raw
from sdspec.store.examples import read_examples
from sdspec.store.tables import ROW_GROUP, RowsWriter

COLUMNS = {"question": "str", "solution": "str", "level": "int", "tags": "list[str]", "extra": "json"}
DATASET = Dataset(output=("question", "solution"), constants={"schema": "CREATE TABLE t (x)"})


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "question": f'Größe "{n}"\n\u2028?',
            "solution": "SELECT 1 </s> 😀",
            "level": n if n % 2 else None,
            "tags": ["a", "é"][: n % 3],
            "extra": {"a": [n, None], "b": "x"},
        }
        for n in range(count)
    ]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    writer = RowsWriter(tmp_path, COLUMNS)
    for index, row in enumerate(rows(5)):
        writer.add(row, row_id=f"{index:016x}", index=index, seed="s", lineage={})
    writer.finish()
    return tmp_path


def write(exporter: Exporter, packer: Packer, run: Path) -> Path:
    path = run / f"train{exporter.suffix}"
    exporter.write(read_examples(run, lambda row: packer.pack(row, DATASET)), path)
    return path


def load(exporter: Exporter, path: Path, cache: Path) -> Any:
    from datasets import load_dataset

    kind = "json" if isinstance(exporter, Jsonl) else "parquet"
    return load_dataset(kind, data_files=str(path), split="train", cache_dir=str(cache))


@pytest.mark.parametrize("exporter", [Jsonl(), Parquet()], ids=["jsonl", "parquet"])
@pytest.mark.parametrize("packer", [Raw(), PromptCompletion(), Messages(system="{{ schema }}")], ids=type)
def test_loads_with_datasets(exporter: Exporter, packer: Packer, run: Path, tmp_path: Path) -> None:
    """datasets.load_dataset reads every packer's examples back from both formats, in order and equal."""
    expected = [packer.pack(row, DATASET) for row in rows(5)]
    if isinstance(exporter, Parquet) and isinstance(packer, Raw):
        expected = [{**one, "extra": orjson.dumps(one["extra"]).decode()} for one in expected]
    loaded = load(exporter, write(exporter, packer, run), tmp_path / "cache")
    assert loaded.column_names == list(expected[0])
    assert loaded.to_list() == expected


def test_jsonl_as_text(run: Path) -> None:
    """One object per line in UTF-8, without escapes that need none, JSON columns as JSON."""
    lines = write(Jsonl(), Raw(), run).read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert lines[1].decode() == (
        '{"question":"Größe \\"1\\"\\n\u2028?","solution":"SELECT 1 </s> 😀","level":1,"tags":["a"],'
        '"extra":{"a":[1,null],"b":"x"}}'
    )
    assert [orjson.loads(line) for line in lines] == rows(5)


def test_equal_examples_are_equal_bytes(tmp_path: Path) -> None:
    """A Parquet file depends on its examples alone, not on the sizes of the batches they came in."""
    table = pa.table({"n": list(range(ROW_GROUP + 5))})
    Parquet().write(table, tmp_path / "a.parquet")
    small = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=999))
    Parquet().write(small, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert pq.read_metadata(tmp_path / "a.parquet").num_row_groups == 2


@pytest.mark.parametrize("exporter", [Jsonl(), Parquet()], ids=["jsonl", "parquet"])
def test_whole_or_not_at_all(exporter: Exporter, tmp_path: Path) -> None:
    """Where writing fails in the middle, the file of before is still there, and nothing else."""
    path = tmp_path / f"train{exporter.suffix}"
    exporter.write(pa.table({"n": [1]}), path)
    before = path.read_bytes()
    schema = pa.schema([("n", pa.int64())])

    def failing() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pydict({"n": list(range(20_000))}, schema=schema)
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        exporter.write(pa.RecordBatchReader.from_batches(schema, failing()), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("exporter", [Jsonl(), Parquet()], ids=["jsonl", "parquet"])
def test_no_rows(exporter: Exporter, tmp_path: Path) -> None:
    """A run that kept nothing exports an empty file."""
    RowsWriter(tmp_path, COLUMNS).finish()
    path = write(exporter, Raw(), tmp_path)
    assert path.read_bytes() == b"" if isinstance(exporter, Jsonl) else pq.read_table(path).num_rows == 0


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    """A path that cannot be written is said so in a sentence."""
    with pytest.raises(StoreError, match=r"cannot write .*: no such file or folder\."):
        Jsonl().write(pa.table({"n": [1]}), tmp_path / "missing" / "a.jsonl")


def test_columns_without_one_type(run: Path) -> None:
    """A packed column whose values have no type in common is JSON; a type that changes later is said so."""
    mixed = read_examples(run, lambda row: {"v": row["level"] or "none", "w": row["level"]})
    Jsonl().write(mixed, run / "mixed.jsonl")
    lines = (run / "mixed.jsonl").read_bytes().splitlines()
    assert [orjson.loads(line)["v"] for line in lines] == ["none", 1, "none", 3, "none"]
    writer = RowsWriter(run, {"n": "int"})
    for n in range(ROW_GROUP + 1):
        writer.add({"n": n}, row_id="00", index=n, seed="s", lineage={})
    writer.finish()
    with pytest.raises(StoreError, match="column 'v' is int64 at first, and later not"):
        Jsonl().write(read_examples(run, lambda row: {"v": 1 if row["n"] < ROW_GROUP else "x"}), run / "bad.jsonl")
