"""A disk that takes no more rows, for good or for a moment."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from sdspec.errors import StoreError
from sdspec.store import tables
from sdspec.store.behind import Behind
from sdspec.store.tables import RowsWriter
from tests.engine.test_faults import indexes
from tests.recipes import counts, run_spec, write_spec


def test_a_full_disk_at_commit_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bad input: rows.parquet's shards cannot be written: status failed with the reason, no ExceptionGroup."""
    add = RowsWriter.add
    calls = [0]

    def full(self: RowsWriter, *args: Any, **kwargs: Any) -> None:
        calls[0] += 1
        if calls[0] == 5:
            raise StoreError("cannot write rows: the disk is full.")
        add(self, *args, **kwargs)

    monkeypatch.setattr(RowsWriter, "add", full)
    run = run_spec(write_spec(tmp_path))
    assert run.record()["status"] == "failed"
    assert "disk is full" in run.record()["why"]


@pytest.mark.parametrize("noticed", [1, 2, 3, 4])
def test_a_disk_that_is_full_for_a_moment_repeats_no_row(
    noticed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 4: what could not be written at first ends the run; each row and each call is in its tables once."""
    monkeypatch.setattr(tables, "SHARD", 8)
    look, looks = Behind.look, [0]

    def full(self: Behind) -> None:
        looks[0] += 1
        if looks[0] == noticed:
            raise StoreError("cannot write a shard: the disk is full.")
        look(self)

    monkeypatch.setattr(Behind, "look", full)
    run = run_spec(write_spec(tmp_path))
    found = counts(run)
    assert "disk is full" in run.record()["why"]
    assert sorted(indexes(run)) == list(range(found["attempted"]))
    assert (found["kept"], {}) == (run.rows().num_rows, found["rejected"])
    assert found["calls"]["made"] == pq.read_metadata(run.path / "calls.parquet").num_rows
