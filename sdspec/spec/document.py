"""Reads one YAML file: plain data, and the line and column of every key in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from hydra.plugins.config_source import ConfigSource
from omegaconf._utils import get_yaml_loader

from sdspec.spec.find import packaged_conf, shown
from sdspec.spec.finding import Finding
from sdspec.spec.secrets import find_secrets, secret_hint, secret_shape
from sdspec.spec.spec import Key, Origin, dotted

HEADER_CHARACTERS = 512
"""Hydra looks for `# @package` in as many."""


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """OmegaConf's reading of scalars (1e3 is a number, dates are texts), at libyaml's speed where that is there."""


_Loader.yaml_implicit_resolvers = get_yaml_loader().yaml_implicit_resolvers


@dataclass(frozen=True)
class Document:
    """A YAML file that was read, problems included."""

    path: Path
    shown: str
    packaged: bool
    data: dict[Any, Any] = field(default_factory=dict)
    """The top-level mapping; empty where the file is broken. What looks like a secret is not in it."""
    marks: dict[Key, tuple[int, int]] = field(default_factory=dict)
    """Line and column of keys and list items, from 1."""
    package: str | None = None
    """What the `# @package` header says."""
    findings: tuple[Finding, ...] = ()
    broken: bool = False
    """Not a YAML mapping at all."""

    def origin(self, key: Key) -> Origin:
        """Where the key, or else its nearest parent, stands in the file."""
        while key and key not in self.marks:
            key = key[:-1]
        line, column = self.marks.get(key, (1, 1))
        return Origin(self.shown, line, column)


def read_document(path: Path, cwd: Path) -> Document:
    """The file's content; what is wrong with it is in `findings`, nothing is raised."""
    packaged, name = path.is_relative_to(packaged_conf()), shown(path, cwd)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        return _broken(path, name, packaged, Origin(name, 1, 1), f"cannot be read: {error.strerror}.")
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return _broken(path, name, packaged, Origin(name, line, 1), "is not UTF-8 text.")
    reader = _Reader(name)
    try:
        data = reader.read(text)
        package = ConfigSource._get_header_dict(text[:HEADER_CHARACTERS])["package"]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        origin = Origin(name, mark.line + 1, mark.column + 1) if mark else Origin(name, 1, 1)
        return _broken(path, name, packaged, origin, f"not YAML: {_reason(error)}.")
    except ValueError as error:
        return _broken(path, name, packaged, Origin(name, 1, 1), f"bad @package header: {error}.")
    if data is None:
        data = {}
    if not isinstance(data, dict):
        kind = type(data).__name__
        return _broken(path, name, packaged, Origin(name, 1, 1), f"a mapping (key: value) is needed, got a {kind}.")
    document = Document(path, name, packaged, data, reader.marks, package, tuple(reader.findings))
    return document if packaged else _without_secrets(document)


def _broken(path: Path, name: str, packaged: bool, origin: Origin, what: str) -> Document:
    return Document(path, name, packaged, findings=(Finding(origin, what),), broken=True)


def _reason(error: yaml.YAMLError) -> str:
    parts = [getattr(error, "problem", None) or getattr(error, "reason", None), getattr(error, "context", None)]
    text = ", ".join(part for part in parts if part) or "it cannot be parsed"
    return "a line is not as YAML needs it" if secret_shape(text) else text


class _Reader:
    """Parses one text, noting places, repeated keys and values that no spec can hold."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.marks: dict[Key, tuple[int, int]] = {}
        self.findings: list[Finding] = []

    def read(self, text: str) -> Any:
        """The plain data; raises YAMLError."""
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is None:
                return None
            self._repeated(node, (), ())
            data = loader.construct_document(node)
        finally:
            loader.dispose()
        self._mark(node, ())
        return self._plain(data, ())

    def _repeated(self, node: yaml.Node, key: Key, open_nodes: tuple[int, ...]) -> None:
        if id(node) in open_nodes:
            raise yaml.YAMLError(None)
        inside = (*open_nodes, id(node))
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self._repeated(item, (*key, index), inside)
        elif isinstance(node, yaml.MappingNode):
            first: dict[str, int] = {}
            for name, value in node.value:
                text, line = str(name.value), name.start_mark.line + 1
                here = (*key, text)
                if text in first and text != "<<":
                    origin = Origin(self.name, line, name.start_mark.column + 1)
                    what = f"{dotted(_safe(here))}: repeats the key of line {first[text]}."
                    self.findings.append(Finding(origin, what, "Keep one of the two.", here))
                first.setdefault(text, line)
                self._repeated(value, here, inside)

    def _mark(self, node: yaml.Node, key: Key) -> None:
        if isinstance(node, yaml.SequenceNode):
            for index, item in enumerate(node.value):
                self.marks[(*key, index)] = (item.start_mark.line + 1, item.start_mark.column + 1)
                self._mark(item, (*key, index))
        elif isinstance(node, yaml.MappingNode):
            for name, value in node.value:
                here = (*key, _scalar(name))
                self.marks[here] = (name.start_mark.line + 1, name.start_mark.column + 1)
                self._mark(value, here)

    def _plain(self, value: Any, key: Key) -> Any:
        if isinstance(value, dict):
            for name in [name for name in value if not isinstance(name, str | int | float)]:
                line, column = self.marks.get((*key, name), (1, 1))
                what = f"{dotted(key) or 'the spec'}: a key must be a text, got {_named(name)}."
                self.findings.append(Finding(Origin(self.name, line, column), what, "Quote it.", key or None))
                del value[name]
            return {name: self._plain(child, (*key, name)) for name, child in value.items()}
        if isinstance(value, list):
            return [self._plain(child, (*key, index)) for index, child in enumerate(value)]
        if value is None or isinstance(value, str | int | float):
            return value
        line, column = self.marks.get(key, (1, 1))
        what = f"{dotted(key)}: a {type(value).__name__} cannot stand in a spec."
        self.findings.append(Finding(Origin(self.name, line, column), what, "Write it as a quoted text.", key))
        return None


def _named(key: Any) -> str:
    return "nothing (null)" if key is None else f"a {type(key).__name__}"


def _scalar(node: yaml.Node) -> Any:
    """A key as construct_document made it: `1` is a number, `on` is true."""
    if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:str":
        return node.value
    loader = _Loader("")
    try:
        return loader.construct_object(node)
    finally:
        loader.dispose()


def _without_secrets(document: Document) -> Document:
    found = list(find_secrets(document.data))
    if not found:
        return document
    findings = [
        Finding(document.origin(key), f"{dotted(_safe(key))}: {reason}.", secret_hint(key), _safe(key))
        for key, reason in found
    ]
    data = _cut(document.data, {key for key, _ in found}, ())
    marks = {key: mark for key, mark in document.marks.items() if not any(map(_secret_part, key))}
    return Document(
        document.path, document.shown, document.packaged, data, marks, document.package,
        (*document.findings, *findings),
    )  # fmt: skip


def _secret_part(part: str | int) -> bool:
    return isinstance(part, str) and secret_shape(part) is not None


def _safe(key: Key) -> Key:
    return tuple(f"{str(part)[:3]}..." if _secret_part(part) else part for part in key)


def _cut(value: Any, secrets: set[Key], key: Key) -> Any:
    if isinstance(value, dict):
        return {
            name: _cut(child, secrets, (*key, name)) for name, child in value.items() if (*key, name) not in secrets
        }
    if isinstance(value, list):
        return ["" if (*key, i) in secrets else _cut(child, secrets, (*key, i)) for i, child in enumerate(value)]
    return value
