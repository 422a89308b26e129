"""What the user may have meant by a key that is not known: a key beside it, or one of that name elsewhere."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from sdspec.errors import did_you_mean
from sdspec.spec.models import SpecConfig
from sdspec.spec.settings import Setting, find
from sdspec.spec.spec import Key, dotted

NAMED = 3
CLOSE = 0.75
"""A key elsewhere must be this near to be guessed; one beside it, as near as everywhere."""


def nearest_key(key: Key, siblings: list[str], tree: Setting) -> str:
    """The hint for an unknown key: `size` or `sise` -> `Did you mean 'workflow.size'?`; else what is known."""
    word = str(key[-1])
    elsewhere: dict[str, list[str]] = {}
    for path in sorted(
        {*_keys(SpecConfig, ()), *_provider_keys(tree)} - {key}, key=lambda path: (len(path), dotted(path))
    ):
        if path[:-1] != key[:-1]:
            elsewhere.setdefault(str(path[-1]), []).append(dotted(path))
    beside = difflib.get_close_matches(word, siblings, n=1, cutoff=0.6)
    near = difflib.get_close_matches(word, elsewhere, n=1, cutoff=CLOSE)
    if near and (not beside or _ratio(word, near[0]) > _ratio(word, beside[0])):
        return f"Did you mean {' or '.join(repr(path) for path in elsewhere[near[0]][:NAMED])}?"
    return did_you_mean(word, siblings)


def _ratio(word: str, other: str) -> float:
    return difflib.SequenceMatcher(None, other, word).ratio()


def _keys(model: type[BaseModel], above: Key) -> Iterator[Key]:
    """Every key that the models name, those below free names left out."""
    for name, field in model.model_fields.items():
        yield (*above, name)
        for inner in _models(field.annotation):
            yield from _keys(inner, (*above, name))


def _models(annotation: Any) -> list[type[BaseModel]]:
    plain = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    return [one for one in plain if isinstance(one, type) and issubclass(one, BaseModel)]


def _provider_keys(tree: Setting) -> Iterator[Key]:
    """Keys that only the chosen provider has, as far as its option sets them."""
    provider = find(tree, ("provider",))
    for name in provider.mapping if provider else ():
        yield "provider", str(name)
