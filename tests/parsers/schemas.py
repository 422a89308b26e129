"""Schemas that the parsers' tests share, as a compiled output has them."""

from typing import Any

TYPES = {
    "str": {"type": "string"},
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "list[str]": {"type": "array", "items": {"type": "string"}},
    "list[float]": {"type": "array", "items": {"type": "number"}},
    "json": {},
}


def schema(**columns: Any) -> dict[str, Any]:
    """The schema of these columns, all required; a column is one of TYPES or a JSON Schema."""
    properties = {name: TYPES[column] if isinstance(column, str) else column for name, column in columns.items()}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


PAIR = schema(question="str", solution="str")
