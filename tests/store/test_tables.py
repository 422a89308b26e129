"""The Parquet tables of a run folder: readable at any time, equal bytes for equal rows, no value that stops them."""

import math
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec.errors import StoreError
from sdspec.rows import Reject
from sdspec.store.columns import LINEAGE, REJECTS
from sdspec.store.schema import fit, python_rows
from sdspec.store.tables import (
    ROW_GROUP,
    SHARD,
    CallsWriter,
    RejectsWriter,
    RowsWriter,
    count_rows,
    iter_rows,
    read_batches,
    read_rows,
    read_table,
    rows_sha256,
)

COLUMNS = {"question": "str", "level": "int", "score": "float", "ok": "bool", "tags": "list[str]", "extra": "json"}


def values(number: int) -> dict[str, Any]:
    return {
        "question": f"How many {number}?",
        "level": number,
        "score": number / 7,
        "ok": number % 2 == 0,
        "tags": ["é"] * (number % 3),
        "extra": {"b": number, "a": [None, {}]},
    }


def write(folder: Path, numbers: range, writer: RowsWriter | None = None) -> RowsWriter:
    writer = writer or RowsWriter(folder, COLUMNS)
    for number in numbers:
        writer.add(values(number), row_id=f"{number:016x}", index=number, seed="s", lineage={"n": number})
    return writer


def test_rows_come_back(tmp_path: Path) -> None:
    """Every type comes back as it went in, the dataset's columns first, then the lineage, in index order."""
    write(tmp_path, range(10)).finish()
    table = read_rows(tmp_path)
    assert table.column_names == [*COLUMNS, *LINEAGE]
    assert [{name: row[name] for name in COLUMNS} for row in python_rows(table)] == [values(n) for n in range(10)]
    assert list(iter_rows(tmp_path))[7] == {
        **values(7),
        "_row_id": "0000000000000007",
        "_index": 7,
        "_seed": "s",
        "_lineage": {"n": 7},
    }


def test_readable_while_it_runs(tmp_path: Path) -> None:
    """Before the first flush the table is empty and has its columns; then it holds what was flushed; then all."""
    writer = RowsWriter(tmp_path, COLUMNS)
    assert (read_rows(tmp_path).num_rows, read_rows(tmp_path).column_names) == (0, [*COLUMNS, *LINEAGE])
    write(tmp_path, range(3), writer)
    assert read_rows(tmp_path).num_rows == 0
    writer.flush().result()
    assert read_rows(tmp_path)["_index"].to_pylist() == [0, 1, 2]
    write(tmp_path, range(3, SHARD + 10), writer)
    writer.flush().result()
    assert read_rows(tmp_path)["_index"].to_pylist() == list(range(SHARD + 10))
    assert len(list((tmp_path / "shards" / "rows").iterdir())) == 2
    writer.finish()
    assert read_rows(tmp_path)["_index"].to_pylist() == list(range(SHARD + 10))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["rows.parquet"]


def test_reading_goes_on_when_shards_are_merged(tmp_path: Path) -> None:
    """A reader amid the shards when the run ends reads on in the merged table, each row once."""
    writer = write(tmp_path, range(2 * SHARD + 5))
    writer.flush().result()
    batches = read_batches(tmp_path, "rows")
    first = next(batches)
    writer.finish()
    rest = [number for batch in batches for number in batch["_index"].to_pylist()]
    assert [*first["_index"].to_pylist(), *rest] == list(range(2 * SHARD + 5))


