"""Prices per token, from the map that litellm ships; read as a file, so that a plan need not import litellm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from sdspec.calls import Answer

MAP_FILE = "model_prices_and_context_window_backup.json"


@dataclass(frozen=True, slots=True)
class Price:
    """USD per token of one model, and where that is from."""

    model: str
    input_usd: float
    output_usd: float
    cached_usd: float | None
    source: str
    """`litellm 1.106.2`"""

    def usd(self, answer: Answer) -> float:
        """What an answer cost; cached input tokens at their own price where there is one."""
        cached = answer.cached_tokens if self.cached_usd is not None else 0
        fresh = answer.input_tokens - cached
        return fresh * self.input_usd + cached * (self.cached_usd or 0.0) + answer.output_tokens * self.output_usd


def price_of(model: str | None) -> Price | None:
    """The price row of a model in litellm's map; None where the map has none."""
    row = _map().get(model or "")
    if row is None or "input_cost_per_token" not in row or "output_cost_per_token" not in row:
        return None
    return Price(
        model=str(model),
        input_usd=float(row["input_cost_per_token"]),
        output_usd=float(row["output_cost_per_token"]),
        cached_usd=_float(row.get("cache_read_input_token_cost")),
        source=_source(),
    )


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens that a model takes and gives; None where the map does not say."""

    input_tokens: int | None
    output_tokens: int | None
    source: str
    """`litellm 1.106.2`"""


def window_of(model: str | None) -> Window | None:
    """The limits of a model in litellm's map; None where the map has no such model."""
    row = _map().get(model) if model is not None else None
    if row is None:
        return None
    return Window(_tokens(row.get("max_input_tokens")), _tokens(row.get("max_output_tokens")), _source())


def trait_of(model: str, name: str) -> bool | None:
    """A yes or no that litellm's map has on a model, e.g. `supports_tool_choice`; None where it is silent."""
    said = _map().get(model, {}).get(name)
    return said if isinstance(said, bool) else None


def chat_models() -> tuple[str, ...]:
    """All models of litellm's map that chat, by its names for them."""
    return tuple(name for name, row in _map().items() if row.get("mode") == "chat" and name != "sample_spec")


def made_for(model: str | None) -> str | None:
    """What litellm's map says a model does: `chat`, `embedding`, `image_generation`; None where it is silent."""
    said = _map().get(model or "", {}).get("mode")
    return said if isinstance(said, str) else None


def _tokens(value: Any) -> int | None:
    """The map has some numbers as texts, and an explanation where a number belongs."""
    return int(value) if str(value).isdecimal() and int(value) > 0 else None


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


@cache
def _map() -> Mapping[str, Mapping[str, Any]]:
    found = find_spec("litellm")  # looks for the package without importing it
    if found is None or not found.submodule_search_locations:
        return {}
    path = Path(found.submodule_search_locations[0]) / MAP_FILE
    return dict(orjson.loads(path.read_bytes())) if path.exists() else {}


def _source() -> str:
    try:
        return f"litellm {version('litellm')}"
    except PackageNotFoundError:
        return "litellm"
