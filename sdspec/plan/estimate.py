"""What a plan would ask before it asks: calls, tokens and cost, from the prompts as they are really rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sdspec.blocks.generate import Generate
from sdspec.blocks.vary import Vary
from sdspec.calls import Ask
from sdspec.plan.plan import Model, Plan, Step
from sdspec.plan.rehearsed import Asked, Rehearsed
from sdspec.prices import Price, dollars, window_of
from sdspec.rows import Row, canonical
from sdspec.spec.models import BudgetSpec

BYTES_PER_TOKEN = (4.6, 2.9)
"""Few and many tokens: from English prose to dense code, over common tokenizers."""
LIKELY_BYTES = 3.8
"""Of a token, in prompts that mix both."""
FOREIGN_BYTES = (8.0, 2.8, 1.2)
"""The same for what is not ASCII: few, likely and many tokens. Tokenizers have learned some scripts and not others."""
FRAMING_TOKENS = (3, 8, 20)
"""What a chat template adds to each call."""
SCHEMA_SHARE = (0.0, 0.5, 1.0)
"""Of a schema's tokens those that are counted: some providers count none, some show it to the model as a tool."""
TOOL_TOKENS = (0, 0, 500)
"""What forcing a tool adds to each call with a schema, by what Anthropic says of its models."""
ANSWER_BYTES = 200.0
"""Of an answer for which there is no example."""
ANSWER_SHARE = (0.25, 1.2)
"""Of an example's text what an answer has at least, and likely: models say more than people who write examples."""
REASK_TOKENS = 100
"""Of the words that ask again; the answer that could not be used is repeated too."""
UNLIMITED_TOKENS = 4096
"""Taken for the longest answer where neither max_tokens nor the price map limits it."""
MINUTE_S = 60.0
CACHED_FROM = 1024
"""Tokens from which providers cache a prompt without being asked."""


@dataclass(frozen=True, slots=True)
class Range:
    """At least, likely, and at most."""

    least: float
    likely: float
    most: float

    def __add__(self, other: Range) -> Range:
        return Range(self.least + other.least, self.likely + other.likely, self.most + other.most)


@dataclass(frozen=True, slots=True)
class StepEstimate:
    """What one step asks and the journal does not hold."""

    step: str
    model: str
    provider: str
    planned: int
    """Calls for the rows wanted, if every first answer is kept; those that the journal holds included."""
    calls: Range
    """To be paid for. Least, and likely: every first answer is kept. Most: every row attempted, every answer asked for
    again as often as may be."""
    input_tokens: Range
    output_tokens: Range
    usd: Range | None
    """None where the price is not known; 0 where calls are free."""
    price: Price | None
    price_example: str
    """How the spec gives the model a price, as a shell takes it."""
    rendered: int
    """Calls that were looked at, one by one."""
    held: int
    """How many of those the journal already holds."""
    whole: bool
    """No call is left that was not looked at."""


def estimate(plan: Plan, rehearsed: Rehearsed) -> tuple[StepEstimate, ...]:
    """One estimate for each step that asks a model."""
    return tuple(
        _estimate(plan, step, rehearsed.steps[step.name], rehearsed.whole)
        for step in plan.steps
        if isinstance(step.part, Generate)
    )


@dataclass(frozen=True, slots=True)
class HeldUp:
    """A limit per minute that a run cannot be faster than."""

    key: str
    """`provider.limits.otpm`"""
    limit: int
    takes_s: Range
    """Seconds of what the run asks, at that limit."""


def held_up(plan: Plan, estimates: Sequence[StepEstimate]) -> tuple[HeldUp, ...]:
    """Of each provider with limits per minute the one that holds a run up most; a run of a minute is not held up."""
    models = {step.name: plan.models[step.part.model] for step in plan.steps if isinstance(step.part, Generate)}
    found = []
    for name in dict.fromkeys(model.provider_name for model in models.values()):
        asked = [one for one in estimates if models[one.step].provider_name == name]
        limits = next(model.provider.limits for model in models.values() if model.provider_name == name)
        needs = {
            "rpm": (limits.rpm, [one.calls for one in asked]),
            "itpm": (limits.itpm, [one.input_tokens for one in asked]),
            "otpm": (limits.otpm, [one.output_tokens for one in asked]),
        }
        key = "provider" if name == "provider" else f"providers.{name}"
        slow = [
            HeldUp(f"{key}.limits.{which}", limit, _at(sum(ranges, Range(0, 0, 0)), limit))
            for which, (limit, ranges) in needs.items()
            if limit is not None
        ]
        found += [max(slow, key=lambda one: one.takes_s.likely)] if slow else []
    return tuple(one for one in found if one.takes_s.likely > MINUTE_S)


def _at(needed: Range, per_minute: int) -> Range:
    return Range(*(MINUTE_S * count / per_minute for count in (needed.least, needed.likely, needed.most)))


