"""The columns of a run folder's tables beside a dataset's own, with their types (sdspec/store/schema.py)."""

from __future__ import annotations

LINEAGE = {"_row_id": "str", "_index": "int", "_seed": "str", "_lineage": "json"}
"""The columns that follow a dataset's own in rows.parquet."""
REJECTS = {
    "_row_id": "str",
    "_index": "int",
    "_seed": "str",
    "step": "str",
    "reason": "str",
    "detail": "str",
    "raw": "str",
    "columns": "json",
    "_lineage": "json",
}
CALLS = {
    "row": "str",
    "step": "str",
    "purpose": "str",
    "model": "str",
    "request": "str",
    "outcome": "str",
    "error": "str",
    "answer": "str",
    "input_tokens": "int",
    "output_tokens": "int",
    "cached_tokens": "int",
    "cache_write_tokens": "int",
    "reasoning_tokens": "int",
    "cost_usd": "float",
    "latency_s": "float",
    "tries": "int",
    "from_journal": "bool",
}
