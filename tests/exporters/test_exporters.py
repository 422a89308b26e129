"""Exported files: whole, streamed, and loaded by the library that people train with."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdspec.dataset import Dataset, Exporter, Packer
from sdspec.errors import StoreError
from sdspec.exporters.csv import Csv
from sdspec.exporters.hf import Hf
from sdspec.exporters.json import Json
from sdspec.exporters.jsonl import Jsonl
from sdspec.exporters.parquet import Parquet
from sdspec.packers.messages import Messages
from sdspec.packers.prompt_completion import PromptCompletion
from sdspec.packers.raw import Raw
from sdspec.store.examples import read_examples
from sdspec.store.tables import ROW_GROUP, RowsWriter

COLUMNS = {"question": "str", "solution": "str", "level": "int", "tags": "list[str]", "extra": "json"}
DATASET = Dataset(output=("question", "solution"), constants={"schema": "CREATE TABLE t (x)"})
EXPORTERS = [pytest.param(one, id=one.suffix) for one in (Jsonl(), Json(), Csv(), Parquet(), Hf())]


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {
            "question": f'Größe "{n}",\r\n\u2028?',
            "solution": "SELECT 1 </s> 😀" if n else "",
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


def examples(packer: Packer, run: Path) -> pa.RecordBatchReader:
    names = [*COLUMNS, "_row_id", "_seed"]
    return read_examples(run, lambda row: packer.pack(row, DATASET), packer.selects(names))


def write(exporter: Exporter, packer: Packer, run: Path) -> Path:
    path = run / f"train{exporter.suffix}"
    exporter.write(examples(packer, run), path)
    return path


def load(exporter: Exporter, path: Path, options: Mapping[str, Any]) -> Any:
    from datasets import load_dataset, load_from_disk

    if exporter.inside:
        return load_from_disk(path)
    files, cache = str(path), str(path.parent / "cache")
    return load_dataset(exporter.loader, data_files=files, split="train", cache_dir=cache, **options)


def as_stored(row: Mapping[str, Any], schema: pa.Schema) -> dict[str, Any]:
    """The example as a file with these columns holds it: what is text there, and no text here, is JSON."""
    text = {one.name for one in schema if one.type == pa.string() and not one.metadata}
    return {
        name: orjson.dumps(value).decode() if name in text and not isinstance(value, str) else value
        for name, value in row.items()
    }


@pytest.mark.parametrize("exporter", EXPORTERS)
@pytest.mark.parametrize("packer", [Raw(), PromptCompletion(), Messages(system="{{ schema }}")], ids=type)
def test_loads_with_datasets(exporter: Exporter, packer: Packer, run: Path) -> None:
    """`datasets` reads every packer's examples back from every format, in order and equal."""
    reader = examples(packer, run)
    expected = [as_stored(packer.pack(row, DATASET), exporter.read_back(reader.schema)) for row in rows(5)]
    loaded = load(exporter, write(exporter, packer, run), exporter.load_options(reader.schema))
    assert loaded.column_names == list(expected[0])
    assert loaded.to_list() == expected


def test_jsonl_as_text(run: Path) -> None:
    """One object per line in UTF-8, without escapes that need none, JSON columns as JSON."""
    lines = write(Jsonl(), Raw(), run).read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert lines[1].decode() == (
        '{"question":"Größe \\"1\\",\\r\\n\u2028?","solution":"SELECT 1 </s> 😀","level":1,"tags":["a"],'
        '"extra":{"a":[1,null],"b":"x"}}'
    )
    assert [orjson.loads(line) for line in lines] == rows(5)


def test_json_is_one_array(run: Path) -> None:
    """The same objects as in JSON lines, in one array with an object on each line."""
    text = write(Json(), Raw(), run).read_text(encoding="utf-8")
    assert json.loads(text) == rows(5)
    assert text.count("\n") == 5
    assert text.endswith("}]\n")


def test_csv_as_text(tmp_path: Path) -> None:
    """RFC 4180: a header, CRLF, text in quotes, quotes doubled; a missing value is nothing, an empty text is not."""
    table = pa.table({"a": ['say "x",\ny', "", None], "n": [1, None, 3], "f": [0.1, 2.0, None], "l": [["é"], [], None]})
    Csv().write(table, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").read_bytes().decode() == (
        '"a","n","f","l"\r\n"say ""x"",\ny",1,0.1,"[""é""]"\r\n"",,2,"[]"\r\n,3,,\r\n'
    )


