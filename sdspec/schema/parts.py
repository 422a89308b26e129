"""The schemas of parts: each kind of a shelf with its own keys, and the places of a spec that take a part."""

from __future__ import annotations

from dataclasses import dataclass, field

from pydantic.errors import PydanticInvalidForJsonSchema

from sdspec.registry import SHELVES, find, kinds
from sdspec.schema.layered import LATER, NOTHING, Layered, Node, one_of


@dataclass(frozen=True)
class Slot:
    """A place of a spec that takes a part."""

    shelf: str
    by_name: bool = False
    """A text alone names a part: `parse: json`."""
    whole: bool = False
    """No lower layer is merged in here: `kind` and what the kind requires must be there."""


@dataclass
class Parts:
    """The definitions that the slots so far refer to."""

    definitions: dict[str, Node] = field(default_factory=dict)

    def slot(self, slot: Slot, said: Node) -> Node:
        """The schema of a place that takes a part; `said` is what the models say of the place."""
        known = list(kinds(slot.shelf)) if slot.shelf in SHELVES else []
        if not known:
            return NOTHING
        for kind in known:
            self.definitions[f"{slot.shelf}.{kind}"] = _part(slot, kind)
        cases: list[Node] = [
            {"if": _with_kind({"const": kind}), "then": {"$ref": f"#/definitions/{slot.shelf}.{kind}"}}
            for kind in known
        ]
        if not slot.whole:
            self.definitions[slot.shelf] = self._any(slot.shelf, known)
            no_kind = {"not": {"required": ["kind"]}}
            cases.append({"if": no_kind, "then": {"$ref": f"#/definitions/{slot.shelf}"}})
        mapping: Node = {"type": "object", "properties": {"kind": _kind(slot.shelf, known)}, "allOf": cases}
        if slot.whole:
            mapping["required"] = ["kind"]
        named = [{"enum": known}] if slot.by_name else []
        return {**said, "anyOf": [*named, mapping, {"type": "string", "pattern": LATER}]}

    def _any(self, shelf: str, known: list[str]) -> Node:
        """The keys of all kinds: where a file names none, the kind is that of a lower layer."""
        holders: dict[str, list[str]] = {}
        for kind in known:
            for name in self.definitions[f"{shelf}.{kind}"].get("properties", {}):
                holders.setdefault(name, []).append(f"{shelf}.{kind}")
        open_kind = any(self.definitions[f"{shelf}.{kind}"].get("additionalProperties") is not False for kind in known)
        merged = {name: self._merged(name, holders[name]) for name in holders if name != "kind"}
        return {"type": "object", "properties": merged, "additionalProperties": open_kind}

    def _merged(self, name: str, holders: list[str]) -> Node:
        """One schema for a key that several kinds have, perhaps each with its own."""
        found: dict[str, Node] = {}
        for holder in holders:
            schema = self.definitions[holder]["properties"][name]
            if schema not in found.values():
                found[holder] = schema
        about = " Or: ".join(dict.fromkeys(schema.get("description", name) for schema in found.values()))
        refs: list[Node] = [{"$ref": f"#/definitions/{holder}/properties/{name}"} for holder in found]
        return {"description": about, **({"allOf": refs} if len(refs) == 1 else {"anyOf": refs})}


def _kind(shelf: str, known: list[str]) -> Node:
    return {"description": f"Which of the {shelf}; the other keys are its settings.", **one_of(list(known))}


def _with_kind(schema: Node) -> Node:
    return {"type": "object", "required": ["kind"], "properties": {"kind": schema}}


def _part(slot: Slot, kind: str) -> Node:
    """The keys of one kind; those of a part from outside that cannot be read are free."""
    try:
        part = find(slot.shelf, kind)
        found = part.model_json_schema(by_alias=True)
    except (ImportError, AttributeError, PydanticInvalidForJsonSchema):
        return {"type": "object"}
    made = Layered(found.get("$defs", {})).node(found, whole=slot.whole)
    about = (part.__doc__ or kind).strip().splitlines()[0]
    required = ["kind", *found.get("required", ())] if slot.whole else []
    return {
        "type": "object",
        "description": about,
        "properties": {"kind": {"description": about, "const": kind}, **made.get("properties", {})},
        "additionalProperties": made["additionalProperties"],
        **({"required": required} if required else {}),
    }
