"""Turns `output: {question: str}` (or a JSON Schema) into an answer's schema and the dataset's columns."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from sdspec.conform import schema_problems
from sdspec.contracts import Parser
from sdspec.errors import did_you_mean
from sdspec.plan.draft import Draft
from sdspec.plan.plan import kind_of
from sdspec.spec.spec import Key

SCALARS = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
TYPES = (*SCALARS, *(f"list[{name}]" for name in SCALARS), "json")
KEY: Key = ("template", "output")
RESERVED = ("seed", "examples", "per_call")


def shape_output(draft: Draft) -> None:
    """`schema` and `output` are there; a column of a wrong type takes any value, so that later passes see it."""
    output = draft.spec.config.template.output
    if draft.spec.is_bad(*KEY):
        return
    schema = copy.deepcopy(dict(output)) if _is_schema(output) else _from_types(draft, output)
    if not schema.get("properties"):
        draft.problem(KEY, "an output needs at least one column.", "E.g. {question: str, solution: str}.")
        return
    for name in list(schema.get("properties", {})):
        if name in RESERVED or str(name).startswith("_"):
            draft.problem((*KEY, name), "this name is taken by sdspec.", "Choose another column name.")
            del schema["properties"][name]
            schema["required"] = [one for one in schema.get("required", []) if one != name]
    if not _is_schema(output) or _is_right(draft, schema):
        draft.schema = schema
    draft.output = {name: _type(spec) for name, spec in schema.get("properties", {}).items()}
    if draft.dedup is not None and not draft.dedup.columns:
        draft.dedup = draft.dedup.model_copy(update={"columns": tuple(draft.output)})
    if draft.parser and draft.schema:
        _check_parser(draft, draft.parser, draft.schema)


def _check_parser(draft: Draft, parser: Parser, schema: Mapping[str, Any]) -> None:
    for text in parser.problems(schema):
        draft.problem(("template", "parse"), text)
    count = draft.spec.config.workflow.per_call
    if count > 1 and parser.several(schema, count) is None:
        what = f"{count} rows from one answer, and parse {kind_of(parser)!r} reads one row per answer."
        draft.problem(("workflow", "per_call"), what, "Set it to 1, or parse json, tags or regex.")


def _is_schema(output: Mapping[str, Any]) -> bool:
    return output.get("type") == "object" and isinstance(output.get("properties"), Mapping)


def _from_types(draft: Draft, output: Mapping[str, Any]) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for name, written in output.items():
        if written not in TYPES:
            hint = did_you_mean(str(written), TYPES)
            draft.problem((*KEY, name), f"{written!r} is no column type.", hint)
        if written == "json" or written not in TYPES:
            properties[name] = {}
        elif written in SCALARS:
            properties[name] = {"type": SCALARS[written]}
        else:
            properties[name] = {"type": "array", "items": {"type": SCALARS[written[5:-1]]}}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _is_right(draft: Draft, schema: Mapping[str, Any]) -> bool:
    """True for a valid JSON Schema that refers to nothing outside of it."""
    found = schema_problems(schema)
    for problem in found:
        draft.problem((*KEY, *problem.path), problem.what, problem.hint)
    return not found


def _type(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    names = {json_type: name for name, json_type in SCALARS.items()}
    if isinstance(kind, str) and kind in names:
        return names[kind]
    if kind == "array" and isinstance(item := schema.get("items", {}).get("type"), str) and item in names:
        return f"list[{names[item]}]"
    return "json"
