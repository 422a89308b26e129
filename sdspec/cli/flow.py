"""A value on one line, as YAML writes it in flow style."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sdspec.store.jsontext import json_text

_PLAIN = re.compile(r"[^\W\d][^\n:#\[\]{},\"']*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off"})


def flow(value: Any) -> str:
    """`{kind: exact, columns: [question]}`; a text that is no plain word is quoted."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{flow(name)}: {flow(child)}" for name, child in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(flow, value)) + "]"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.strip() == value and value.lower() not in _WORDS:
        return value
    return json_text(value)
