"""Prices: rows of litellm's map as they are billed, tiers and kinds of tokens apart; amounts as people read them."""

import json
import subprocess
import sys

import pytest

from sdspec.calls import Answer
from sdspec.openai_format import tokens
from sdspec.prices import Price, Rates, dollars, price_of

SONNET = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def test_each_kind_of_token_has_its_price() -> None:
    """Cached and written input tokens, and reasoning tokens, cost what the row says, the others the plain price."""
    rates = Rates(1e-6, 5e-6, cached_usd=1e-7, cache_write_usd=2e-6, reasoning_usd=4e-6)
    answer = Answer("", "stop", 1000, 200, cached_tokens=600, cache_write_tokens=100, reasoning_tokens=50)
    assert rates.usd(answer) == pytest.approx(300e-6 + 60e-6 + 200e-6 + 750e-6 + 200e-6)
    assert Rates(1e-6, 5e-6).usd(answer) == pytest.approx(1000e-6 + 1000e-6)


def test_a_long_prompt_is_priced_by_its_tier_as_a_whole() -> None:
    """Above 200,000 input tokens, the cached ones counted, all tokens of the call have the higher price."""
    price = price_of(SONNET)
    assert price is not None
    (least, above), *more = price.above
    assert (200_000, []) == (least, more)
    assert above.input_usd > price.rates.input_usd
    at, over = Answer("", "stop", 200_000, 10), Answer("", "stop", 200_001, 10, cached_tokens=200_000)
    assert price.usd(at) == price.rates.usd(at)
    assert price.usd(over) == above.usd(over)


BILLED = """
import json, sys
import litellm
from litellm.types.utils import CompletionTokensDetailsWrapper, PromptTokensDetailsWrapper, Usage
for model, asked in json.loads(sys.argv[1]):
    usage = Usage(
        prompt_tokens=asked, completion_tokens=300, total_tokens=asked + 300,
        prompt_tokens_details=PromptTokensDetailsWrapper(cached_tokens=400),
        completion_tokens_details=CompletionTokensDetailsWrapper(reasoning_tokens=100),
    )
    print(sum(litellm.cost_per_token(model=model, usage_object=usage)))
"""
"""litellm's own calculator, in a process of its own: its import warns of what is none of ours."""


@pytest.mark.slow
def test_the_map_is_read_as_litellm_bills() -> None:
    """For models of every kind of row a call costs what litellm's own calculator says."""
    models = ("gpt-4o-mini", "gpt-5", "gemini/gemini-2.5-pro", SONNET, "us.amazon.nova-lite-v1:0")
    calls = [(model, asked) for model in models for asked in (900, 250_000)]
    done = subprocess.run([sys.executable, "-c", BILLED, json.dumps(calls)], capture_output=True, text=True, check=True)
    for (model, asked), billed in zip(calls, done.stdout.split(), strict=True):
        price = price_of(model)
        assert price is not None
        answer = Answer("", "stop", asked, 300, cached_tokens=400, reasoning_tokens=100)
        assert float(billed) == pytest.approx(price.usd(answer)), model


def test_a_row_of_tiers_alone_is_a_price_too() -> None:
    """Models that the map prices by ranges of input tokens have those as tiers."""
    price = price_of("dashscope/qwen-flash")
    assert price is not None
    assert price.at(1000).input_usd < price.at(300_000).input_usd


def test_no_price_is_none() -> None:
    """What the map does not have, or has only by the second, is not known."""
    assert price_of(None) is None
    assert price_of("no-such-model") is None


def test_the_row_is_kept_in_dollars_per_million_tokens() -> None:
    """run.json has the price as people know it."""
    row = Price("m", Rates(1e-6, 5e-6, 1e-7), "spec", ((1000, Rates(2e-6, 9e-6)),)).to_json()
    assert (1.0, 5.0, 0.1, None) == tuple(
        row[f"{kind}_usd_per_mtok"] for kind in ("input", "output", "cached", "cache_write")
    )
    assert (1000, 2.0) == (row["above"][0]["above_input_tokens"], row["above"][0]["input_usd_per_mtok"])


def test_tokens_that_only_the_total_has_were_thought() -> None:
    """Servers that leave reasoning out of the completion's tokens bill it all the same."""
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}
    assert (30, 25) == (tokens(usage)["output_tokens"], tokens(usage)["reasoning_tokens"])
    told = {"prompt_tokens": 10, "completion_tokens": 30, "total_tokens": 40}
    told |= {"completion_tokens_details": {"reasoning_tokens": 25}}
    assert (30, 25) == (tokens(told)["output_tokens"], tokens(told)["reasoning_tokens"])
    assert {0} == set(tokens({"prompt_tokens_details": None}).values())


@pytest.mark.parametrize(
    ("usd", "words"),
    [(0, "$0.00"), (1204.5, "$1,204.50"), (0.5, "$0.50"), (0.039612, "$0.03961"), (4.1e-5, "$0.000041")],
)
def test_dollars_are_told_as_exactly_as_they_are_small(usd: float, words: str) -> None:
    """Two digits at least, and no zeros behind them."""
    assert words == dollars(usd)
