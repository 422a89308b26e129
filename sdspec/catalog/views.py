"""A run's tables for DuckDB: the views `rows`, `rejects` and `calls` over its Parquet files, none of them in memory."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import duckdb
import pyarrow as pa

from sdspec.errors import StoreError
from sdspec.store.arrays import empty_batch
from sdspec.store.columns import CALLS, LINEAGE, REJECTS
from sdspec.store.schema import arrow_schema
from sdspec.store.tables import table_files

Found = TypeVar("Found")

MEMORY = "256MB"
"""What a question may hold; beyond it DuckDB goes to the disk. Counts of a million rows take less."""
TABLES: Mapping[str, Mapping[str, str]] = {"rows": LINEAGE, "rejects": REJECTS, "calls": CALLS}
"""The columns that each has at least, also before its first file."""


def ask(folder: Path, question: Callable[[duckdb.DuckDBPyConnection], Found]) -> Found:
    """What the question finds in the views of the run folder, finished or not.

    It is asked again where the run merged its shards meanwhile, and so must change nothing. Raises StoreError for a
    table that cannot be read.
    """
    while True:
        files = _files(folder)
        try:
            with duckdb.connect() as db:
                db.execute("SET memory_limit = $memory", {"memory": MEMORY})
                db.execute("SET temp_directory = $folder", {"folder": tempfile.gettempdir()})
                for name, columns in TABLES.items():
                    _create_view(db, name, files[name], columns)
                return question(db)
        except (duckdb.IOException, duckdb.InvalidInputException) as error:
            if _files(folder) == files:
                why = str(error).splitlines()[0]
                raise StoreError(f"cannot read the tables of {folder}: {why}") from error


def _files(folder: Path) -> dict[str, list[Path]]:
    return {name: table_files(folder, name) for name in TABLES}


def _create_view(db: duckdb.DuckDBPyConnection, name: str, files: list[Path], columns: Mapping[str, str]) -> None:
    if files:
        db.read_parquet([_literally(path) for path in files]).create_view(name)
    else:
        db.register(name, pa.Table.from_batches([empty_batch(arrow_schema(columns))]))


def _literally(path: Path) -> str:
    """The path as a DuckDB pattern that means just this file."""
    return re.sub(r"([*?\[])", r"[\1]", str(path))
