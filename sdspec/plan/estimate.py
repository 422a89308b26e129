"""What a plan would ask before it asks: calls, tokens and cost, from the prompts as they are really rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from sdspec.blocks.generate import Generate
from sdspec.blocks.vary import Vary
from sdspec.calls import Ask
from sdspec.plan.plan import Plan, Step
from sdspec.prices import Price, price_of
from sdspec.rows import Row, canonical

RENDERED = 2000
"""Rows whose prompts are rendered; the rest is taken to be like them."""
BYTES_PER_TOKEN = (4.6, 2.9)
"""Few and many tokens: from English prose to dense code, over common tokenizers."""
FRAMING_TOKENS = (3, 12)
"""What a chat template adds to each call."""


@dataclass(frozen=True, slots=True)
class Range:
    """At least and at most."""

    least: float
    most: float


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """What one step asks."""

    step: str
    model: str
    provider: str
    calls: Range
    """Least: every first answer is kept. Most: every row attempted, every answer asked for again as often as may be."""
    input_tokens: Range
    output_tokens: Range
    usd: Range | None
    """None where the price is not known; 0 where calls are free."""
    price: Price | None
    rendered: int
    """First calls that were rendered."""
    held: int
    """How many of those the journal already holds."""


def estimate(plan: Plan, held: Callable[[list[bytes]], set[bytes]]) -> tuple[StepEstimate, ...]:
    """One estimate for each step that asks a model; `held` tells which keys the journal has."""
    found = []
    for position, step in enumerate(plan.steps):
        if isinstance(step.part, Generate):
            asks = list(_first_asks(plan, plan.steps[:position], step))
            found.append(_estimate(plan, step, step.part, asks, len(held([ask.key for ask in asks]))))
    return tuple(found)


def first_rows(plan: Plan, before: tuple[Step, ...], count: int) -> Iterator[Row]:
    """The first rows of a plan, in the order in which they are attempted, as they reach the first model."""
    rounds = max((item.quota for item in plan.items), default=0)
    made = 0
    for occurrence in range(rounds):
        for position, item in enumerate(plan.items):
            if occurrence < item.quota and made < count:
                made += 1
                row = Row.start(position, occurrence, item.values, plan.per_call)
                for step in before:
                    if isinstance(step.part, Vary):
                        step.part.vary(row, step.name, plan.seed)
                yield row


def _first_asks(plan: Plan, before: tuple[Step, ...], step: Step) -> Iterator[Ask]:
    assert isinstance(step.part, Generate)
    for row in first_rows(plan, before, RENDERED):
        if row.slot == 0:
            yield step.part.first_ask(row, step.name, plan.seed)


def _estimate(plan: Plan, step: Step, part: Generate, asks: list[Ask], held: int) -> StepEstimate:
    model = plan.models[part.model]
    least = sum(-(-item.quota // plan.per_call) for item in plan.items)
    calls = Range(least, -(-plan.max_attempts // plan.per_call) * (1 + part.reasks))
    sizes = [sum(len(message["content"].encode()) for message in ask.messages) for ask in asks]
    mean = sum(sizes) / max(1, len(sizes))
    answer = sum(len(canonical(example)) for example in part.examples) / max(1, len(part.examples)) or 200.0
    answer *= plan.per_call
    most_out = part.call.max_tokens or 1024
    tokens_in = Range(
        calls.least * (mean / BYTES_PER_TOKEN[0] + FRAMING_TOKENS[0]),
        calls.most * (mean / BYTES_PER_TOKEN[1] + FRAMING_TOKENS[1] + (most_out if part.reasks else 0)),
    )
    tokens_out = Range(calls.least * min(most_out, 0.4 * answer / BYTES_PER_TOKEN[0]), calls.most * most_out)
    price = price_of(model.provider.price_id(model.call.known_as))
    usd = Range(0.0, 0.0) if model.provider.free else None
    if price is not None and usd is None:
        usd = Range(
            tokens_in.least * (price.cached_usd or price.input_usd) + tokens_out.least * price.output_usd,
            tokens_in.most * price.input_usd + tokens_out.most * price.output_usd,
        )
    provider = type(model.provider).__module__.rpartition(".")[2]
    return StepEstimate(step.name, model.call.id, provider, calls, tokens_in, tokens_out, usd, price, len(asks), held)
