"""How rows of any values become the columns of a table, many rows at a time, and what is hashed of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sdspec.rows import canonical
from sdspec.store.jsontext import json_text
from sdspec.store.schema import fit_column

Columns = Sequence[Sequence[Any]]
"""Values by column, then by row."""


class Shape:
    """The columns of a table with their types; a value that does not fit its column is null."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._types = tuple(columns.values())

    def fitted(self, columns: Columns) -> Columns:
        """The values as the table holds them."""
        return [fit_column(values, kind)[0] for values, kind in zip(columns, self._types, strict=True)]

    def written(self, columns: Columns) -> None:
        """The table holds these rows for good: called once for each, in order, with what `fitted` gave."""
        return


class KeptRows(Shape):
    """A dataset's columns and `columns.LINEAGE`: what does not fit stands whole in the lineage; the rows are hashed."""

    def __init__(self, columns: Mapping[str, str]) -> None:
        self._columns = dict(columns)
        self.hash = RowsHash(columns)

    def fitted(self, columns: Columns) -> Columns:
        *own, row_ids, indexes, seeds, lineage = columns
        unfit: dict[int, dict[str, str]] = {}
        fitted = []
        for values, (name, kind) in zip(own, self._columns.items(), strict=True):
            held, places = fit_column(values, kind)
            fitted.append(held)
            for place in places:
                unfit.setdefault(place, {})[name] = json_text(values[place])
        notes = [json_text({**one, "unfit": unfit[at]} if at in unfit else one) for at, one in enumerate(lineage)]
        return [*fitted, row_ids, indexes, fit_column(seeds, "str")[0], notes]

    def written(self, columns: Columns) -> None:
        *own, row_ids, _, seeds, _ = columns
        for row in zip(*own, row_ids, seeds, strict=True):
            self.hash.update(row)


class RowsHash:
    """SHA-256 over canonical row content in index order: the dataset's columns as stored, `_row_id`, `_seed`."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._names = (*columns, "_row_id", "_seed")
        self._hash = hashlib.sha256()

    def update(self, values: Iterable[Any]) -> None:
        """Takes one row: its values in column order, its id, its seed."""
        self._hash.update(canonical(dict(zip(self._names, values, strict=True))) + b"\n")

    def hexdigest(self) -> str:
        """The hash of all rows so far."""
        return self._hash.hexdigest()
