"""The record of an export folder: whatever writes at once, it names every export."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from sdspec.store.exports import Written, hashes, read_written, remember


def test_exports_at_once_are_all_remembered(tmp_path: Path) -> None:
    """Several that end in the same moment lose no entry of each other."""
    at_once = Barrier(8)

    def export(number: int) -> None:
        path = f"{number}.jsonl"
        (tmp_path / path).write_text("{}")
        size_bytes, sha256 = hashes(tmp_path, path, "")
        named = {"name": str(number), "path": path, "run": "r", "rows": 1, "format": "jsonl", "packer": {"kind": "raw"}}
        read = {"features": (), "example": {}, "loader": "json", "inside": "", "load_options": {}}
        at_once.wait()
        remember(tmp_path, Written(**named, **read, size_bytes=size_bytes, sha256=sha256))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(export, range(8)))
    assert sorted(one.name for one in read_written(tmp_path)) == [str(number) for number in range(8)]
