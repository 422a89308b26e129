"""What pydantic says of a model, as draft-07 of a layer over it: no key must be there, `${...}` may stand anywhere.

Draft-07, because it is what yaml-language-server, and with it VS Code, Neovim and the JetBrains editors, knows best.
Types are kept flat, `{type: [number, string], pattern: <an interpolation>}`, and not split with anyOf where that can be
avoided: an editor's message about one wrong value is then about that value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sdspec.plan.keys import ANY
from sdspec.spec.spec import Key

Node = dict[str, Any]
"""A JSON Schema."""

LATER = r"\$\{|^\?\?\?$"
"""An interpolation, or OmegaConf's mark of a value that someone else gives."""

NOTHING: Node = {"not": {}}
"""What no value is."""

DEEPEST = 12
"""Keys on the way to a value; a model that refers to itself ends here, and takes anything below."""

_OWN = frozenset({"title", "description", "default", "$defs", "$ref", "anyOf", "oneOf", "allOf", "type"})
_OWN_OF_OBJECTS = _OWN | {"properties", "required", "additionalProperties"}
_OWN_OF_ARRAYS = _OWN | {"items", "prefixItems"}


@dataclass(frozen=True)
class Layered:
    """Turns the nodes of one pydantic schema."""

    definitions: Mapping[str, Node] = field(default_factory=dict)
    """`$defs` of the pydantic schema."""
    special: Mapping[Key, Callable[[Node], Node]] = field(default_factory=dict)
    """Keys that the caller knows more about: what is said of the key (description, default) -> its schema."""

    def node(self, found: Node, path: Key = (), *, whole: bool = False) -> Node:
        """The schema of a value; `whole`: nothing lies below this layer here, so that required keys are required."""
        found = self._resolved(found)
        options = [self._resolved(one) for one in (found.get("anyOf") or found.get("oneOf") or [found])]
        kept = [one for one in options if one.get("type") != "null"]
        said: Node = {name: found[name] for name in ("description", "default") if name in found}
        if path in self.special:
            made = self.special[path](said)
        elif len(kept) == 1:
            made = said | self._one(kept[0], path, whole)
        else:
            made = said | {"anyOf": [self._one(one, path, whole) for one in kept]}
        return or_null(made) if len(kept) < len(options) else made

    def _resolved(self, found: Node) -> Node:
        if "$ref" not in found:
            return found
        return {**self.definitions[found["$ref"].rpartition("/")[2]], **{k: v for k, v in found.items() if k != "$ref"}}

    def _one(self, found: Node, path: Key, whole: bool) -> Node:
        kind = found.get("type")
        if len(path) > DEEPEST:
            return {}
        if "enum" in found or "const" in found:
            return one_of(found.get("enum", [found.get("const")]))
        if kind == "object":
            return self._object(found, path, whole)
        if kind == "array":
            return self._array(found, path)
        made = {name: value for name, value in found.items() if name not in _OWN}
        return or_later({"type": kind, **made}) if kind else made

    def _object(self, found: Node, path: Key, whole: bool) -> Node:
        made = {name: value for name, value in found.items() if name not in _OWN_OF_OBJECTS}
        if "properties" in found:
            named = {name: self.node(one, (*path, name), whole=whole) for name, one in found["properties"].items()}
            made["properties"] = named
        more = found.get("additionalProperties", True)
        if not isinstance(more, bool):
            more = self.node(more, (*path, ANY), whole=whole)
        made["additionalProperties"] = False if more == NOTHING else more
        if whole and found.get("required"):
            made["required"] = found["required"]
        return or_later({"type": "object", **made})

    def _array(self, found: Node, path: Key) -> Node:
        made = {name: value for name, value in found.items() if name not in _OWN_OF_ARRAYS}
        if "prefixItems" in found:
            made["items"] = [self.node(one, (*path, ANY), whole=True) for one in found["prefixItems"]]
            made["additionalItems"] = False
        elif "items" in found:
            made["items"] = self.node(found["items"], (*path, ANY), whole=True)
        return or_later({"type": "array", **made})


def one_of(words: list[Any]) -> Node:
    """One of these values, or one that is given later."""
    return {"anyOf": [{"enum": words}, {"type": "string", "pattern": LATER}]}


def or_later(node: Node) -> Node:
    """The schema, or a value that is given later."""
    if node["type"] != "string":
        message = f"A value of type {node['type']} is needed, or an interpolation such as ${{oc.env:NAME}}."
        return {**node, "type": [node["type"], "string"], "pattern": LATER, "patternErrorMessage": message}
    if "pattern" in node:
        return {**node, "pattern": f"(?:{node['pattern']})|{LATER}"}
    return node


def or_null(node: Node) -> Node:
    """The schema, or null."""
    if "anyOf" in node:
        return {**node, "anyOf": [*node["anyOf"], {"type": "null"}]}
    if "type" not in node:
        return node
    types = node["type"] if isinstance(node["type"], list) else [node["type"]]
    return {**node, "type": [*types, "null"]}