@given(st.lists(st.tuples(st.none() | st.text(), st.none() | st.integers(-(2**63), 2**63 - 1)), min_size=1))
def test_csv_comes_back(tmp_path_factory: pytest.TempPathFactory, values: list[tuple[str | None, int | None]]) -> None:
    """Law: any text and any number come back from CSV as they were, missing and empty told apart."""
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    schema = pa.schema([("text", pa.string()), ("number", pa.int64())])
    table = pa.Table.from_arrays([pa.array(column) for column in zip(*values, strict=True)], schema=schema)
    Csv().write(table, path)
    back = pa.csv.read_csv(
        path,
        parse_options=pa.csv.ParseOptions(newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            column_types=schema, strings_can_be_null=True, quoted_strings_can_be_null=False, null_values=[""]
        ),
    )
    assert back.to_pylist() == table.to_pylist()


def test_hf_is_silent(run: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Writing a folder with `datasets` draws no bar, and leaves the bars of who uses `datasets` too as they were."""
    from datasets.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    enable_progress_bars()
    try:
        write(Hf(), Raw(), run)
        assert not are_progress_bars_disabled()
    finally:
        disable_progress_bars()
    assert capfd.readouterr() == ("", "")


def test_raw_keeps_types_under_other_names(run: Path) -> None:
    """Selected columns keep their types, JSON stays JSON, and lineage may be among them."""
    packer = Raw(columns={"more": "extra", "Seeds": "_seed", "n": "level"})
    lines = write(Jsonl(), packer, run).read_bytes().splitlines()
    assert orjson.loads(lines[0]) == {"more": {"a": [0, None], "b": "x"}, "Seeds": "s", "n": None}
    assert str(pq.read_schema(write(Parquet(), packer, run)).field("n").type) == "int64"


def test_equal_examples_are_equal_bytes(tmp_path: Path) -> None:
    """A Parquet file depends on its examples alone, not on the sizes of the batches they came in."""
    table = pa.table({"n": list(range(ROW_GROUP + 5))})
    Parquet().write(table, tmp_path / "a.parquet")
    small = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=999))
    Parquet().write(small, tmp_path / "b.parquet")
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert pq.read_metadata(tmp_path / "a.parquet").num_row_groups == 2


def contents(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_whole_or_not_at_all(exporter: Exporter, tmp_path: Path) -> None:
    """Where writing fails in the middle, the file or folder of before is still there, and nothing else."""
    path = tmp_path / f"train{exporter.suffix}"
    exporter.write(pa.table({"n": [1]}), path)
    before = contents(tmp_path)
    schema = pa.schema([("n", pa.int64())])

    def failing() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pydict({"n": list(range(20_000))}, schema=schema)
        raise ValueError("in the middle")

    with pytest.raises(ValueError, match="in the middle"):
        exporter.write(pa.RecordBatchReader.from_batches(schema, failing()), path)
    assert contents(tmp_path) == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_replaces_what_was_there(exporter: Exporter, tmp_path: Path) -> None:
    """A second export of a name leaves its own content alone."""
    path = tmp_path / f"train{exporter.suffix}"
    exporter.write(pa.table({"n": [1] * 10}), path)
    exporter.write(pa.table({"m": [2]}), path)
    assert load(exporter, path, {}).to_list() == [{"m": 2}]
    assert {one for one in tmp_path.iterdir() if one.name != "cache"} == {path}


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_no_rows(exporter: Exporter, tmp_path: Path) -> None:
    """Without a row there is an empty file, array or table; a folder that nobody could load is not written."""
    RowsWriter(tmp_path, COLUMNS).finish()
    if isinstance(exporter, Hf):
        with pytest.raises(StoreError, match="needs at least one row"):
            write(exporter, Raw(), tmp_path)
        assert not list(tmp_path.glob("*train*"))
        return
    path = write(exporter, Raw(), tmp_path)
    if isinstance(exporter, Parquet):
        assert pq.read_table(path).num_rows == 0
    else:
        assert path.read_bytes() == (b"[]\n" if isinstance(exporter, Json) else b"")


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_folder_that_is_not_there(exporter: Exporter, tmp_path: Path) -> None:
    """A path that cannot be written is said so in a sentence."""
    with pytest.raises(StoreError, match=r"cannot write .*: no such file or folder\."):
        exporter.write(pa.table({"n": [1]}), tmp_path / "missing" / f"a{exporter.suffix}")


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


@pytest.mark.parametrize("limit", [1, ROW_GROUP - 1, ROW_GROUP, ROW_GROUP + 1, ROW_GROUP + 9])
def test_limit(limit: int, tmp_path: Path) -> None:
    """So many rows of a run as are asked for, wherever its row groups end, and no more than there are."""
    writer = RowsWriter(tmp_path, {"n": "int"})
    for n in range(ROW_GROUP + 5):
        writer.add({"n": n}, row_id="00", index=n, seed="s", lineage={})
    writer.finish()
    expected = list(range(min(limit, ROW_GROUP + 5)))
    for selected in ({"n": "n"}, None):
        table = read_examples(tmp_path, lambda row: {"n": row["n"]}, selected, limit).read_all()
        assert table["n"].to_pylist() == expected
