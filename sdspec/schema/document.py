"""The JSON Schema of a spec file, for editors: every key that `load` takes, with its description and its bounds.

A spec file is a layer over conf/, so no key must be there. The models and the parts say what there is; the folders of
options say which options a defaults list can choose.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import orjson

from sdspec.plan.keys import ANY, PARTS
from sdspec.plan.passes.lower_workflow import WORKFLOWS
from sdspec.plan.passes.read_template import DRAWN
from sdspec.plan.passes.shape_output import RESERVED, TYPES
from sdspec.registry import kinds
from sdspec.schema.layered import LATER, Layered, Node, one_of, or_later
from sdspec.schema.parts import Parts, Slot
from sdspec.spec.alternatives import PAIRS
from sdspec.spec.find import ROOT
from sdspec.spec.layers import REPLACE
from sdspec.spec.models import SpecConfig
from sdspec.spec.spec import Key

REFRESH = "sdspec schema -o specs/.schema.json"
"""Writes the schema where `sdspec new` puts it."""

BY_NAME = ("parsers", "packers")
"""Shelves whose parts a text alone can name: `parse: json`."""

WHOLE = ("checks",)
"""Shelves whose parts stand in a list: no lower layer is merged in."""


def spec_schema(options: Mapping[str, Sequence[str]]) -> Node:
    """The schema of a spec file whose defaults list can choose these options, by group."""
    parts = Parts()
    found = SpecConfig.model_json_schema()
    root = Layered(found.get("$defs", {}), _special(parts)).node(found)
    for first, second in PAIRS:
        _exclude(root, first, second)
    properties = {
        "defaults": _defaults(options),
        REPLACE: {
            "description": "true: the top-level keys of this file replace what lies below, and are not merged with it.",
            "type": "boolean",
        },
        "hydra": {
            "description": "Hydra's own settings: sweeps, launchers, where configs are looked for.",
            "type": "object",
        },
        **root["properties"],
    }
    about = "A spec, a layer over conf/: what it leaves out comes from the options of its defaults list."
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "sdspec",
        "description": f"{about} Write this schema again after adding options or installing parts: {REFRESH}",
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "definitions": {
            **{f"options.{group}": _option(group, options[group]) for group in sorted(options)},
            **{name: parts.definitions[name] for name in sorted(parts.definitions)},
        },
    }


def schema_text(schema: Node) -> str:
    """The schema as the file that editors read: equal schemas give equal bytes."""
    return orjson.dumps(schema, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def _special(parts: Parts) -> dict[Key, Callable[[Node], Node]]:
    """What is known of single keys beyond their type."""

    def special(shelf: str) -> Callable[[Node], Node]:
        slot = Slot(shelf, by_name=shelf in BY_NAME, whole=shelf in WHOLE)
        return lambda said: parts.slot(slot, said)

    return {
        **{path: special(shelf) for path, shelf in PARTS.items()},
        ("template", "variables", ANY): lambda said: {**said, **_variable()},
        ("template", "variables"): lambda said: {**said, **_variables()},
        ("template", "output"): lambda said: {**said, **_output()},
        ("workflow", "kind"): lambda said: {**said, **one_of(sorted(WORKFLOWS))},
        ("export", ANY, "format"): lambda said: {**said, **one_of(list(kinds("exporters")))},
    }


def _exclude(root: Node, first: Key, second: Key) -> None:
    """One file sets only one of the two keys; null and an empty list set nothing."""
    parent = root
    for name in first[:-1]:
        parent = parent["properties"][name]
    one, other = str(first[-1]), str(second[-1])
    nothing: list[Any] = [None, []]
    is_set = {"type": "object", "required": [one], "properties": {one: {"not": {"enum": nothing}}}}
    about = f"'{one}' is set too: keep one of the two."
    only = {"properties": {other: {"enum": nothing, "errorMessage": about}}}
    parent.setdefault("allOf", []).append({"if": is_set, "then": only})


def _variables() -> Node:
    return or_later({"type": "object", "propertyNames": _not_taken(), "additionalProperties": _variable()})


def _variable() -> Node:
    later = {"type": "string", "pattern": LATER}
    weight = {"type": ["number", "string"], "minimum": 0, "pattern": LATER}
    weights = {"type": "object", "minProperties": 1, "additionalProperties": weight}
    some_weight = {"not": {"type": "object", "additionalProperties": {"const": 0}}}
    drawn = {
        "choice": {
            "description": "Drawn per row: one of a list, or one of a mapping of values to their weights.",
            "anyOf": [{"type": "array", "minItems": 1}, {**weights, **some_weight}, later],
        },
        "range": {
            "description": "[low, high]: a whole number drawn per row, both ends included.",
            "type": "array",
            "minItems": 2,
            "maxItems": 2,
            "items": or_later({"type": "integer"}),
        },
    }
    return {
        "description": "A value, or {choice: ...} or {range: [low, high]}, which is drawn anew for each row.",
        "allOf": [
            {
                "if": {"type": "object", "maxProperties": 1, "required": [word]},
                "then": {"properties": {word: drawn[word]}},
            }
            for word in DRAWN
        ],
    }


def _output() -> Node:
    """Columns with type words; or, where it looks like one, a JSON Schema, which is free here."""
    is_schema = {
        "required": ["type", "properties"],
        "properties": {"type": {"const": "object"}, "properties": {"type": "object"}},
    }
    columns = {
        "minProperties": 1,
        "propertyNames": _not_taken("|_"),
        "additionalProperties": {"description": "The column's type.", **one_of(list(TYPES))},
    }
    return {**or_later({"type": "object"}), "if": {"type": "object", **is_schema}, "else": columns}


def _not_taken(more: str = "") -> Node:
    message = "This name is taken by sdspec."
    return {"pattern": f"^(?!(?:{'|'.join(RESERVED)})${more})", "patternErrorMessage": message}


def _option(group: str, names: Sequence[str]) -> Node:
    """The choice of an option of a group, or of a list of them."""
    one: Node = {"anyOf": [{"enum": list(names)}, {"type": ["string", "null"], "pattern": LATER}]}
    several = {"type": "array", "items": one}
    return {"description": f"An option of conf/{group}.", "anyOf": [*one["anyOf"], several]}


def _defaults(groups: Iterable[str]) -> Node:
    """The defaults list: what this file is built on, and which options it chooses."""
    choices = {group: {"$ref": f"#/definitions/options.{group.replace('/', '~1')}"} for group in groups}
    before = "^((override|optional) +)*/?"
    patterns = {f"{before}{re.escape(group)}(@[A-Za-z0-9_.]+)?$": choice for group, choice in choices.items()}
    entry = {
        "type": "object",
        "minProperties": 1,
        "maxProperties": 1,
        "properties": {f"override /{group}": choice for group, choice in choices.items()},
        "patternProperties": {**patterns, f"{before}hydra/": {}},
        "additionalProperties": False,
    }
    about = "What this file is built on, lowest first: the packaged root, options, and `_self_` for the file itself."
    return {
        "description": about,
        "type": "array",
        "items": {"anyOf": [{"enum": [f"/{ROOT}", "_self_"]}, {"type": "string"}, entry]},
        "default": [f"/{ROOT}", "_self_"],
    }
