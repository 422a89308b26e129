"""A loaded spec: the checked config, where each key was set, and what the files it names hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sdspec.errors import Problem
from sdspec.spec.models import SpecConfig

Key = tuple[str | int, ...]
"""A key of the spec as its parts: ("template", "checks", 0, "column")."""


LONGEST = 200
"""Characters of an override that a location shows."""


def dotted(key: Iterable[str | int]) -> str:
    """`template.checks[0].column`"""
    out = ""
    for part in key:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else str(part)
    return out


def with_value(data: Any, key: Key, value: Any) -> Any:
    """Plain data with another value at a key that is there; what is not on the way is shared, not copied."""
    if not key:
        return value
    copy: Any = list(data) if isinstance(data, list) else dict(data)
    copy[key[0]] = with_value(data[key[0]], key[1:], value)
    return copy


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was set."""

    file: str | None
    """As a person would type it, relative to where they are; None for an override. Without a line: what is no file."""
    line: int = 0
    column: int = 0
    override: str | None = None

    def __str__(self) -> str:
        if self.override is not None:
            text = self.override.replace("\n", "\\n")
            return f"override '{text if len(text) <= LONGEST else f'{text[:LONGEST]}...'}'"
        if self.file and not self.line:
            return self.file
        return f"{self.file}:{self.line}:{self.column}" if self.file else "default"


@dataclass(frozen=True)
class Origins:
    """For every key all places that set it, lowest layer first; the last one won."""

    chains: Mapping[Key, tuple[Origin, ...]] = field(default_factory=dict)
    spec: str = "spec"
    """What stands for the whole spec where a key has no place of its own."""

    def of(self, key: Key) -> Origin:
        """Where the key, or else its nearest parent, was set."""
        while key:
            if chain := self.chains.get(key):
                return chain[-1]
            key = key[:-1]
        return Origin(file=None, override=None)

    def where(self, key: Key) -> str:
        """The location that a Problem about this key shows."""
        origin = self.of(key)
        return self.spec if str(origin) == "default" else str(origin)


@dataclass(frozen=True)
class InputFile:
    """A file that the spec names, read once."""

    path: Path
    sha256: str
    size_bytes: int
    data: Any
    """The parsed content: a list of seeds, or a list of examples."""
    places: tuple[str, ...] = ()
    """Where each entry of `data` stands in the file, the file as it was written in the spec: `data/seeds.txt:17`."""
    header: str | None = None
    """Where the header of a CSV stands; the values in `data` are texts then, to be read by their columns' types."""


@dataclass(frozen=True)
class Spec:
    """Everything that compile needs to know; made by `load_spec`."""

    config: SpecConfig
    raw: Mapping[str, Any]
    """The resolved config as plain data, `${oc.env:...}` left as written."""
    origins: Origins = Origins()
    path: Path | None = None
    """The spec file; None for the default config."""
    overrides: tuple[str, ...] = ()
    choices: Mapping[str, str] = field(default_factory=dict)
    """Group -> chosen option."""
    inputs: Mapping[Key, InputFile] = field(default_factory=dict)
    """By the key that names the file, e.g. ("template", "seeds_file")."""
    bad: frozenset[Key] = frozenset()
    """Keys that were wrong and stand at their defaults; passes skip what depends on them."""
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    """What composition did that a reader may not expect, e.g. keys dropped because a group was switched."""
    hydra: Mapping[str, Any] = field(default_factory=dict)
    """Hydra's own record: `config`, `overrides`, `hydra`, as YAML texts for `.hydra/`."""

    def is_bad(self, *key: str | int) -> bool:
        """True when the key, a parent or a child of it was wrong."""
        return any(key[: len(bad)] == bad or bad[: len(key)] == key for bad in self.bad)
