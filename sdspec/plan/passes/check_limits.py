"""Checks that each prompt fits into the input tokens that its endpoint grants a minute."""

from __future__ import annotations

from itertools import islice

from sdspec.blocks.generate import Generate
from sdspec.plan.draft import Draft
from sdspec.plan.passes.check_context import LOOKED_AT, least_tokens, longest_rows
from sdspec.plan.plan import Step
from sdspec.prompts import TextError


def check_limits(draft: Draft) -> None:
    """A prompt that certainly has more tokens than `limits.itpm` is a problem where that is set, once a provider."""
    found: dict[str, int] = {}
    for position, step in enumerate(draft.steps):
        if isinstance(step.part, Generate):
            model = draft.models[step.part.model]
            tokens = _longest(draft, draft.steps[:position], step.part)
            found[model.provider_name] = max(found.get(model.provider_name, 0), tokens)
    for name, tokens in found.items():
        limit = draft.providers[name].limits.itpm
        if limit is not None and tokens > limit:
            key = ("provider",) if name == "provider" else ("providers", name)
            what = f"{limit:,}, and a prompt has at least {tokens:,} tokens: no minute has room for it."
            draft.problem((*key, "limits", "itpm"), what, "Raise it, or shorten the prompt.")


def _longest(draft: Draft, before: list[Step], part: Generate) -> int:
    """Tokens of the longest prompt, at least; 0 where nothing limits them or they cannot be rendered."""
    if draft.models[part.model].provider.limits.itpm is None:
        return 0
    longest = 0
    for row in islice(longest_rows(draft, before), LOOKED_AT):
        try:
            text = "\n".join(message["content"] for message in part.messages(row))
        except TextError:
            return 0  # told elsewhere
        longest = max(longest, least_tokens(text))
    return longest
