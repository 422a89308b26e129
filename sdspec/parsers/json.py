"""One JSON object, however a model wraps it: plain, in a fence, amid prose, alone in a list, or slightly broken."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import orjson
from pydantic import Field

from sdspec.conform import Fault, conform, type_words, unusable
from sdspec.contracts import Parsed, Parser, Several, Unparseable
from sdspec.rows import valid_text
from sdspec.store.jsontext import json_bytes

_EMPTY = Fault("empty", "It is empty.", "the answer is empty")
_NO_JSON = Fault("no_json", "It holds no JSON object.", "no JSON object found")
_NOT_OBJECT = Fault("not_object", "It is JSON, but not an object.", "the JSON is no object")
_SEVERAL = Fault("several_objects", "It holds more than one JSON object.", "more than one JSON object found")
_CUT_OFF = Fault("cut_off", "It ends before the JSON object does. Answer shorter.", "the JSON object does not end")

_NO_ROWS = Fault("no_rows", "It holds no list of JSON objects.", "no list of JSON objects found")
_ROWS = "rows"
"""Key of the list where an answer holds several rows: an answer's JSON is an object, as providers want it."""

_STARTS = 200
"""So many opening braces of a text are tried as the start of an object."""
_LONGEST_REPAIR = 400_000
"""Characters; json-repair takes time that grows faster than the text."""
_DEEPEST_REPAIR = 100
"""Brackets in brackets, for the same reason."""


