"""Checks what a model answered against the object JSON Schema of the answer; says what is wrong in our own words.

The words go back to the model in a re-ask and so into journal keys: they depend on the schema and on our codes alone,
never on a library's text.

| code           | when                                                         |
|----------------|--------------------------------------------------------------|
| missing_column | a required column is not there                               |
| wrong_type     | a value is of another type, not finite, or beyond 64 bits    |
| empty_value    | a required text is blank (`minLength: 0` allows it)          |
| not_allowed    | a value is not among those of `enum` or `const`              |
| breaks_schema  | any other rule of the schema                                 |
| too_deep       | lists in lists in lists, hundreds of them                    |

Nothing is coerced, but numbers: JSON has one kind, so 3 is taken for a float as 3.0, and 3.0 for an int as 3.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from sdspec.contracts import Unparseable
from sdspec.rows import canonical, valid_text

if TYPE_CHECKING:
    from jsonschema import Draft202012Validator, ValidationError

_PLAIN = frozenset({"type", "items", "title", "description"})
"""Keywords of a column that are checked here; any other one brings in jsonschema."""
_PLAIN_OBJECT = frozenset({"type", "properties", "required", "additionalProperties", "title", "description"})
FORMATS = ("date", "email", "ipv4", "ipv6", "regex", "uuid")
"""Values of `format` that jsonschema checks on every machine; others need packages that may not be there."""
_CODES = {"enum": "not_allowed", "const": "not_allowed", "type": "wrong_type", "required": "missing_column"}
_PLURALS = {"string": "strings", "integer": "integers", "number": "numbers", "boolean": "booleans", "object": "objects"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with an answer."""

    code: str
    ask: str
    """A sentence for the model."""
    detail: str
    """For people."""


@dataclass(frozen=True, slots=True)
class SchemaProblem:
    """One thing wrong with a schema itself."""

    path: tuple[str | int, ...]
    """Keys from the schema down to what is wrong."""
    what: str
    hint: str = ""


def schema_problems(schema: Mapping[str, Any]) -> list[SchemaProblem]:
    """Why this is no JSON Schema of draft 2020-12 that stands on its own; empty for one that is."""
    from jsonschema import Draft202012Validator, SchemaError  # slow to import, and few specs bring a schema
    from referencing import Registry
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as found:
        return [SchemaProblem(tuple(found.absolute_path), f"not a valid JSON Schema: {found.message}.")]
    inside = Registry().with_resource("", DRAFT202012.create_resource(schema)).resolver()
    problems = []
    for path, target in _references(schema, ()):
        if not target.startswith("#"):
            hint = "Write what it refers to under $defs."
            problems.append(SchemaProblem(path, f"{target!r} lies outside of this schema.", hint))
            continue
        try:
            inside.lookup(target)
        except Unresolvable:
            problems.append(SchemaProblem(path, f"{target!r} is nowhere in this schema."))
    return problems


