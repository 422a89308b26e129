"""What a run was made with: versions, the spec's git commit, models and price rows."""

from __future__ import annotations

import platform
import subprocess
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sdspec.plan.plan import Plan
from sdspec.prices import price_of

RECORDED = (
    "sdspec",
    "hydra-core",
    "litellm",
    "pydantic",
    "sqlglot",
    "duckdb",
    "pyarrow",
    "json-repair",
    "jsonschema",
    "py3langid",
    "rensa",
)


def environment(plan: Plan) -> dict[str, Any]:
    """`versions`, `git`, `models`, `prices` and `spec` of run.json."""
    prices = (price_of(model.provider.price_id(model.call.known_as)) for model in plan.models.values())
    return {
        "spec": str(plan.spec.path) if plan.spec.path else None,
        "overrides": list(plan.spec.overrides),
        "versions": {"python": platform.python_version(), **_versions()},
        "git": _git(plan.spec.path.parent if plan.spec.path else Path.cwd()),
        "models": {name: model.to_json() for name, model in plan.models.items()},
        "prices": [asdict(price) for price in prices if price is not None],
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in RECORDED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _git(folder: Path) -> dict[str, Any] | None:
    """Commit and dirtiness of the repository around the spec; None outside of one."""
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
        changed = subprocess.run(
            ["git", "status", "--porcelain", "."], cwd=folder, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return {"commit": head.stdout.strip(), "dirty": bool(changed.stdout.strip())}
