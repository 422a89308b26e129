"""Words of the command line -> a spec and its overrides."""

from __future__ import annotations

from collections.abc import Sequence

from sdspec.errors import Problem, SpecError


def split_words(words: Sequence[str]) -> tuple[str | None, list[str]]:
    """`["orders_sql", "a=1", "~b"]` -> `("orders_sql", ["a=1", "~b"])`; a word is an override if it looks like one."""
    overrides = [word for word in words if _is_override(word)]
    targets = [word for word in words if not _is_override(word)]
    if len(targets) > 1:
        hint = "One spec at a time; overrides look like key=value."
        raise SpecError([Problem("command line", f"{targets[1]!r}: a second spec after {targets[0]!r}.", hint)])
    return (targets[0] if targets else None), overrides


def _is_override(word: str) -> bool:
    return "=" in word or word.startswith(("+", "~"))
