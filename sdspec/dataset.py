"""The contracts of what leaves a run: kept rows are packed as training examples, and examples written as files."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sdspec.contracts import Part

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Dataset:
    """What export needs to know of a run, read from its folder."""

    output: tuple[str, ...]
    """Output columns in the template's order."""
    constants: Mapping[str, Any]
    """The template's constant variables."""


class Packer(Part):
    """Lays a kept row out as a training example."""

    def problems(self, columns: Sequence[str], dataset: Dataset) -> list[str]:
        """What cannot be packed, given the columns of a kept row; without location."""
        return []

    def selects(self, columns: Sequence[str]) -> Mapping[str, str] | None:
        """Where examples are columns of the row and nothing else: name in the example -> column; else None.

        They keep their types, and `pack`, which must agree, is not called for each row.
        """
        return None

    @abstractmethod
    def pack(self, row: Mapping[str, Any], dataset: Dataset) -> dict[str, Any]:
        """One example; the keys and their order are the file's columns."""


class Exporter(Part):
    """Writes packed examples as a file of one format, or as a folder."""

    suffix: ClassVar[str]
    """`.jsonl`"""

    loader: ClassVar[str] = ""
    """Which loader of `datasets` reads it, as `load_dataset` names them; empty where none does."""

    inside: ClassVar[str] = ""
    """Where a folder is written: the pattern of the files in it that hold the rows."""

    def read_back(self, schema: pa.Schema) -> pa.Schema:
        """The columns as who reads the file finds them; JSON columns are marked where they come back as objects."""
        return schema

    def load_options(self, schema: pa.Schema) -> dict[str, Any]:
        """What the loader must be told to read these columns back."""
        return {}

    @abstractmethod
    def write(self, examples: pa.Table | pa.RecordBatchReader, path: Path) -> None:
        """The file at `path`, whole or not at all; a reader is written as it streams."""