def _references(schema: Any, at: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    inside = schema.items() if isinstance(schema, Mapping) else enumerate(schema) if isinstance(schema, list) else ()
    for name, value in inside:
        if name in ("$ref", "$dynamicRef") and isinstance(value, str):
            yield (*at, name), value
        yield from _references(value, (*at, name))


def faults_of(value: Any, schema: Mapping[str, Any]) -> tuple[Fault, ...]:
    """Everything wrong with any JSON value by any JSON Schema, in the order of its paths; formats are asserted too."""
    try:
        return tuple(_fault(error) for error in _sorted(_validator(canonical(schema), formats=True).iter_errors(value)))
    except RecursionError:
        return (Fault("too_deep", "It is nested too deeply.", "nested too deeply"),)


def conform(found: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any] | tuple[Fault, ...]:
    """The schema's columns in its order, an optional one that is not there as None; or everything wrong with them.

    Keys that are no columns are dropped.
    """
    try:
        return _conform(found, schema)
    except RecursionError:
        return (Fault("too_deep", "It is nested too deeply.", "nested too deeply"),)


def _conform(found: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any] | tuple[Fault, ...]:
    is_plain, columns = _read(orjson.dumps(schema, option=orjson.OPT_NON_STR_KEYS))
    values: dict[str, Any] = {}
    missing, faults = [], []
    for name, column, required, takes_text, needs_text in columns:
        if name not in found:
            if required:
                missing.append(_missing(name))
            continue
        if isinstance(value := found[name], str):
            value, right = valid_text(value), takes_text
        else:
            value = _settled(value, column)
            right = _is_type(value, column)
        values[name] = value
        if not right:
            words = type_words(column)
            faults.append(Fault("wrong_type", f"'{name}' must be of type {words}.", f"{name} is {_shown(value)}"))
        elif needs_text and isinstance(value, str) and not value.strip():
            faults.append(Fault("empty_value", f"'{name}' must not be empty.", f"{name} is blank"))
    faults = missing + faults
    if not faults and not is_plain:
        faults = [_fault(error) for error in _sorted(_validator(canonical(schema)).iter_errors(values))]
    return tuple(faults) if faults else {name: values.get(name) for name, *_ in columns}


_Column = tuple[str, Mapping[str, Any], bool, bool, bool]
"""Its name, its schema, whether it must be there, whether it may be a text, and whether a text in it must hold one."""


@lru_cache(maxsize=64)
def _read(schema: bytes) -> tuple[bool, tuple[_Column, ...]]:
    """Whether all rules of the schema are checked here, and its columns."""
    read = orjson.loads(schema)
    required = frozenset(read.get("required", ()))
    return _is_plain(read), tuple(
        (
            name,
            column,
            name in required,
            not _kinds(column) or "string" in _kinds(column),
            name in required and _needs_text(column),
        )
        for name, column in read["properties"].items()
    )


def from_text(text: str, column: Mapping[str, Any]) -> Any:
    """The value that a piece of text stands for: itself for a string column, else what it is as JSON, or itself."""
    if column.get("type") == "string":
        return text
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return text


def from_cell(text: str, column: Mapping[str, Any]) -> Any:
    """The value that a cell of a table stands for: as `from_text`, but None for an empty cell where no text can stand.

    TRUE and False are truth values, as spreadsheets and Python write them.
    """
    kinds = _kinds(column)
    blank = not text.strip()
    if blank and ("null" in kinds or "string" not in kinds):
        return None
    if "string" in kinds or text in column.get("enum", ()):
        return text
    if "boolean" in kinds and text.strip().lower() in ("true", "false"):
        return text.strip().lower() == "true"
    return from_text(text, column)


def unusable(faults: Iterable[Fault], how: str) -> Unparseable:
    """An answer that cannot be used for these reasons; `how` ends the re-ask and says how to answer."""
    all_faults = tuple(faults)
    words = " ".join(fault.ask for fault in all_faults)
    return Unparseable(
        code=all_faults[0].code,
        ask=f"Your answer cannot be used. {words} {how}".strip(),
        detail="; ".join(fault.detail for fault in all_faults),
    )


def type_words(column: Mapping[str, Any]) -> str:
    """A column's type for a model: `string`, `list of integers`, `integer or null`, `one of "a", "b"`."""
    if "enum" in column:
        return "one of " + ", ".join(canonical(value).decode() for value in column["enum"])
    kind = column.get("type")
    if isinstance(kind, list):
        return " or ".join(map(str, kind))
    if kind == "array":
        inner = column.get("items", {}).get("type")
        return f"list of {_PLURALS.get(inner, 'values')}" if isinstance(inner, str) else "list"
    return kind if isinstance(kind, str) else "any JSON value"


def _missing(name: str) -> Fault:
    return Fault("missing_column", f"It lacks '{name}'.", f"{name} is missing")


def _settled(value: Any, column: Mapping[str, Any]) -> Any:
    """Numbers in the kind that the column wants, texts without lone surrogates."""
    if isinstance(value, str):
        return valid_text(value)
    if isinstance(value, list):
        return [_settled(item, column.get("items") or {}) for item in value]
    if isinstance(value, dict):
        inner = column.get("properties") or {}
        return {valid_text(name): _settled(item, inner.get(name) or {}) for name, item in value.items()}
    kinds = _kinds(column)
    if isinstance(value, int) and not isinstance(value, bool) and "number" in kinds and "integer" not in kinds:
        return float(value) if abs(value) < 2**1000 else math.inf
    if isinstance(value, float) and value.is_integer() and "integer" in kinds and "number" not in kinds:
        return int(value)
    return value


def _kinds(column: Mapping[str, Any]) -> Sequence[str]:
    kinds = column.get("type", ())
    return (kinds,) if isinstance(kinds, str) else kinds


def _is_type(value: Any, column: Mapping[str, Any]) -> bool:
    kinds = _kinds(column)
    if not kinds:
        return not isinstance(value, float) or math.isfinite(value)
    return any(_is_kind(value, kind, column) for kind in kinds)


def _is_kind(value: Any, kind: str, column: Mapping[str, Any]) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int):
        return kind in ("integer", "number") and -(2**63) <= value < 2**63
    if isinstance(value, float):
        return kind == "number" and math.isfinite(value)
    if isinstance(value, list):
        return kind == "array" and all(_is_type(item, column.get("items") or {}) for item in value)
    if isinstance(value, str | dict):
        return kind == ("string" if isinstance(value, str) else "object")
    return kind == "null" and value is None


def _needs_text(column: Mapping[str, Any]) -> bool:
    return column.get("minLength") != 0 and not any(isinstance(one, str) and not one for one in column.get("enum", ()))


def _is_plain(schema: Mapping[str, Any]) -> bool:
    return schema.keys() <= _PLAIN_OBJECT and all(
        column.keys() <= _PLAIN and (column.get("items") or {}).keys() <= {"type"}
        for column in schema["properties"].values()
    )


@lru_cache(maxsize=64)
def _validator(schema: bytes, *, formats: bool = False) -> Draft202012Validator:
    from jsonschema import Draft202012Validator, FormatChecker
    from referencing import Registry  # an empty one: a $ref to elsewhere is not fetched

    checker = FormatChecker(FORMATS) if formats else None
    return Draft202012Validator(orjson.loads(schema), registry=Registry(), format_checker=checker)


def _sorted(errors: Iterable[ValidationError]) -> list[ValidationError]:
    return sorted(errors, key=lambda error: (list(map(str, error.absolute_path)), str(error.validator)))


def _fault(error: ValidationError) -> Fault:
    code = _CODES.get(str(error.validator), "breaks_schema")
    path = ".".join(map(str, error.absolute_path)) or "the object"
    rule = canonical({str(error.validator): error.validator_value}).decode()
    return Fault(code, f"'{path}' must keep to {rule}.", f"{path}: {error.message}")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}..."
