"""What provider `fake` says: the template's own Jinja answers, else a value that the schema allows."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from jinja2 import StrictUndefined, Template
from jinja2.sandbox import SandboxedEnvironment

from sdspec.faking.invent import invent, sentence
from sdspec.rows import digest

_ENVIRONMENT = SandboxedEnvironment(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def text(
    answers: Mapping[str, Any] | None, columns: Mapping[str, Any], schema: Mapping[str, Any] | None, draw: str
) -> str:
    """The answer's text: JSON with one key per output column; raises jinja2.TemplateError for a bad template.

    `answers` holds Jinja texts by column, which see the row's columns, `draw` (16 hex digits) and `n` (31 bits of it).
    Without a schema, one template is the whole text, and without templates a sentence is.
    """
    seen = {**columns, "draw": draw, "n": int(draw[:8], 16) & 0x7FFFFFFF}
    if schema is None:
        if not answers:
            return sentence(_rng(draw))
        rendered = {column: _rendered(answer, seen) for column, answer in answers.items()}
        only = next(iter(rendered.values()))
        return only if len(rendered) == 1 and isinstance(only, str) else orjson.dumps(rendered).decode()
    if not answers:
        return orjson.dumps(invent(schema, _rng(draw))).decode()
    wanted = schema.get("properties", {})
    missing = {column: shape for column, shape in wanted.items() if column not in answers}
    values = invent({**schema, "properties": missing}, _rng(draw)) if missing else {}
    told = {column: _typed(_rendered(answers[column], seen), wanted[column]) for column in wanted if column in answers}
    return orjson.dumps({column: told[column] if column in told else values[column] for column in wanted}).decode()


def texts(
    answers: Mapping[str, Any] | None,
    columns: Mapping[str, Any],
    schema: Mapping[str, Any] | None,
    draw: str,
    *,
    count: int,
) -> str:
    """An answer of `count` rows, each as `text` says it with a draw of its own.

    `schema` is that of the whole answer, an object with one list; without it the rows stand one below the other.
    """
    if schema is None:
        return "\n\n".join(text(answers, columns, None, digest(draw, slot)) for slot in range(count))
    name, rows = next(iter(schema["properties"].items()))
    row = {**rows["items"], "$defs": schema["$defs"]} if "$defs" in schema else rows["items"]
    said = [orjson.Fragment(text(answers, columns, row, digest(draw, slot))) for slot in range(count)]
    return orjson.dumps({name: said}).decode()


def _rng(draw: str) -> random.Random:
    return random.Random(int(draw, 16))


@lru_cache(maxsize=1024)
def _compiled(source: str) -> Template:
    template = _ENVIRONMENT.from_string(source)
    template.globals = dict(template.globals)  # as in prompts.py
    return template


def _rendered(answer: Any, seen: Mapping[str, Any]) -> Any:
    if isinstance(answer, str):
        return _compiled(answer).render(seen)
    if isinstance(answer, Mapping):
        return {key: _rendered(value, seen) for key, value in answer.items()}
    return [_rendered(value, seen) for value in answer] if isinstance(answer, list) else answer


def _typed(value: Any, shape: Any) -> Any:
    """A rendered text as the number, list or object that its column wants; the text where it is none."""
    if not isinstance(value, str) or not isinstance(shape, Mapping) or shape.get("type", "string") == "string":
        return value
    try:
        return orjson.loads(value)
    except orjson.JSONDecodeError:
        return value
