"""Any Python value as JSON text: nothing a model or a block can produce makes it fail."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any

import orjson

from sdspec.rows import canonical, valid_text

_DEEPEST = 200
"""orjson stops at 254 levels; what lies below this one is written as the name of its type."""


def json_text(value: Any) -> str:
    """The canonical JSON text of a value (sorted keys, no spaces), after `clean` where JSON cannot hold it."""
    return json_bytes(value).decode()


def text_of(value: Any) -> str:
    """A value as checks of texts see it: a text itself, null as the empty text, anything else as its JSON text."""
    if isinstance(value, str):
        return value
    return "" if value is None else json_text(value)


def json_bytes(value: Any) -> bytes:
    """`json_text` in UTF-8."""
    try:
        return canonical(value)
    except (TypeError, RecursionError):  # orjson: beyond 64 bits, no character, unknown type, too deep
        text = json.dumps(clean(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()


def clean(value: Any, depth: int = 0) -> Any:
    """A value that JSON can hold: lone surrogates are U+FFFD, NaN and infinities null, unknown types their text.

    Whole numbers keep all their digits, also beyond 64 bits.
    """
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return type(value).__name__ if depth >= _DEEPEST else _cleaned_inside(value, depth + 1)


def _cleaned_inside(value: Any, depth: int) -> Any:
    if isinstance(value, Mapping):
        return {valid_text(str(key)): clean(item, depth) for key, item in value.items()}
    if isinstance(value, AbstractSet):
        return sorted((clean(item, depth) for item in value), key=repr)
    if isinstance(value, list | tuple):
        return [clean(item, depth) for item in value]
    try:
        return clean(orjson.loads(orjson.dumps(value)), depth)
    except TypeError:
        return valid_text(str(value))