class Json(Parser):
    """Takes the object out of the answer; orjson reads it, else json-repair does and the row is noted as repaired."""

    repair: bool = Field(True, description="Mend slightly broken JSON; false asks again instead.")

    def parse(self, text: str, schema: Mapping[str, Any]) -> Parsed | Unparseable:
        """The columns of the one object in the text."""
        text = valid_text(text).strip().removeprefix("\ufeff")
        found = _read(text, schema)
        repaired = False
        if found is _NO_JSON and "{" in text:
            found, repaired = _repair(text, schema) if self.repair else _NO_JSON, True
        if isinstance(found, Fault):
            return unusable((found,), self.how_to_answer(schema))
        values = conform(found, schema)
        if isinstance(values, tuple):
            return unusable(values, self.how_to_answer(schema))
        return Parsed(values, repaired)

    def how_to_answer(self, schema: Mapping[str, Any]) -> str:
        """Names the keys with their types."""
        required = frozenset(schema.get("required", ()))
        keys = ", ".join(
            f"{name} ({_key_words(column)}{'' if name in required else ', optional'})"
            for name, column in schema["properties"].items()
        )
        key = "key" if len(schema["properties"]) == 1 else "keys"
        return f"Answer with one JSON object with the {key} {keys} and nothing else."

    def native_schema(self, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The schema as it is."""
        return schema

    def several(self, schema: Mapping[str, Any], count: int) -> Several:
        """One object, `{"rows": [...]}`."""
        return JsonRows(self, schema, count)


@dataclass(frozen=True)
class JsonRows(Several):
    """A list of objects under the key `rows`; a list alone, objects amid prose or one below the other are taken too."""

    parser: Json
    schema: Mapping[str, Any]
    """Of one row."""
    count: int

    def parse(self, text: str) -> list[Parsed | Unparseable] | Unparseable:
        """The rows in their order; of an answer that was cut off those that are whole."""
        text = valid_text(text).strip().removeprefix("\ufeff")
        found, repaired = _read_rows(text), False
        if found is None:
            found = _amid_prose(text, self.schema)
            mended = _repaired_rows(text) if self.parser.repair and "{" in text else []
            if repaired := len(mended) > len(found):
                found = mended
        if not found:
            return unusable((_NO_ROWS if text else _EMPTY,), self.how_to_answer())
        return [self._row(one, repaired) for one in found]

    def _row(self, found: Any, repaired: bool) -> Parsed | Unparseable:
        values = conform(found, self.schema) if isinstance(found, dict) else (_NOT_OBJECT,)
        return Parsed(values, repaired) if isinstance(values, dict) else unusable(values, self.how_to_answer())

    def how_to_answer(self) -> str:
        """Names the list's key, how many rows, and the keys of each."""
        each = self.parser.how_to_answer(self.schema)
        keys = each.removeprefix("Answer with one JSON object with the ").removesuffix(" and nothing else.")
        return (
            f'Answer with one JSON object with the key "{_ROWS}", a list of {self.count} different objects, '
            f"each with the {keys}, and nothing else."
        )

    def native_schema(self) -> Mapping[str, Any]:
        """The object with its list; a row's `$defs` stand at the top, where references find them."""
        row = {key: value for key, value in self.schema.items() if key != "$defs"}
        rows = {"type": "array", "items": row, "minItems": self.count, "maxItems": self.count}
        top = {"type": "object", "properties": {_ROWS: rows}, "required": [_ROWS], "additionalProperties": False}
        return {**top, "$defs": self.schema["$defs"]} if "$defs" in self.schema else top


def _read_rows(text: str) -> Sequence[Any] | None:
    """The rows of a text that is valid JSON as a whole; None where it is not."""
    for whole in (text, _unfenced(text)):
        try:
            return _rows_in(orjson.loads(whole))
        except orjson.JSONDecodeError:
            continue
    return None


def _repaired_rows(text: str) -> Sequence[Any]:
    span = _unfenced(text)
    open_brackets, quoted = _state(span)
    return _rows_in(_mended(span)) if _is_closed(span, open_brackets, quoted) else []


def _rows_in(value: Any) -> list[Any]:
    """The list that a JSON value is or holds as its only list of objects; an object that holds none is one row."""
    if isinstance(value, list):
        return value
    if not isinstance(value, dict):
        return []
    if isinstance(value.get(_ROWS), list):
        return list(value[_ROWS])
    lists = [one for one in value.values() if isinstance(one, list) and one and isinstance(one[0], dict)]
    return lists[0] if len(lists) == 1 and len(value) == 1 else [value]


def _key_words(column: Mapping[str, Any]) -> str:
    return type_words(column) + (f": {column['description']}" if "description" in column else "")


def _read(text: str, schema: Mapping[str, Any]) -> dict[str, Any] | Fault:
    """The object, where it stands in the text as valid JSON."""
    if not text:
        return _EMPTY
    for whole in (text, _unfenced(text)):
        try:
            return _one(orjson.loads(whole))
        except orjson.JSONDecodeError:
            continue
    found = {json_bytes(one): one for one in _amid_prose(text, schema)}
    if len(found) > 1:
        return _SEVERAL
    return next(iter(found.values()), _NO_JSON)


def _one(value: Any) -> dict[str, Any] | Fault:
    if isinstance(value, dict):
        return value
    objects = [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
    if len(objects) > 1:
        return _SEVERAL
    return objects[0] if objects and len(value) == 1 else _NOT_OBJECT


def _unfenced(text: str) -> str:
    """What stands between the first ``` and the last, where there are any."""
    before, fence, rest = text.partition("```")
    if not fence or "{" in before:  # a fence behind a brace stands in a string
        return text
    body, fence, _ = rest.rpartition("```")
    return re.sub(r"\A[A-Za-z0-9_]*\s", "", body if fence else rest).strip()


def _amid_prose(text: str, schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The outermost objects that are valid JSON and have all required columns."""
    wanted = frozenset(schema.get("required", ())) or frozenset(schema["properties"])
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder(parse_constant=_refuse)
    at = text.find("{")
    for _ in range(_STARTS):
        if at < 0:
            break
        end = at + 1
        try:
            value, after = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            pass
        else:
            if wanted <= value.keys():
                found.append(value)
                end = after
        at = text.find("{", end)
    return found


def _refuse(constant: str) -> Any:
    raise ValueError(constant)  # NaN and infinities are no JSON


def _repair(text: str, schema: Mapping[str, Any]) -> dict[str, Any] | Fault:
    """The object, mended; a fault where it is cut off, or where its keys were not written as keys."""
    body = _unfenced(text)
    if "{" not in body:
        return _NO_JSON
    span = body[body.index("{") :]
    open_brackets, quoted = _state(span)
    if not _is_closed(span, open_brackets, quoted):
        return _CUT_OFF
    if not open_brackets:
        span = span[: span.rfind("}") + 1] or span
    try:
        value = json.JSONDecoder(strict=False, parse_constant=_refuse).decode(span)  # line breaks inside strings
    except (ValueError, RecursionError):
        value = _mended(span)
    found = _one(value)
    if isinstance(found, Fault):
        return _NO_JSON if found is _NOT_OBJECT else found
    written = {name: one for name, one in found.items() if name in schema["properties"] and _is_key(name, span)}
    return written or _NO_JSON


def _mended(span: str) -> Any:
    import json_repair

    steps = (1 if sign in "{[" else -1 for sign in re.findall(r"[{}\[\]]", span))
    if len(span) > _LONGEST_REPAIR or max(accumulate(steps), default=0) > _DEEPEST_REPAIR:
        return None
    try:
        return json_repair.loads(span, skip_json_loads=True)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError):  # it promises nothing about raising
        return None


def _is_key(name: str, span: str) -> bool:
    """True where the text has the name as a key: quoted, or bare behind a brace or a comma. Prose has `name: ...`."""
    name = re.escape(name)
    return re.search(rf"""["'\u201c\u201d]{name}["'\u201c\u201d]\s*:|[{{,]\s*{name}\s*:""", span) is not None


def _is_closed(span: str, open_brackets: int, quoted: bool) -> bool:
    """True unless the text ends amid a value: then what is there may be half of it, and must not be taken for whole.

    Only the last closing brace may be missing.
    """
    if quoted:  # or a stray quote made it seem so: then a quote and the closing brackets end the text
        return re.search(r'(?<!\\)"\s*[\]}]+\s*\Z', span) is not None
    return open_brackets == 0 or (open_brackets == 1 and re.search(r'["\]}]\s*\Z', span) is not None)


def _state(span: str) -> tuple[int, bool]:
    """How many brackets are open where the text, or its first object, ends, and whether that is inside a string."""
    depth, quoted = 0, False
    for sign in re.findall(r'\\.|["{}\[\]]', span, re.DOTALL):
        if sign == '"':
            quoted = not quoted
        elif not quoted and sign in "{[":
            depth += 1
        elif not quoted and sign in "}]":
            depth -= 1
            if depth == 0:
                return 0, False
    return depth, quoted
