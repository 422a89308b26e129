"""The life of a row: its calls are those that it saw."""

from pathlib import Path

from sdspec.catalog.life import read_life
from sdspec.rows import Reject
from sdspec.store.tables import CallsWriter, RejectsWriter, RowsWriter


def test_a_row_shows_its_own_failed_call(tmp_path: Path) -> None:
    """Two rows asked the same, one in vain and the other later with success: each shows what became of its own."""
    ask = {"step": "generate", "purpose": "answer", "model": "m", "request": "ab" * 32, "cached_tokens": 0}
    spent = {"input_tokens": 1, "output_tokens": 1, "cost_usd": None, "latency_s": 1.0, "tries": 1}
    failed = {"outcome": "failed", "error": "server_error: stumbled", "answer": None, "from_journal": False}
    answered = {"outcome": "answer", "error": None, "answer": "yes", "from_journal": False}
    calls, rejects = CallsWriter(tmp_path), RejectsWriter(tmp_path)
    for index, (row, ending) in enumerate((("aa" * 8, failed), ("bb" * 8, answered))):
        calls.add({**ask, **spent, **ending, "row": row})
        notes = {"calls": [ask["request"]]}
        reject = Reject("generate", "any", "one of two rows from an answer")
        rejects.add(reject, row_id=row, index=index, seed="red", values={"seed": "red"}, notes=notes)
    for writer in (calls, rejects, RowsWriter(tmp_path, {"text": "str"})):
        writer.finish()
    found = [read_life(tmp_path, row, None).calls for row in ("aa", "bb")]
    assert [[call.error for call in one] for one in found] == [["server_error: stumbled"], [None]]
