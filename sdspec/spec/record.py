"""Writes a spec down again: Hydra's record of a run, and the `spec.yaml` that repeats it. No secret is in either."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf
from omegaconf._utils import OmegaConfDumper

from sdspec.spec.find import ROOT
from sdspec.spec.interpolate import escaped, reads_environment
from sdspec.spec.layers import REPLACE

ENDLESS = 1 << 30
"""A width in characters that no line reaches, and that libyaml can count."""


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Quotes as OmegaConf needs it, texts of several lines as blocks, no anchors."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: Any, text: str) -> yaml.ScalarNode:
    if "\n" in text:
        return yaml.ScalarNode("tag:yaml.org,2002:str", text, style="|")
    return OmegaConfDumper.str_representer(dumper, text)


_Dumper.add_representer(str, _text)


def to_yaml(data: Any) -> str:
    """Plain data as YAML that reads back as the same data, keys in their order."""
    text: str = yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
    return text


def to_line(data: Any) -> str:
    """Plain data as YAML on one line."""
    text: str = yaml.dump(
        data, Dumper=_Dumper, default_flow_style=True, sort_keys=False, allow_unicode=True, width=ENDLESS
    )
    return text.removesuffix("\n")


def run_spec_text(raw: Mapping[str, Any]) -> str:
    """The `spec.yaml` of a run folder: `sdspec run` on it repeats the run; options and keys can still be overridden.

    `raw` is `Spec.raw`, with the paths of the files it names as they are found from the run folder.
    """
    head = {"defaults": [f"/{ROOT}", "_self_"], REPLACE: True}
    return to_yaml({**head, **literal(raw)})


def literal(value: Any) -> Any:
    """Resolved data as it stands in a file: `${` in a text stays a text; references to the environment still work."""
    if isinstance(value, Mapping):
        return {name: literal(child) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [literal(child) for child in value]
    return escaped(value) if isinstance(value, str) and "${" in value and not reads_environment(value) else value


def hydra_record(config: Any, hydra: DictConfig, overrides: Sequence[str]) -> dict[str, str]:
    """The texts of `.hydra/config.yaml`, `overrides.yaml` and `hydra.yaml`, as Hydra itself writes them."""
    node: Any = OmegaConf.to_container(hydra, resolve=False, enum_to_str=True)
    for help_text in ("help", "hydra_help"):
        node["hydra"].pop(help_text, None)
    node["hydra"]["job"]["env_set"] = {}
    return {"config": to_yaml(config), "overrides": to_yaml(list(overrides)), "hydra": to_yaml(node)}
