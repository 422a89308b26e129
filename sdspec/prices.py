"""Prices per token, from the map that litellm ships; read as a file, so that a plan need not import litellm."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import orjson

from sdspec.calls import Answer

MAP_FILE = "model_prices_and_context_window_backup.json"
MTOK = 1_000_000
"""Prices are told per so many tokens."""

_NAMES = (
    "input_cost_per_token",
    "output_cost_per_token",
    "cache_read_input_token_cost",
    "cache_creation_input_token_cost",
    "output_cost_per_reasoning_token",
)
"""litellm's names of the fields of Rates, in their order."""
_ABOVE = re.compile(r"input_cost_per_token(_above_(\d+)(k?)_tokens)")


@dataclass(frozen=True, slots=True)
class Rates:
    """USD per token; None is priced like the tokens of which it is a part."""

    input_usd: float
    output_usd: float
    cached_usd: float | None = None
    """Of input tokens that the provider had in its prompt cache."""
    cache_write_usd: float | None = None
    """Of input tokens that it put there (for five minutes: what is kept for an hour is never asked for)."""
    reasoning_usd: float | None = None
    """Of output tokens that the model thought with; almost everywhere they are output like any other."""

    def usd(self, answer: Answer) -> float:
        """What these tokens cost."""
        fresh = answer.input_tokens - answer.cached_tokens - answer.cache_write_tokens
        written = answer.output_tokens - answer.reasoning_tokens
        return (
            max(0, fresh) * self.input_usd
            + answer.cached_tokens * (self.input_usd if self.cached_usd is None else self.cached_usd)
            + answer.cache_write_tokens * (self.input_usd if self.cache_write_usd is None else self.cache_write_usd)
            + max(0, written) * self.output_usd
            + answer.reasoning_tokens * (self.output_usd if self.reasoning_usd is None else self.reasoning_usd)
        )


@dataclass(frozen=True, slots=True)
class Price:
    """What the tokens of one model cost on demand, and where that is from.

    Batch, flex and priority prices are left out: no provider of ours asks for those kinds of service.
    """

    model: str
    rates: Rates
    source: str
    """`litellm 1.106.2`, or `spec`."""
    above: tuple[tuple[int, Rates], ...] = ()
    """(input tokens, rates): a call with more than these is priced so as a whole; ascending."""

    def at(self, input_tokens: float) -> Rates:
        """The rates of a call with so many input tokens."""
        return next((rates for least, rates in reversed(self.above) if input_tokens > least), self.rates)

    def usd(self, answer: Answer) -> float:
        """What an answer cost."""
        return self.at(answer.input_tokens).usd(answer)

    def to_json(self) -> dict[str, Any]:
        """The price row as run.json keeps it, in USD per million tokens."""
        above = [{"above_input_tokens": least, **_per_mtok(rates)} for least, rates in self.above]
        return {
            "model": self.model,
            **_per_mtok(self.rates),
            **({"above": above} if above else {}),
            "source": self.source,
        }


def price_of(model: str | None) -> Price | None:
    """The price row of a model in litellm's map; None where the map has none, or none per token."""
    row = _map().get(model or "")
    if row is None:
        return None
    tiers = sorted((one for one in row.get("tiered_pricing") or () if _is_tier(one)), key=lambda one: one["range"][0])
    if (rates := _rates(row)) is not None:
        return Price(str(model), rates, _source(), tuple(_thresholds(row, rates)))
    if not tiers:
        return None
    above = tuple((int(tier["range"][0]), rates) for tier in tiers[1:] if (rates := _rates(tier)) is not None)
    first = _rates(tiers[0])
    return None if first is None else Price(str(model), first, _source(), above)


def _is_tier(tier: Any) -> bool:
    return isinstance(tier, Mapping) and len(tier.get("range") or ()) == 2


def _rates(row: Mapping[str, Any], of: str = "", below: Rates | None = None) -> Rates | None:
    """The rates of a row; `of` is a tier's ending of their names, and `below` has those that the tier does not."""
    told = [row.get(f"{name}{of}") for name in _NAMES]
    known = [None if value is None else float(value) for value in told]
    if below is not None:
        lower = (below.input_usd, below.output_usd, below.cached_usd, below.cache_write_usd, below.reasoning_usd)
        known = [low if value is None else value for value, low in zip(known, lower, strict=True)]
    return None if known[0] is None or known[1] is None else Rates(known[0], known[1], *known[2:])


def _thresholds(row: Mapping[str, Any], below: Rates) -> Iterator[tuple[int, Rates]]:
    """{"input_cost_per_token_above_200k_tokens": ...} -> (200000, Rates)."""
    names = (_ABOVE.fullmatch(name) for name in row)
    for least, ending in sorted({(int(one[2]) * (1000 if one[3] else 1), one[1]) for one in names if one}):
        if (rates := _rates(row, ending, below)) is not None:
            yield least, rates


def _per_mtok(rates: Rates) -> dict[str, float | None]:
    return {f"{one.name}_per_mtok": _mtok(getattr(rates, one.name)) for one in fields(rates)}


def _mtok(usd: float | None) -> float | None:
    return None if usd is None else round(usd * MTOK, 9)


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


def dollars(usd: float) -> str:
    """`$1,204.50`, `$0.50`, `$0.03961`, `$0.000041`: four digits of what is less than a dollar, two at least."""
    if usd == 0 or usd >= 1:
        return f"${usd:,.2f}"
    decimals = min(12, max(2, 3 - math.floor(math.log10(usd))))
    whole, _, part = f"{usd:.{decimals}f}".partition(".")
    return f"${whole}.{part.rstrip('0').ljust(2, '0')}"


def _tokens(value: Any) -> int | None:
    """The map has some numbers as texts, and an explanation where a number belongs."""
    return int(value) if str(value).isdecimal() and int(value) > 0 else None


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
