"""What calls take in tokens, learned from the endpoint's own answers: by model from bytes, by step and model in output.

Before there are answers enough a prompt is taken for dense text and its answer for as long as it may become: the first
calls of a run are then few where a limit is low, and never too many. Where that alone is more than a minute grants, so
that each of them would have a minute for itself, the few answers there are must do, with a wide margin.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from sdspec.calls import Answer, Ask
from sdspec.engine.windows import Guess

ENOUGH = 8
"""Answers before their mean is believed."""
MEMORY = 200
"""Answers that count: a run whose prompts change in its course is followed."""
FIRST_BYTES_PER_TOKEN = 2.5
"""Code in small pieces; prose has 4 to 5 (plan/estimate.py)."""
FRAMING_TOKENS = 16
"""A chat template puts some tokens around each message."""
LONGEST_ANSWER = 2048
"""Taken for an answer without max_tokens until some have come."""
FEW_PROMPTS, FEW_ANSWERS = 1 / 8, 1.0
"""Standard deviation over mean where only few are known: tokens per byte differ little, answers much."""


@dataclass(slots=True)
class Mean:
    """Mean and variance of the newest MEMORY numbers or so."""

    count: int = 0
    mean: float = 0.0
    variance: float = 0.0

    def add(self, number: float) -> None:
        """The number counts with the others."""
        self.count += 1
        share = 1 / min(self.count, MEMORY)
        off = number - self.mean
        self.mean += share * off
        self.variance = (1 - share) * (self.variance + share * off * off)


@dataclass(frozen=True, slots=True)
class Load:
    """What of a call says how many tokens it will take."""

    model: str
    step: str
    prompt_bytes: int
    messages: int
    max_tokens: int | None

    @classmethod
    def of(cls, ask: Ask, step: str) -> Load:
        """The load of an ask of this step."""
        return cls(ask.model.id, step, ask.prompt_bytes, len(ask.messages), ask.model.max_tokens)


@dataclass(slots=True)
class Learned:
    """Guesses that become better with each answer."""

    _per_byte: defaultdict[str, Mean] = field(default_factory=lambda: defaultdict(Mean))
    _output: defaultdict[tuple[str, str], Mean] = field(default_factory=lambda: defaultdict(Mean))

    def input(self, load: Load, limit: int) -> Guess:
        """Tokens of the prompt, where a minute grants so many."""
        first = load.prompt_bytes / FIRST_BYTES_PER_TOKEN + FRAMING_TOKENS * load.messages
        return _guess(self._per_byte[load.model], load.prompt_bytes, first, limit, FEW_PROMPTS)

    def output(self, load: Load, limit: int) -> Guess:
        """Tokens of the answer, where a minute grants so many."""
        return _guess(self._output[load.model, load.step], 1, load.max_tokens or LONGEST_ANSWER, limit, FEW_ANSWERS)

    def saw(self, load: Load, answer: Answer) -> None:
        """An answer came; where an endpoint tells no tokens there is nothing to learn."""
        if answer.input_tokens:
            self._per_byte[load.model].add(answer.input_tokens / max(1, load.prompt_bytes))
        if answer.output_tokens:
            self._output[load.model, load.step].add(answer.output_tokens)


def _guess(seen: Mean, size: int, first: float, limit: int, spread: float) -> Guess:
    """`size` times what was seen; `first` before there is enough of that."""
    if seen.count >= ENOUGH:
        return Guess(size * seen.mean, size**2 * seen.variance)
    if seen.count and first > limit:
        return Guess(size * seen.mean, (size * seen.mean * spread) ** 2)
    return Guess(first)
