"""Check `json_schema`: a column's value, or the JSON in its text, keeps to a JSON Schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import orjson
from pydantic import ConfigDict, Field, field_validator

from sdspec.conform import FORMATS, faults_of, schema_problems
from sdspec.contracts import Check, Verdict
from sdspec.cputime import OutOfTime, at_most
from sdspec.errors import did_you_mean

SHOWN = 3
"""Faults told in a verdict's detail; their number is in its evidence."""
SHOWN_CHARS = 200
"""Of one fault: its text may hold the whole value."""
TIMEOUT_S = 1.0
"""Processor time for one value: a `pattern` in a schema may take exponential time on the wrong text."""
DATA = frozenset({"const", "default", "enum", "examples"})
"""Keywords below which values stand, no schemas."""


class JsonSchema(Check):
    """A text is read as JSON first; any other value, null too, is what the schema is about. Runs in a worker."""

    model_config = ConfigDict(populate_by_name=True)

    in_process: ClassVar[bool] = False
    batch: ClassVar[int] = 16

    schema_: dict[str, Any] = Field(
        alias="schema",
        description="JSON Schema, draft 2020-12, without references to other files; `format` is asserted.",
    )

    @field_validator("schema_")
    @classmethod
    def _stands_alone(cls, schema: dict[str, Any]) -> dict[str, Any]:
        said = [f"{_dotted(one.path)}{one.what} {one.hint}".rstrip() for one in schema_problems(schema)]
        for path, name in () if said else _formats(schema, ()):
            if name not in FORMATS:
                said.append(f"{_dotted(path)}{name!r} is not checked here. {did_you_mean(name, FORMATS)}")
        if said:
            raise ValueError(" ".join(said))
        return schema

    def examine(self, value: Any) -> Verdict:
        """Reason `json_syntax` for a text that is no JSON, else `json_schema` with the path and the rule broken."""
        if isinstance(value, str):
            try:
                value = orjson.loads(value)
            except orjson.JSONDecodeError as wrong:
                return Verdict(False, "json_syntax", f"line {wrong.lineno}, column {wrong.colno}: {wrong.msg}")
        try:
            with at_most(TIMEOUT_S):
                faults = faults_of(value, self.schema_)
        except OutOfTime:
            return Verdict(False, "json_timeout", f"took over {TIMEOUT_S:g} s of processor time")
        if not faults:
            return Verdict(True)
        detail = "; ".join(_cut(fault.detail) for fault in faults[:SHOWN])
        return Verdict(False, "json_schema", detail, {"faults": len(faults)})


def _formats(schema: Any, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    inside = schema.items() if isinstance(schema, Mapping) else enumerate(schema) if isinstance(schema, list) else ()
    for name, value in inside:
        if name == "format" and isinstance(value, str):
            yield (*at, name), value
        if name not in DATA:
            yield from _formats(value, (*at, name))


def _dotted(path: tuple[str | int, ...]) -> str:
    return f"{'.'.join(map(str, path))}: " if path else ""


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