def outlook(budget: BudgetSpec, estimates: Sequence[StepEstimate]) -> list[str]:
    """What each limit of the budget means for a run: a sentence for each that stops it early, or likely does."""
    usd = [one.usd for one in estimates if one.usd is not None]
    told: list[tuple[str, float | None, Iterable[Range], Callable[[float], str]]] = [
        ("usd", budget.usd, usd, dollars),
        ("calls", budget.calls, (one.calls for one in estimates), _calls),
        ("tokens", budget.tokens, (one.input_tokens + one.output_tokens for one in estimates), _tokens),
    ]
    found = []
    for name, limit, ranges, words in told:
        needed = sum(ranges, Range(0, 0, 0))
        if limit is None:
            continue
        if needed.least > limit:
            found.append(f"budget.{name}: {words(limit)} will not do; this run takes {words(needed.least)} at least.")
        elif needed.likely > limit:
            found.append(f"budget.{name}: {words(limit)} may not do; this run likely takes {words(needed.likely)}.")
    return found


def _calls(count: float) -> str:
    return f"{count:,.0f} call{'' if count == 1 else 's'}"


def _tokens(count: float) -> str:
    return f"{count:,.0f} tokens"


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


def _estimate(plan: Plan, step: Step, asked: Asked, whole: bool) -> StepEstimate:
    assert isinstance(step.part, Generate)
    part, model = step.part, plan.models[step.part.model]
    planned = sum(-(-item.quota // part.per_call) for item in plan.items)
    new, held = asked.count - len(asked.held), len(asked.held)
    if not whole:
        new, held = (round(planned * some / max(1, asked.count)) for some in (new, held))
    first = -(-plan.max_attempts // part.per_call) + (len(plan.items) if part.per_call > 1 else 0)
    calls = Range(new, new, max(new, first * (1 + part.reasks) - held))
    words = _asked([*asked.new.values(), *asked.supposed] or list(asked.held.values()))
    said = _said(plan, part, model)
    again = said.most + REASK_TOKENS if part.reasks else 0.0
    each = Range(words.least, words.likely, words.most + again)
    provider = type(model.provider).__module__.rpartition(".")[2]
    return StepEstimate(
        step=step.name,
        model=model.call.id,
        provider=provider,
        planned=planned,
        calls=calls,
        input_tokens=_times(calls, each),
        output_tokens=_times(calls, said),
        usd=_usd(model, calls, each, said),
        price=model.price,
        price_example=model.price_example,
        rendered=asked.count,
        held=len(asked.held),
        whole=whole,
    )


def _times(calls: Range, each: Range) -> Range:
    return Range(calls.least * each.least, calls.likely * each.likely, calls.most * each.most)


def _usd(model: Model, calls: Range, asked: Range, said: Range) -> Range | None:
    if (price := model.price) is None:
        return Range(0.0, 0.0, 0.0) if model.free else None
    low, likely, high = (price.at(tokens) for tokens in (asked.least, asked.likely, asked.most))
    cached = low.cached_usd if model.provider.caches_prompts and asked.most >= CACHED_FROM else None
    least = asked.least * (low.input_usd if cached is None else cached) + said.least * low.output_usd
    dearest = max(high.input_usd, high.cache_write_usd or 0.0)
    thinking = max(high.output_usd, high.reasoning_usd or 0.0)
    each = Range(
        least,
        asked.likely * likely.input_usd + said.likely * likely.output_usd,
        asked.most * dearest + said.most * thinking,
    )
    return _times(calls, each)


def _asked(asks: Sequence[Ask]) -> Range:
    """Input tokens of a call, as a mean over these."""
    found = []
    texts = [message["content"] for ask in asks for message in ask.messages]
    ascii_bytes = sum(sum(map(str.isascii, text)) if not text.isascii() else len(text) for text in texts)
    foreign_bytes = sum(len(text.encode(errors="replace")) for text in texts) - ascii_bytes
    schema = next((len(canonical(ask.schema)) for ask in asks if ask.schema is not None), 0)
    calls = max(1, len(asks))
    for at, per_token in enumerate((BYTES_PER_TOKEN[0], LIKELY_BYTES, BYTES_PER_TOKEN[1])):
        prompt = (ascii_bytes / per_token + foreign_bytes / FOREIGN_BYTES[at]) / calls
        shown = SCHEMA_SHARE[at] * schema / per_token + (TOOL_TOKENS[at] if schema else 0)
        found.append(prompt + FRAMING_TOKENS[at] + shown)
    return Range(*found)


def _said(plan: Plan, part: Generate, model: Model) -> Range:
    """Output tokens of a call, by the examples."""
    window = window_of(model.provider.price_id(model.call.known_as))
    most = part.call.max_tokens or (window.output_tokens if window else None) or UNLIMITED_TOKENS
    frame = len(canonical(dict.fromkeys(part.columns, "")))
    mean = sum(len(canonical(example)) for example in part.examples) / max(1, len(part.examples)) or ANSWER_BYTES
    least = min(frame, mean) + ANSWER_SHARE[0] * max(0.0, mean - frame)
    return Range(
        min(most, plan.per_call * least / BYTES_PER_TOKEN[0]),
        min(most, plan.per_call * ANSWER_SHARE[1] * mean / LIKELY_BYTES),
        most,
    )
