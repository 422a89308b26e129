"""Where each group's option was chosen: in which defaults list, at which line, or by which override."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hydra._internal.defaults_list import DefaultsList
from hydra.core.override_parser.types import Override

from sdspec.spec.document import Document
from sdspec.spec.overrides import origin_of
from sdspec.spec.repository import Repository
from sdspec.spec.spec import Origin


def chosen_where(defaults: DefaultsList, used: Sequence[Override], repository: Repository) -> dict[str, Origin]:
    """By group, as in the defaults list (`model@models.judge`), the place that made the choice which won."""
    typed = {override.get_key_element().lstrip("+~"): origin_of(str(override.input_line)) for override in used}
    found: dict[str, Origin] = {}
    for default in defaults.defaults:
        if default.override_key is not None and default.parent is not None:
            found.setdefault(default.override_key, _in_list(repository.document(default.parent), default.override_key))
    for group, metadata in defaults.overrides.override_metadata.items():
        if metadata.containing_config_path is not None:
            found[group] = _in_list(repository.document(metadata.containing_config_path), group)
    return {group: origin for group, origin in {**found, **typed}.items() if not group.startswith("hydra/")}


def _in_list(document: Document | None, group: str) -> Origin:
    """The line of a file's defaults list that chooses an option of the group."""
    if document is None:
        return Origin(None)
    items: Any = document.data.get("defaults")
    for index, item in enumerate(items if isinstance(items, list) else ()):
        if isinstance(item, dict) and any(_names(str(entry), group) for entry in item):
            return document.origin(("defaults", index))
    return document.origin(("defaults",))


def _names(entry: str, group: str) -> bool:
    """`override /model@models.judge` names the group `model@models.judge`."""
    return entry.rpartition(" ")[2].lstrip("/") == group
