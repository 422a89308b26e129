"""Tokens of real texts, by the tokenizer of GPT-4o, whose vocabulary litellm brings along."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

CHARS_PER_TOKEN = 4
"""Where no tokenizer is asked."""


def count(text: str) -> int:
    """How many tokens a text has."""
    return len(_encoding().encode(text, disallowed_special=()))


def converse_tokens(body: dict[str, Any], count: Callable[[str], int]) -> int:
    """Tokens of a Converse prompt as Claude's are counted: a tool that must be used comes with 313 of its own."""
    schema = orjson.dumps(body.get("toolConfig") or body.get("outputConfig")).decode()
    return sum(count(text) + 4 for text in _texts(body)) + count(schema) + (313 if "toolConfig" in body else 0)


def about_tokens(body: dict[str, Any]) -> int:
    """Tokens of a Converse prompt, by its length."""
    return -(-sum(map(len, _texts(body))) // CHARS_PER_TOKEN)


def text_of(message: dict[str, Any]) -> str:
    """The text of a message of Converse, guarded or not."""
    blocks = (block.get("guardContent", {}).get("text") or block for block in message["content"])
    return "\n".join(block["text"] for block in blocks)


def _texts(body: dict[str, Any]) -> list[str]:
    return [*(block["text"] for block in body.get("system", ())), *map(text_of, body["messages"])]


@cache
def _encoding() -> Any:
    found = find_spec("litellm")
    assert found is not None and found.origin is not None
    os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(Path(found.origin).parent / "litellm_core_utils" / "tokenizers"))
    import tiktoken

    return tiktoken.get_encoding("o200k_base")
