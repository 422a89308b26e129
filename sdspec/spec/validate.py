"""Checks composed data against the models: every error located, in our words, its key back at its default."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from sdspec.spec.finding import Finding
from sdspec.spec.models import SpecConfig
from sdspec.spec.nearest import nearest_key
from sdspec.spec.settings import Setting, find, plain
from sdspec.spec.spec import Key, Origin, dotted

PLACEHOLDERS: Mapping[str, Any] = {
    "provider": {"kind": "local"},
    "model": {"id": "missing"},
    "template": {"prompt": "", "output": {}},
    "workflow": {},
    "kind": "missing",
    "id": "missing",
    "prompt": "",
    "output": {},
}
"""What stands for a required key that is missing, so that the rest of the spec can still be checked."""

_NEEDED = {
    "string_type": "a text is needed",
    "int_type": "a whole number is needed",
    "int_parsing": "a whole number is needed",
    "int_from_float": "a whole number is needed",
    "int_parsing_size": "a smaller number is needed",
    "float_type": "a number is needed",
    "float_parsing": "a number is needed",
    "finite_number": "a finite number is needed",
    "model_type": "a mapping (key: value) is needed",
    "model_attributes_type": "a mapping (key: value) is needed",
    "mapping_type": "a mapping (key: value) is needed",
    "dict_type": "a mapping (key: value) is needed",
    "tuple_type": "a list is needed",
    "list_type": "a list is needed",
}
_BOUNDS = {
    "greater_than_equal": ("ge", "must be at least"),
    "less_than_equal": ("le", "must be at most"),
    "greater_than": ("gt", "must be more than"),
    "less_than": ("lt", "must be less than"),
}
_PATTERNS = {"name": "letters, digits, '.', '_' and '-' are allowed, a letter or digit first"}


def check(data: Mapping[str, Any], tree: Setting) -> tuple[SpecConfig | None, list[Finding]]:
    """The config, or None with what is wrong with it; `tree` holds the same keys as they were written."""
    try:
        config = SpecConfig.model_validate(data)
    except ValidationError as error:
        findings: list[Finding] = []
        for item in error.errors(include_url=False, include_input=False):
            findings += _findings(tuple(item["loc"]), item["type"], item.get("ctx", {}), item["msg"], tree)
        return None, findings
    findings = [_truth_value(key, tree) for key in _truth_values(config, data, ())]
    return (None, findings) if findings else (config, [])


def _findings(loc: Key, kind: str, context: Mapping[str, Any], message: str, tree: Setting) -> list[Finding]:
    key = tuple(part for part in loc if part != "[key]")
    if kind == "extra_forbidden":
        model = _model_at(key[:-1])
        hint = nearest_key(key, list(model.model_fields) if model else [], tree)
        found = find(tree, key)
        places = found.places if found else ()
        what = f"{dotted(key)}: unknown key."
        return [Finding(place.origin, what, hint, key) for place in places] or [Finding(Origin(None), what, hint, key)]
    if kind == "missing":
        return [Finding(origin_near(tree, key), f"{dotted(key)}: must be set.", description(key), key)]
    got = f"got {_brief(find(tree, key))}"
    if kind in _BOUNDS:
        bound, words = _BOUNDS[kind]
        what = f"{dotted(key)}: {words} {context[bound]:g}, {got}."
    elif kind == "string_pattern_mismatch":
        what = f"{dotted(key)}: {_PATTERNS.get(str(key[-1]), 'has a wrong form')}, {got}."
    elif kind == "literal_error":
        what = f"{dotted(key)}: must be {context['expected']}, {got}."
    elif kind == "invalid_key":
        what = f"{dotted(key)}: a key must be a text."
    else:
        what = f"{dotted(key)}: {_NEEDED.get(kind, message.removeprefix('Value error, '))}, {got}."
    return [Finding(origin_near(tree, key), what, _quoting(kind, find(tree, key)), key)]


def origin_near(tree: Setting, key: Key) -> Origin:
    """Where the key, or else its nearest parent below the root, was set."""
    while key:
        if found := find(tree, key):
            return found.places[-1].origin
        key = key[:-1]
    return Origin(None)


def _quoting(kind: str, found: Setting | None) -> str:
    if kind != "string_type" or found is None or isinstance(found.value, dict | list | None.__class__):
        return ""
    return (
        "Quote it." if not isinstance(found.value, bool) else "Quote it: yes, no, on and off are truth values in YAML."
    )


def _brief(found: Setting | None) -> str:
    if found is None or found.value is None:
        return "nothing (null)"
    if isinstance(found.value, dict):
        return "a mapping"
    if isinstance(found.value, list):
        return "a list"
    value = plain(found)
    text = repr(value) if isinstance(value, str) else str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _inner(annotation: Any, part: str | int) -> Any:
    """The annotation of a child: of a field, of a mapping's value, of a list's item; None where all is free."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        field = annotation.model_fields.get(str(part))
        return field.annotation if field else None
    arguments = [a for a in get_args(annotation) if a not in (type(None), Ellipsis)]
    if not arguments:
        return None
    if type(None) in get_args(annotation):
        return _inner(arguments[0], part)
    return arguments[-1]


def _model_at(key: Key) -> type[BaseModel] | None:
    annotation: Any = SpecConfig
    for part in key:
        annotation = _inner(annotation, part)
    candidates = [annotation, *get_args(annotation)]
    return next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), None)


def description(key: Key) -> str:
    """What the models say of a key; empty where it is free."""
    model = _model_at(key[:-1])
    field = model.model_fields.get(str(key[-1])) if model else None
    return field.description or "" if field else ""


def _truth_values(model: BaseModel, data: Mapping[str, Any], key: Key) -> Iterator[Key]:
    """Keys of numbers that were written as truth values: pydantic takes `true` for 1."""
    for name in type(model).model_fields:
        value, typed = data.get(name), getattr(model, name)
        here = (*key, name)
        if isinstance(value, bool) and isinstance(typed, int | float) and not isinstance(typed, bool):
            yield here
        elif isinstance(value, Mapping) and isinstance(typed, BaseModel):
            yield from _truth_values(typed, value, here)
        elif isinstance(value, Mapping) and isinstance(typed, Mapping):
            for child, item in typed.items():
                if isinstance(item, BaseModel) and isinstance(value[child], Mapping):
                    yield from _truth_values(item, value[child], (*here, child))


def _truth_value(key: Key, tree: Setting) -> Finding:
    what = f"{dotted(key)}: a number is needed, got {_brief(find(tree, key))}."
    return Finding(origin_near(tree, key), what, key=key)
