"""What the environment gave a run's settings: `base_url: ${oc.env:CDP_ENDPOINT_URL}` was https://... by its plan.json.

A run folder keeps such references unresolved; the endpoint that they meant is in its plan all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sdspec.spec.spec import Key

OF_THE_ENVIRONMENT = "${oc.env:"


def recorded(raw: Mapping[str, Any], plan: Mapping[str, Any]) -> dict[Key, Any]:
    """Settings of providers and model ids that a spec leaves to the environment: key -> what it was in that plan."""
    return {key: value for key, written, value in _settings(raw, plan) if OF_THE_ENVIRONMENT in str(written)}


def as_overrides(settings: Mapping[Key, Any]) -> list[str]:
    """Those settings as overrides, whatever is in their texts."""
    return [f"{'.'.join(map(str, key))}={_quoted(value)}" for key, value in settings.items()]


def _settings(raw: Mapping[str, Any], plan: Mapping[str, Any]) -> Iterator[tuple[Key, Any, Any]]:
    for name, model in plan["models"].items():
        at: Key = ("model",) if name == "model" else ("models", name)
        written = raw["model"] if name == "model" else raw["models"][name]
        yield (*at, "id"), written.get("id"), model["id"]
        provider = written.get("provider")
        where: Key = ("provider",) if provider is None else ("providers", provider)
        settings = raw["provider"] if provider is None else raw["providers"][provider]
        for key, value in settings.items():
            if key in model["provider"] and not isinstance(value, Mapping):
                yield (*where, key), value, model["provider"][key]


def _quoted(value: Any) -> str:
    if not isinstance(value, str):
        return "null" if value is None else str(value).lower()
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
