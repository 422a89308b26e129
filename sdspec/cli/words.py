"""Words of the command line -> specs and overrides."""

from __future__ import annotations

from collections.abc import Sequence

from sdspec.errors import Problem, SpecError


def split_words(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """`["orders_sql", "a=1", "~b"]` -> `("orders_sql", ["a=1", "~b"])`; raises SpecError for a second spec."""
    targets, overrides = split_specs(words)
    if len(targets) > 1:
        hint = "One spec at a time; overrides look like key=value."
        raise SpecError([Problem("command line", f"{targets[1]!r}: a second spec after {targets[0]!r}.", hint)])
    return (targets[0] if targets else None), overrides


def split_specs(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that name specs, and those that look like overrides."""
    if "=" in words:
        raise SpecError([Problem("command line", "'=': stands alone.", "Write key=value, without spaces around '='.")])
    overrides = [word for word in words if is_override(word)]
    return [word for word in words if not is_override(word)], overrides


def is_override(word: str) -> bool:
    """True for what looks like an override, right or wrong."""
    return "=" in word or word.startswith(("+", "~"))
