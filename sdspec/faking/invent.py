"""A value that a JSON Schema allows, drawn from a random generator: what provider `fake` says when nobody told it."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from typing import Any

_WORDS = (
    *("amber", "basin", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "jasper", "kernel"),
    *("lantern", "meadow", "nectar", "orchid", "pebble", "quartz", "river", "summit", "timber", "umbra"),
    *("valley", "willow", "xenon", "yonder", "zephyr"),
)

_DEEPEST = 6
"""Below this depth optional properties and array items end: a schema may refer to itself."""

_FORMATS = {
    "date": "20{:02d}-0{}-1{}",
    "time": "1{1}:2{2}:0{1}Z",
    "date-time": "20{:02d}-0{}-1{}T10:00:00Z",
    "email": "user{}{}{}@example.com",
    "uri": "https://example.com/{}/{}/{}",
    "uuid": "{:02d}000000-0000-4000-8000-0000000000{}{}",
}


def invent(schema: Mapping[str, Any], rng: random.Random, name: str = "value") -> Any:
    """A value for the schema; equal generators give equal values. `pattern` is not followed."""
    return _invent(schema, rng, name, schema, 0)


def sentence(rng: random.Random, name: str = "answer") -> str:
    """Three words and eight hex digits: two draws hardly ever agree."""
    words = " ".join(_WORDS[int(rng.random() * len(_WORDS))] for _ in range(3))
    return f"{name} {words} {int(rng.random() * 0x100000000):08x}"


def _invent(schema: Any, rng: random.Random, name: str, root: Mapping[str, Any], depth: int) -> Any:
    if not isinstance(schema, Mapping):  # `true` allows anything
        return sentence(rng, name)
    if "$ref" in schema:
        return _invent(_resolved(str(schema["$ref"]), root), rng, name, root, depth + 1)
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return _one_of(schema["enum"], rng)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            options = [option for option in schema[choice] if option != {"type": "null"}] or schema[choice]
            rest = {key: value for key, value in schema.items() if key != choice}
            picked = options[-1] if depth > _DEEPEST else _one_of(options, rng)
            return _invent({**rest, **picked} if isinstance(picked, Mapping) else rest, rng, name, root, depth + 1)
    if "allOf" in schema:
        return _invent(_merged(schema, root), rng, name, root, depth + 1)
    return _of_kind(_kind(schema), schema, rng, name, root, depth)


def _of_kind(
    kind: str, schema: Mapping[str, Any], rng: random.Random, name: str, root: Mapping[str, Any], depth: int
) -> Any:
    if kind == "object":
        required = set(schema.get("required", ()))
        return {
            key: _invent(value, rng, key, root, depth + 1)
            for key, value in schema.get("properties", {}).items()
            if key in required or depth < _DEEPEST
        }
    if kind == "array":
        return _array(schema, rng, name, root, depth)
    if kind == "integer":
        return _integer(schema, rng)
    if kind == "number":
        low, high = _bounds(schema, 0.0, 100.0, 1e-3)
        return min(high, max(low, round(low + (high - low) * rng.random(), 3)))
    if kind == "boolean":
        return rng.random() < 0.5
    return None if kind == "null" else _string(schema, rng, name)


def _array(schema: Mapping[str, Any], rng: random.Random, name: str, root: Mapping[str, Any], depth: int) -> list[Any]:
    low = int(schema.get("minItems", 0))
    high = int(schema.get("maxItems", max(low, 3)))
    count = low if depth > _DEEPEST else max(low, min(high, 1 + int(rng.random() * 3)))
    prefix = list(schema.get("prefixItems", ()))
    items = prefix[:count] + [schema.get("items", {"type": "string"})] * (count - len(prefix))
    values = [_invent(item, rng, name, root, depth + 1) for item in items]
    if not schema.get("uniqueItems"):
        return values
    return [value for index, value in enumerate(values) if value not in values[:index]]


def _integer(schema: Mapping[str, Any], rng: random.Random) -> int:
    low, high = _bounds(schema, 0, 100, 1)
    step = int(schema.get("multipleOf", 1))
    first, last = math.ceil(low / step), math.floor(high / step)
    return (first + int(rng.random() * (last - first + 1))) * step


def _bounds(schema: Mapping[str, Any], low: float, high: float, step: float) -> tuple[float, float]:
    """Lowest and highest allowed value; where only one end is given the other lies `high - low` away."""
    span = high - low
    lows = [schema["minimum"]] if "minimum" in schema else []
    highs = [schema["maximum"]] if "maximum" in schema else []
    lows += [schema["exclusiveMinimum"] + step] if "exclusiveMinimum" in schema else []
    highs += [schema["exclusiveMaximum"] - step] if "exclusiveMaximum" in schema else []
    if lows and highs:
        return max(lows), min(highs)
    if lows:
        return max(lows), max(lows) + span
    return (min(highs) - span, min(highs)) if highs else (low, high)


def _string(schema: Mapping[str, Any], rng: random.Random, name: str) -> str:
    if layout := _FORMATS.get(schema.get("format", "")):
        return layout.format(*(1 + int(rng.random() * 9) for _ in range(3)))
    text = sentence(rng, name)
    while len(text) < int(schema.get("minLength", 0)):
        text += f" {_one_of(_WORDS, rng)}"
    longest = schema.get("maxLength")
    return text if longest is None or len(text) <= longest else text[len(text) - int(longest) :]


def _one_of(options: Sequence[Any], rng: random.Random) -> Any:
    return options[int(rng.random() * len(options))]


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if isinstance(kind, Sequence) and not isinstance(kind, str):
        return next((str(one) for one in kind if one != "null"), "null")
    return str(kind) if kind else "object" if "properties" in schema else "string"


def _merged(schema: Mapping[str, Any], root: Mapping[str, Any]) -> dict[str, Any]:
    """One schema for `allOf`: properties and requirements joined, other keywords of later parts win."""
    merged: dict[str, Any] = {key: value for key, value in schema.items() if key != "allOf"}
    for part in schema["allOf"]:
        found = _resolved(part["$ref"], root) if "$ref" in part else part
        properties = {**merged.get("properties", {}), **found.get("properties", {})}
        required = [*merged.get("required", ()), *found.get("required", ())]
        merged |= dict(found)
        merged |= {"properties": properties, "required": required} if properties else {}
    return merged


def _resolved(pointer: str, root: Mapping[str, Any]) -> Any:
    """What a `#/$defs/Name` refers to (RFC 6901)."""
    found: Any = root
    for part in pointer.removeprefix("#").strip("/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")] if part else found
    return found
