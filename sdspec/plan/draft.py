"""The plan while it is being made: what passes read, what they add, and the problems they find."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ValidationError

from sdspec.contracts import Check, Dedup, Parser, Part, Provider
from sdspec.dataset import Dataset
from sdspec.errors import Problem, did_you_mean
from sdspec.plan.plan import Export, Item, Model, Step
from sdspec.registry import SHELVES, find, kinds
from sdspec.spec.models import PartSpec
from sdspec.spec.spec import Key, Spec, dotted


@dataclass
class Draft:
    """One compilation. A pass fills its fields; a field that stays None or empty could not be made."""

    spec: Spec
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    providers: dict[str, Provider] = field(default_factory=dict)
    """By name; the spec's own provider is `provider`."""
    models: dict[str, Model] = field(default_factory=dict)
    parser: Parser | None = None
    checks: list[tuple[int, Check]] = field(default_factory=list)
    """With their positions under `template.checks`."""
    dedup: Dedup | None = None
    exports: list[Export] = field(default_factory=list)
    schema: Mapping[str, Any] | None = None
    """JSON Schema of an answer."""
    output: dict[str, str] = field(default_factory=dict)
    constants: dict[str, Any] = field(default_factory=dict)
    choices: dict[str, tuple[tuple[Any, float], ...]] = field(default_factory=dict)
    ranges: dict[str, tuple[int, int]] = field(default_factory=dict)
    seeds: tuple[str, ...] = ()
    examples: tuple[Mapping[str, Any] | str, ...] = ()
    items: tuple[Item, ...] = ()
    steps: list[Step] = field(default_factory=list)
    columns: dict[str, str] = field(default_factory=dict)
    id: str = ""

    def problem(self, key: Key, what: str, hint: str = "") -> None:
        """Records what is wrong with a key, where the key was set."""
        self.problems.append(Problem(self.spec.origins.where(key), f"{dotted(key)}: {what}", hint))

    def dataset(self) -> Dataset:
        """What packers know of the rows to come."""
        return Dataset(output=tuple(self.output), constants=self.constants)

    def bind(self, shelf: str, spec: PartSpec, key: Key, extra: Mapping[str, Any] | None = None) -> Part | None:
        """The part that a PartSpec names, or None with its problems recorded."""
        if self.spec.is_bad(*key, "kind") and self.spec.is_bad(*key):
            return None
        if shelf not in SHELVES or spec.kind not in kinds(shelf):
            known = kinds(shelf) if shelf in SHELVES else ()
            self.problem((*key, "kind"), f"no {shelf[:-1]} of kind {spec.kind!r}.", did_you_mean(spec.kind, known))
            return None
        part = find(shelf, spec.kind)
        try:
            return part.model_validate({**spec.options, **(extra or {})})
        except ValidationError as found:
            for error in found.errors(include_url=False):
                self._part_problem(key, part, dict(error))
            return None

    def _part_problem(self, key: Key, part: type[Part], error: Mapping[str, Any]) -> None:
        at: Key = (*key, *error["loc"])
        if self.spec.is_bad(*at):
            return
        if error["type"] == "extra_forbidden":
            known = _fields(part, error["loc"][:-1])
            self.problem(at, f"unknown key for kind {self._kind(key)!r}.", did_you_mean(str(error["loc"][-1]), known))
        elif error["type"] == "missing":
            self.problem(at, f"required for kind {self._kind(key)!r}, and not set.")
        else:
            shown = repr(error["input"])
            self.problem(at, f"{shown[:80]} is not valid: {_sentence(error['msg'])}")

    def _kind(self, key: Key) -> str:
        node: Any = self.spec.raw
        for part in key:
            node = node[part] if not isinstance(node, Mapping) or part in node else {}
        return str(node.get("kind", "")) if isinstance(node, Mapping) else str(node)


def _fields(model: type[BaseModel], path: Sequence[str | int]) -> list[str]:
    """The keys that are known at a place inside of a part; none where that is no model of ours."""
    for name in path:
        found = model.model_fields[name].annotation if name in model.model_fields else None
        if not (isinstance(found, type) and issubclass(found, BaseModel)):
            return []
        model = found
    return [info.alias or name for name, info in model.model_fields.items()]


def _sentence(message: str) -> str:
    text = message.removeprefix("Value error, ").strip()
    return text[:1].lower() + text[1:] + ("" if text.endswith(".") else ".")