def test_equal_rows_are_equal_bytes(tmp_path: Path) -> None:
    """However often it was flushed, the file has the same bytes and row groups of a fixed size."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    count = ROW_GROUP + SHARD + 3
    first = write(tmp_path / "a", range(count)).finish()
    writer = RowsWriter(tmp_path / "b", COLUMNS)
    for start in range(0, count, 700):
        write(tmp_path / "b", range(start, min(count, start + 700)), writer)
        writer.flush().result()
    assert writer.finish() == first
    assert (tmp_path / "a/rows.parquet").read_bytes() == (tmp_path / "b/rows.parquet").read_bytes()
    metadata = pq.read_metadata(tmp_path / "a/rows.parquet")
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [ROW_GROUP, SHARD + 3]


def test_rows_sha256_is_of_the_content(tmp_path: Path) -> None:
    """The hash is the same made from the file; it changes with a value or the order, not with the lineage."""

    def sha256(numbers: list[int], lineage: int = 0, question: str | None = None) -> str:
        writer = RowsWriter(tmp_path, COLUMNS)
        for index, number in enumerate(numbers):
            row = values(number) if question is None else {**values(number), "question": question}
            writer.add(row, row_id=f"{number:016x}", index=index, seed="s", lineage={"x": lineage})
        return writer.finish()

    first = sha256([1, 2, 3])
    assert rows_sha256(read_batches(tmp_path, "rows")) == first
    assert sha256([1, 2, 3], lineage=5) == first
    assert len({first, sha256([2, 1, 3]), sha256([1, 2]), sha256([1, 2, 3], question="x")}) == 4


def test_a_resumed_run_writes_anew(tmp_path: Path) -> None:
    """A new writer in the same folder begins again, whatever an earlier one left: shards, or a finished table."""
    write(tmp_path, range(5)).flush().result()
    write(tmp_path, range(2)).finish()
    assert read_rows(tmp_path)["_index"].to_pylist() == [0, 1]
    write(tmp_path, range(3)).finish()
    assert read_rows(tmp_path)["_index"].to_pylist() == [0, 1, 2]


def test_rejects_and_calls(tmp_path: Path) -> None:
    """A reject keeps what was known of its row; a call keeps what it took; the order is that of adding."""
    rejects, calls = RejectsWriter(tmp_path), CallsWriter(tmp_path)
    reject = Reject("check", "sql_error", "no such column: \ud800", "raw text")
    rejects.add(reject, row_id="0a", index=4, seed="s", values={"q": {1, 2}, "n": 2**70}, notes={"repaired": 1})
    calls.add({"row": "0a", "step": "generate", "outcome": "failed", "tries": None, "cost_usd": 0.5})
    rejects.finish()
    calls.finish()
    assert not (tmp_path / "shards").exists()
    table = read_table(tmp_path, "rejects")
    assert table.column_names == list(REJECTS)
    assert table.to_pylist() == [
        {
            "_row_id": "0a",
            "_index": 4,
            "_seed": "s",
            "step": "check",
            "reason": "sql_error",
            "detail": "no such column: \ufffd",
            "raw": "raw text",
            "columns": '{"n":1180591620717411303424,"q":[1,2]}',
            "_lineage": '{"repaired":1}',
        }
    ]
    call = read_table(tmp_path, "calls").to_pylist()[0]
    assert (call["outcome"], call["tries"], call["cost_usd"], call["answer"]) == ("failed", None, 0.5, None)


def test_nothing_there(tmp_path: Path) -> None:
    """A folder without tables reads as empty."""
    assert read_rows(tmp_path).num_rows == 0
    assert list(iter_rows(tmp_path)) == []


@pytest.mark.parametrize(
    ("value", "column_type", "fitted", "same"),
    [
        ("a\ud800", "str", "a\ufffd", True),
        (5, "str", "5", False),
        ({"a": 1}, "str", '{"a":1}', False),
        (2**63 - 1, "int", 2**63 - 1, True),
        (2**63, "int", None, False),
        (True, "int", None, False),
        (1.5, "int", None, False),
        (1, "float", 1.0, True),
        (10**400, "float", None, False),
        (math.nan, "float", None, False),
        (-math.inf, "float", None, False),
        (1, "bool", None, False),
        ([1, "a", None], "list[int]", [1, None, None], False),
        ("abc", "list[str]", None, False),
        ([[1], []], "list[list[int]]", [[1], []], True),
        ([{"b": 1, "a": 2}], "list[json]", '[{"a":2,"b":1}]', True),
        (2**70, "json", "1180591620717411303424", True),
        (math.nan, "json", "null", True),
        (None, "int", None, True),
    ],
)
def test_what_does_not_fit(value: Any, column_type: str, fitted: Any, same: bool) -> None:
    """Each value is stored as itself, or as null (text in a text column) and told to be another."""
    assert fit(value, column_type) == (fitted, same)


def test_unfit_values_are_kept_in_the_lineage(tmp_path: Path) -> None:
    """What its column cannot hold stands whole in the row's lineage; nothing stops."""
    writer = RowsWriter(tmp_path, {"n": "int", "f": "float"})
    writer.add({"n": 2**64, "f": 1}, row_id="0a", index=0, seed="s\ud800", lineage={"x": 1})
    writer.finish()
    (row,) = read_rows(tmp_path).to_pylist()
    assert (row["n"], row["f"], row["_seed"]) == (None, 1.0, "s\ufffd")
    assert orjson.loads(row["_lineage"]) == {"x": 1, "unfit": {"n": "18446744073709551616"}}


ANYTHING = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.characters(categories=["Cs"])
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(COLUMNS, ANYTHING)), max_size=4), ANYTHING)
@settings(max_examples=150)
def test_no_value_stops_a_writer(
    tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, Any]], note: Any
) -> None:
    """Rows of any values at all are written, and hash the same when they are read again."""
    folder = tmp_path_factory.mktemp("run")
    writer = RowsWriter(folder, COLUMNS)
    rejects = RejectsWriter(folder)
    for index, row in enumerate(rows):
        writer.add(row, row_id="0a", index=index, seed="s", lineage={"note": note})
        rejects.add(Reject("s", "r", "d"), row_id="0a", index=index, seed="s", values=row, notes={"note": note})
    rejects.finish()
    assert writer.finish() == rows_sha256(read_batches(folder, "rows"))
    assert read_table(folder, "rejects").num_rows == len(rows)


def test_read_only_folder(read_only: Path) -> None:
    """A folder that cannot be written is said so."""
    with pytest.raises(StoreError, match=r"cannot write .*: permission denied\."):
        RowsWriter(read_only, COLUMNS)


@pytest.mark.parametrize("left", [0, 30, 0.5, 0.99])
def test_a_damaged_table_is_one_sentence(left: float, tmp_path: Path) -> None:
    """A file that was cut, wherever, is said to be damaged, and what makes it again."""
    write(tmp_path, range(10)).finish()
    path = tmp_path / "rows.parquet"
    data = path.read_bytes()
    path.write_bytes(data[: int(left * len(data)) if left < 1 else int(left)])
    for read in (read_rows, lambda folder: count_rows(folder, "rows"), lambda folder: list(iter_rows(folder))):
        with pytest.raises(StoreError, match=r"rows\.parquet is damaged .* makes the same rows out of the journal"):
            read(tmp_path)


def test_bytes_that_were_changed_are_said_so(tmp_path: Path) -> None:
    """Also where the file's ends are whole: no traceback of the library's."""
    write(tmp_path, range(1000)).finish()
    path = tmp_path / "rows.parquet"
    data = bytearray(path.read_bytes())
    data[4:400] = b"x" * 396
    path.write_bytes(data)
    with pytest.raises(StoreError, match=r"rows\.parquet is damaged"):
        read_rows(tmp_path)
