"""A run's tables as DuckDB sees them: at any moment of the run, wherever its folder is."""

from pathlib import Path

import duckdb
import pytest

from sdspec.catalog.report import write_report
from sdspec.catalog.views import ask
from sdspec.errors import StoreError
from sdspec.store.tables import CallsWriter, RowsWriter
from tests.recipes import run_spec, write_spec


def rows_there(db: duckdb.DuckDBPyConnection) -> list[tuple[str]]:
    """The ids of the kept rows."""
    return db.execute("SELECT _row_id FROM rows ORDER BY _index").fetchall()


def written(folder: Path, rows: int) -> RowsWriter:
    """A run's first rows, flushed."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = RowsWriter(folder, {"text": "str"})
    for index in range(rows):
        writer.add({"text": "t"}, row_id=f"r{index}", index=index, seed="s", lineage={})
    writer.flush().result()
    return writer


def test_shards_that_are_merged_amid_a_question(tmp_path: Path) -> None:
    """The question is asked again of the merged table, and answered whole."""
    writer = written(tmp_path, 3)
    asked = []

    def question(db: duckdb.DuckDBPyConnection) -> list[tuple[str]]:
        asked.append(db)
        if len(asked) == 1:
            writer.finish()
        return rows_there(db)

    assert ask(tmp_path, question) == [("r0",), ("r1",), ("r2",)]
    assert len(asked) == 2


def test_a_folder_with_any_name(tmp_path: Path) -> None:
    """What would be a pattern to DuckDB is a name all the same."""
    for name in ("a[b]", "a*", "a?'c"):
        written(tmp_path / "a" / name, 1)
    written(tmp_path / "ab", 2)
    assert [len(ask(tmp_path / "a" / name, rows_there)) for name in ("a[b]", "a*", "a?'c")] == [1, 1, 1]


def test_before_the_first_file(tmp_path: Path) -> None:
    """Tables that are not there yet are empty, with their columns."""
    CallsWriter(tmp_path).finish()
    assert ask(tmp_path, rows_there) == []
    assert ask(tmp_path, lambda db: db.execute("SELECT step, reason FROM rejects").fetchall()) == []
    assert ask(tmp_path, lambda db: db.execute("SELECT count(latency_s) FROM calls").fetchall()) == [(0,)]


def test_a_broken_file_is_no_reason_to_ask_for_ever(tmp_path: Path) -> None:
    """What cannot be read raises, in one sentence with the file's name."""
    (tmp_path / "rows.parquet").write_bytes(b"no Parquet")
    with pytest.raises(StoreError, match=r"cannot read the tables of .*rows\.parquet"):
        ask(tmp_path, rows_there)


def test_the_report_counts_lengths_in_bins(tmp_path: Path) -> None:
    """The lengths of each text column in bins of whole characters, from the shortest on, with all rows; a number's
    title stands above it.
    """
    answers = {"question": "{{ 'x' * (10 + n % 2 * 24) }}{{ n }}", "answer": "{{ 'same' }}"}
    run = run_spec(write_spec(tmp_path, {"template": {"fake": answers}, "workflow": {"size": 40}}))
    page = write_report(run.path, run.record()).read_text()
    lengths = [len(text) for text in run.rows()["question"].to_pylist()]
    _, _, question = page.partition("Length of question, characters</h2>")
    question, _, rest = question.partition("<h2>")
    counts = [int(cell.partition("<")[0]) for cell in question.split("<td class=n>")[1:]]
    assert sum(counts) == 40 and len(counts) >= 2
    assert "<th>from<th class=n>count<th>" in question
    assert all(edge.partition("<")[0].isdigit() for edge in question.split("<tr><td>")[1:])
    assert f"<td>{min(lengths)}<" in question
    assert "<td>4<td class=n>40<" in rest.partition("Length of answer")[2]
