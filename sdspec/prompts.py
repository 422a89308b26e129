"""Texts of a spec as Jinja: compiled once, rendered in a sandbox, every missing variable an error. Owner of jinja2."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sdspec.errors import did_you_mean

# A text cannot reach Python's internals or change a value that other rows share. A line that holds only a {% tag %}
# leaves no line behind.
_ENVIRONMENT = ImmutableSandboxedEnvironment(
    undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
)
del _ENVIRONMENT.globals["lipsum"]


class TextError(ValueError):
    """A text that is not valid Jinja, or that cannot be rendered with the values given."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"line {line}: {message}")
        self.line = line
        """Counted from 1."""
        self.message = message
        """Without a full stop."""


@dataclass(frozen=True)
class Text:
    """A compiled text."""

    source: str
    variables: frozenset[str]
    """Names that must have a value when it is rendered."""
    _template: Template = field(repr=False, compare=False)

    def render(self, values: Mapping[str, Any]) -> str:
        """The text with the values in place; raises TextError where one is missing or does not fit."""
        try:
            return self._template.render(values)
        except (TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
            raise TextError(_line(error), (str(error) or type(error).__name__).rstrip(".")) from error


@lru_cache(maxsize=4096)
def compile_text(text: str) -> Text:
    """The compiled text; raises TextError on bad syntax. Equal texts are compiled once."""
    try:
        tree = _ENVIRONMENT.parse(text)
        template = _ENVIRONMENT.from_string(text)
    except TemplateSyntaxError as error:
        raise TextError(error.lineno, (error.message or "bad syntax").rstrip(".")) from error
    template.globals = dict(template.globals)  # copied by each rendering, and Jinja's ChainMap takes longer than a row
    variables = meta.find_undeclared_variables(tree) - _ENVIRONMENT.globals.keys()
    return Text(text, frozenset(variables), template)


def text_problems(text: str, known: Collection[str]) -> list[str]:
    """What is wrong with a text that will be rendered with these names: its syntax, or names that nothing provides."""
    try:
        variables = compile_text(text).variables
    except TextError as error:
        return [f"line {error.line} is not valid Jinja: {error.message}."]
    return [
        f"{{{{ {name} }}}} is provided by nothing. {did_you_mean(name, known)}"
        for name in sorted(variables.difference(known))
    ]


def _line(error: Exception) -> int:
    """The text's line that was being rendered: jinja rewrites tracebacks so that they point into the text."""
    line, frame = 1, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == "<template>":
            line = frame.tb_lineno
        frame = frame.tb_next
    return line


def examples_block(shown: Sequence[str]) -> str:
    """Few-shot examples as the prompt shows them, between <examples> tags; empty without any.

    The block comes first in a prompt, then instruction, requirements and topic (prompt engineering guide, seed 001).
    """
    return "<examples>\n{}\n</examples>".format("\n".join(shown)) if shown else ""


def example_text(example: Mapping[str, Any] | str, style: str = "json") -> str:
    """One example as the examples block shows it.

    In style `json` it is a JSON object. In style `seed001` it looks as in that guide: see `_as_in_the_guide`.
    """
    return _as_in_the_guide(example) if style == "seed001" else _as_json(example)


def _as_json(example: Mapping[str, Any] | str) -> str:
    return json.dumps(example, ensure_ascii=False, indent=2)


def _as_in_the_guide(example: Mapping[str, Any] | str) -> str:
    """An object with a line `   "question": "Why?"` for each column; texts raw, those of several lines in three quotes.

    It is no JSON. A plain text stands there as it is, but for the line break that ends it.
    """
    if isinstance(example, str):
        return example.removesuffix("\n")
    lines = ",\n".join(f'   "{name}": {_raw(value)}' for name, value in example.items())
    return f"{{\n{lines}\n}}"


def _raw(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return f'"""{value}"""' if "\n" in value else f'"{value}"'
