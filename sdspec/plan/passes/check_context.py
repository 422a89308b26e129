"""Checks that prompts fit into the model's context: a seed of 30,000 words on a window of 4,096 tokens is a problem."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from sdspec.blocks.generate import Generate
from sdspec.blocks.vary import Vary
from sdspec.plan.draft import Draft
from sdspec.plan.estimate import BYTES_PER_TOKEN
from sdspec.plan.plan import Model, Step, kind_of
from sdspec.prices import window_of
from sdspec.prompts import TextError, compile_text
from sdspec.rows import Row
from sdspec.spec.spec import Key

LOOKED_AT = 100
"""Rows whose prompts are rendered, those of the longest seeds first: some milliseconds."""
FIRST = 16
"""So many are enough where they take less than half of the room."""
MOST_WRONG = 5
"""Keys that are blamed one by one."""
PIECE = re.compile(r"\w+|[^\w\s]+")
"""Tokenizers split words from punctuation before anything else, so that each piece is one token at least."""
LONGEST_TOKEN = 16
"""Characters; a piece longer than that is several tokens. Prose has about 5 a token, the longest usual words 15."""
LIKELY_BYTES = math.sqrt(BYTES_PER_TOKEN[0] * BYTES_PER_TOKEN[1])
"""Bytes of a token as they mostly are."""


@dataclass(frozen=True, slots=True)
class _Prompt:
    """A rendered prompt that may be too long."""

    key: Key
    """What makes it long."""
    name: str
    """How a message calls that."""
    least: int
    """Tokens that it has at least."""
    likely: int
    """Tokens that it has, as an estimate."""


def check_context(draft: Draft) -> None:
    """A prompt that is certainly too long is a problem where it is made so; one that may be is told in a note."""
    for name, model in draft.models.items():
        _check_longest_answer(draft, ("model",) if name == "model" else ("models", name), model)
    for position, step in enumerate(draft.steps):
        if isinstance(step.part, Generate) and (room := _room(draft, draft.models[step.part.model])) is not None:
            _check_prompts(draft, draft.steps[:position], step.part, room)


def least_tokens(text: str) -> int:
    """Tokens that no usual tokenizer can do without."""
    return sum(-(-len(piece) // LONGEST_TOKEN) for piece in PIECE.findall(text))


def _room(draft: Draft, model: Model) -> int | None:
    known = _context(draft, model) or model.provider.context_tokens(model.call.known_as)
    if known is None and (window := window_of(model.provider.price_id(model.call.known_as))) is not None:
        known = window.input_tokens
    return known


def _context(draft: Draft, model: Model) -> int | None:
    """The window that the spec says the model has."""
    config = draft.spec.config
    return (config.model if model.name == "model" else config.models[model.name]).context


def _check_longest_answer(draft: Draft, key: Key, model: Model) -> None:
    window, wanted = window_of(model.provider.price_id(model.call.known_as)), model.call.max_tokens
    most = None if window is None else window.output_tokens
    if window is not None and most is not None and wanted is not None and wanted > most:
        what = f"{wanted:,}, and {model.call.id} answers with {most:,} tokens at most ({window.source})."
        draft.problem((*key, "max_tokens"), what, f"Set it to {most} or less, or to null.")


def _check_prompts(draft: Draft, before: list[Step], part: Generate, room: int) -> None:
    model = draft.models[part.model]
    wrong: dict[tuple[Key, str], _Prompt] = {}
    tight: list[_Prompt] = []
    longest = 0
    for position, row in enumerate(islice(longest_rows(draft, before), LOOKED_AT)):
        if position == FIRST and longest < room / 2:
            break
        try:
            text = "\n".join(message["content"] for message in part.messages(row))
        except TextError:
            return  # a text that cannot be rendered is told elsewhere
        likely = round(len(text.encode(errors="replace")) / LIKELY_BYTES)
        longest = max(longest, likely + (model.call.max_tokens or 0))
        if likely + (model.call.max_tokens or 0) <= room:
            continue
        prompt = _Prompt(*_longest_part(draft, part, row, len(text)), least_tokens(text), likely)
        if prompt.least > room:
            wrong.setdefault((prompt.key, prompt.name), prompt)
        else:
            tight.append(prompt)
    _report(draft, model, room, list(wrong.values()))
    if tight:
        _note(draft, model, room, max(tight, key=lambda prompt: prompt.likely))


def longest_rows(draft: Draft, before: list[Step]) -> Iterator[Row]:
    """Rows as they reach the model, of the longest items first."""
    config = draft.spec.config
    longest = sorted(
        range(len(draft.items)), key=lambda at: -max((len(str(v)) for v in draft.items[at].values.values()), default=0)
    )
    for occurrence in range(max((item.quota for item in draft.items), default=0)):
        for position in longest:
            if occurrence < draft.items[position].quota:
                row = Row.start(position, occurrence, draft.items[position].values, config.workflow.per_call)
                for step in before:
                    if isinstance(step.part, Vary):
                        step.part.vary(row, step.name, config.seed)
                yield row


def _longest_part(draft: Draft, part: Generate, row: Row, length: int) -> tuple[Key, str]:
    """The key that most of the prompt comes from, and its name."""
    used = compile_text(part.prompt).variables | compile_text(part.system or "").variables
    sizes: dict[tuple[Key, str], int] = {
        (("template", "prompt"), "the prompt"): len(part.prompt),
        (("template", "system"), "the system message"): len(part.system or ""),
    }
    for name, value in {**part.constants, **row.values}.items():
        if name == "seed" and name in used:
            sizes[_seed_key(draft, row.item)] = len(str(value))
        elif name in used:
            sizes[("template", "variables", name), f"variable {name!r}"] = len(str(value))
    if "examples" in used:
        key = "examples_file" if ("template", "examples_file") in draft.spec.inputs else "examples"
        sizes[("template", key), "the examples"] = length - sum(sizes.values())
    return max(sizes, key=lambda one: sizes[one])


def _seed_key(draft: Draft, position: int) -> tuple[Key, str]:
    seed, read = draft.seeds[position], draft.spec.inputs.get(("template", "seeds_file"))
    if read is None:
        at = draft.spec.config.template.seeds.index(seed)
        return ("template", "seeds", at), f"seed {at + 1}"
    return ("template", "seeds_file"), read.places[read.data.index(seed)]


def _report(draft: Draft, model: Model, room: int, wrong: list[_Prompt]) -> None:
    for prompt in wrong[:MOST_WRONG]:
        what = f"with {prompt.name} a prompt has at least {prompt.least:,} tokens, and {_has(model, room)}."
        draft.problem(prompt.key, what, _hint(draft, model))
    if (more := len(wrong) - MOST_WRONG) > 0:
        draft.problem(
            wrong[MOST_WRONG].key,
            f"{more:,} more like this make{'s' * (more == 1)} a prompt too long.",
            _hint(draft, model),
        )


def _note(draft: Draft, model: Model, room: int, longest: _Prompt) -> None:
    answer = f" and max_tokens {model.call.max_tokens:,}" if model.call.max_tokens else ""
    draft.notes.append(
        f"with {longest.name} a prompt has about {longest.likely:,} tokens{answer}, and {_has(model, room)}: "
        "rows that do not fit are rejected as context_too_long."
    )


def _has(model: Model, room: int) -> str:
    return f"{model.call.id} on {kind_of(model.provider)} has room for {room:,}, its answer included"


def _hint(draft: Draft, model: Model) -> str:
    if _context(draft, model) is not None:
        key = "model" if model.name == "model" else f"models.{model.name}"
        return f"Shorten it, or raise {key}.context where the endpoint has more room."
    if "context" not in type(model.provider).model_fields:
        return "Shorten it, or choose a model with a larger context."
    key = "provider" if model.provider_name == "provider" else f"providers.{model.provider_name}"
    return f"Shorten it, or raise {key}.context."
