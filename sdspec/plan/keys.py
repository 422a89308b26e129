"""What is known of every key of a spec: its type, default, bounds and description, from models and bound parts."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from sdspec.contracts import Part
from sdspec.plan.passes.lower_workflow import WORKFLOWS
from sdspec.plan.passes.shape_output import TYPES
from sdspec.registry import SHELVES, find, kinds
from sdspec.spec.models import PartSpec, SpecConfig
from sdspec.spec.spec import Key

ANY = "*"
PARTS: Mapping[Key, str] = {
    ("provider",): "providers",
    ("providers", ANY): "providers",
    ("template", "parse"): "parsers",
    ("template", "checks", ANY): "checks",
    ("workflow", "dedup"): "dedups",
    ("evaluation", ANY): "judges",
    ("export", ANY, "packer"): "packers",
}
"""Where a part stands, and on which shelf it is found; the schema stops with a KeyError where the models know more."""

WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "null"}
_BOUNDS = {"ge": "at least", "gt": "more than", "le": "at most", "lt": "less than"}


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one key."""

    description: str = ""
    type: str = "anything"
    """`number or null`"""
    required: bool = False
    default: Any = None
    """Where it is not required."""
    bounds: str = ""
    """`at least 0, at most 2`"""
    allowed: tuple[str, ...] = ()
    """The only values there are; empty where there are others."""
    children: tuple[str, ...] = ()
    """Keys that may stand below it, in their order."""
    named: bool = True
    """False for an item of a list, a column, a variable: nothing of ours has this very key, so it has no default."""
    free: bool = False
    """True where any name may stand below it: columns, variables, named models."""


@dataclass(frozen=True, slots=True)
class _Node:
    """A place on the way: what its value is, and the field that says more of it."""

    annotation: Any
    field: FieldInfo | None = None
    shelf: str = ""
    """Of a part."""
    kind: str = ""


def known(key: Key, config: SpecConfig) -> Known | None:
    """What is known of a key; None where no such key can be. Parts are those that the config names."""
    node = _Node(SpecConfig)
    for depth, part in enumerate(key):
        below = _below(node, part, key[: depth + 1], config)
        if below is None:
            return None
        node = below
    allowed = _allowed(node, key, config)
    fields = _fields(node)
    field = node.field
    required = field is not None and field.is_required()
    return Known(
        description=_description(node),
        type="one of these" if allowed else _words(node.annotation),
        required=required,
        default=None if field is None or required else _plain(field.get_default(call_default_factory=True)),
        bounds=_bounds(field.metadata if field else ()),
        allowed=allowed,
        children=() if fields is None else tuple(fields),
        named=field is not None,
        free=fields is None and _inner(node.annotation, None) is not None,
    )


def _below(node: _Node, part: str | int, key: Key, config: SpecConfig) -> _Node | None:
    if node.shelf and part == "kind":
        return _Node(str, PartSpec.model_fields["kind"])
    fields = _fields(node)
    if fields is not None:
        field = fields.get(str(part))
        return None if field is None else _part_at(_Node(field.annotation, field), key, config)
    inner = _inner(node.annotation, part)
    return None if inner is None else _part_at(_Node(inner), key, config)


def _part_at(node: _Node, key: Key, config: SpecConfig) -> _Node:
    shelf = next((shelf for at, shelf in PARTS.items() if _matches(key, at)), "")
    if not shelf or _model(node.annotation) is not PartSpec:
        return node
    return _Node(node.annotation, node.field, shelf, _kind(key, config))


def _matches(key: Key, pattern: Key) -> bool:
    return len(key) == len(pattern) and all(part in (ANY, given) for given, part in zip(key, pattern, strict=True))


def _kind(key: Key, config: SpecConfig) -> str:
    found: Any = config
    for part in key:
        if isinstance(found, BaseModel):
            found = getattr(found, str(part), None)
        elif isinstance(found, Mapping):
            found = found.get(part)
        else:
            found = found[part] if isinstance(found, tuple) and isinstance(part, int) and part < len(found) else None
    return found.kind if isinstance(found, PartSpec) else ""


def _class(node: _Node) -> type[Part] | None:
    return find(node.shelf, node.kind) if node.shelf in SHELVES and node.kind in kinds(node.shelf) else None


def _fields(node: _Node) -> Mapping[str, FieldInfo] | None:
    """The keys below a model or a part; None where what is below has no names of ours."""
    if node.shelf:
        part = _class(node)
        fields = {info.alias or name: info for name, info in part.model_fields.items()} if part else {}
        return {"kind": PartSpec.model_fields["kind"], **fields}
    model = _model(node.annotation)
    return None if model is None else model.model_fields


def _alternatives(annotation: Any) -> tuple[Any, ...]:
    """`Annotated[X | Y | None, ...]` -> X, Y, None"""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _alternatives(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return tuple(one for part in get_args(annotation) for one in _alternatives(part))
    return (annotation,)


def _model(annotation: Any) -> type[BaseModel] | None:
    models = (one for one in _alternatives(annotation) if isinstance(one, type) and issubclass(one, BaseModel))
    return next(models, None)


def _inner(annotation: Any, part: str | int | None) -> Any:
    """Of `Mapping[str, X]`, and for a position of `tuple[X, ...]`, X; None where nothing can be below."""
    for one in _alternatives(annotation):
        if one is Any:
            return Any
        origin = get_origin(one)
        wanted = (tuple, list, frozenset) if isinstance(part, int) else (Mapping,)
        if isinstance(origin, type) and issubclass(origin, wanted):
            return [argument for argument in get_args(one) if argument is not Ellipsis][-1]
    return None


def _allowed(node: _Node, key: Key, config: SpecConfig) -> tuple[str, ...]:
    if get_origin(node.annotation) is Literal:
        return tuple(map(str, get_args(node.annotation)))
    shelf = next((shelf for at, shelf in PARTS.items() if _matches(key, (*at, "kind"))), None)
    if shelf is not None:
        return kinds(shelf) if shelf in SHELVES else ()
    if _matches(key, ("export", ANY, "format")):
        return kinds("exporters")
    if key == ("workflow", "kind"):
        return tuple(WORKFLOWS)
    if _matches(key, ("template", "output", ANY)) and key[-1] in config.template.output:
        return TYPES
    return ()


def _description(node: _Node) -> str:
    part = _class(node) if node.shelf else None
    said = node.field.description or "" if node.field is not None else ""
    own = (part.__doc__ or "").strip().split("\n")[0] if part is not None else ""
    return f"{said} {node.kind}: {own}".strip() if own else said


def _words(annotation: Any) -> str:
    """`float | None` -> `number or null`"""
    return " or ".join(dict.fromkeys(map(_word, _alternatives(annotation))))


def _word(one: Any) -> str:
    origin = get_origin(one) or one
    if origin in WORDS:
        return WORDS[origin]
    if origin is Any or not isinstance(origin, type):
        return "anything"
    return "mapping" if issubclass(origin, BaseModel | Mapping) else "list"


def _bounds(metadata: Iterable[Any]) -> str:
    found = []
    for limit in metadata:
        for name, words in _BOUNDS.items():
            if (bound := getattr(limit, name, None)) is not None:
                found.append(f"{words} {bound:g}")
        if (pattern := getattr(limit, "pattern", None)) is not None:
            found.append(f"of the form {pattern}")
    return ", ".join(found)


def _plain(value: Any) -> Any:
    """A default as it would be written."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | frozenset):
        return [_plain(one) for one in value]
    return value
