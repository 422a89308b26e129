"""Values that an engine returns, as small JSON: dates as ISO text, blobs as hex, NaN as null, long texts cut."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

LONGEST = 200
"""Characters of one text, and elements of one list, that are kept as evidence."""
LARGEST_INT = 2**63 - 1
"""JSON readers (orjson, Arrow) take no larger one as a number."""


def rows_as_json(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """The rows with every cell as JSON."""
    return [[cell_as_json(cell) for cell in row] for row in rows]


def cell_as_json(cell: Any) -> Any:
    """One cell as JSON."""
    if cell is None or isinstance(cell, bool):
        return cell
    if isinstance(cell, int):
        return cell if abs(cell) <= LARGEST_INT else str(cell)
    if isinstance(cell, float | Decimal):
        return float(cell) if math.isfinite(cell) else None
    if isinstance(cell, bytes | bytearray | memoryview):
        return _cut(bytes(cell[:LONGEST]).hex())
    if isinstance(cell, dt.date | dt.time):
        return cell.isoformat()
    if isinstance(cell, list | tuple):
        return [cell_as_json(one) for one in cell[:LONGEST]]
    if isinstance(cell, dict):
        return {str(key): cell_as_json(value) for key, value in list(cell.items())[:LONGEST]}
    return _cut(str(cell))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
