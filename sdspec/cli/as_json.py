"""What `--json` prints."""

from __future__ import annotations

import json
from typing import Any

import orjson

from sdspec.store.jsontext import clean


def print_json(body: Any) -> None:
    """The body on stdout as indented JSON; nothing that a user writes or a model says makes it fail."""
    try:
        text = orjson.dumps(body, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS, default=str).decode()
    except TypeError:  # orjson: a whole number beyond 64 bits, a lone surrogate
        text = json.dumps(clean(body), indent=2, ensure_ascii=False, allow_nan=False)
    print(text)
