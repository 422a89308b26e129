"""Binds every PartSpec to its class: {kind: fake, latency_s: x} -> Fake(latency_s=x), or a located problem."""

from __future__ import annotations

import re
from typing import cast

from sdspec.contracts import Check, Dedup, Parser, Provider
from sdspec.dataset import Exporter, Packer
from sdspec.errors import did_you_mean
from sdspec.plan.draft import Draft
from sdspec.plan.plan import Export
from sdspec.registry import find, kinds


def bind_parts(draft: Draft) -> None:
    """Providers, parser, checks, dedup and exports are bound."""
    config = draft.spec.config
    for name, key, spec in [
        ("provider", ("provider",), config.provider),
        *((name, ("providers", name), spec) for name, spec in config.providers.items()),
    ]:
        if part := draft.bind("providers", spec, key):
            draft.providers[name] = cast(Provider, part)
    draft.parser = cast(Parser | None, draft.bind("parsers", config.template.parse, ("template", "parse")))
    for position, spec in enumerate(config.template.checks):
        if part := draft.bind("checks", spec, ("template", "checks", position)):
            draft.checks.append((position, cast(Check, part)))
    if config.workflow.dedup is not None:
        draft.dedup = cast(Dedup | None, draft.bind("dedups", config.workflow.dedup, ("workflow", "dedup")))
    for name, spec in (config.evaluation or {}).items():
        draft.bind("judges", spec, ("evaluation", name))
    _bind_exports(draft)


_FILE_NAME = re.compile(r"\w[\w.-]{0,99}")
"""Names that are a file's on every system, and a config's on the Hugging Face hub."""


def _bind_exports(draft: Draft) -> None:
    names: dict[str, str] = {}
    for name, export in draft.spec.config.export.items():
        key = ("export", name)
        if not _FILE_NAME.fullmatch(name):
            hint = "Letters, digits, `_`, `-` and `.`, 100 at most, and no `.` or `-` first."
            draft.problem(key, f"{name!r} cannot name a file.", hint)
        if (first := names.setdefault(name.casefold(), name)) != name:
            draft.problem(key, f"some file systems take {name!r} and {first!r} for one name.", "Choose another one.")
        packer = draft.bind("packers", export.packer, (*key, "packer"))
        if export.format not in kinds("exporters"):
            hint = did_you_mean(export.format, kinds("exporters"))
            draft.problem((*key, "format"), f"no exporter for {export.format!r}.", hint)
        elif packer is not None:
            exporter = cast(Exporter, find("exporters", export.format)())
            draft.exports.append(Export(name, export.format, exporter, cast(Packer, packer)))
