"""What a run was made with: versions, the spec's git commit, models and price rows."""

from __future__ import annotations

import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from sdspec.plan.plan import Plan

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
    today = datetime.now(UTC).date().isoformat()
    prices = {name: model.price.to_json() for name, model in plan.models.items() if model.price is not None}
    return {
        "spec": str(plan.spec.path) if plan.spec.path else None,
        "overrides": list(plan.spec.overrides),
        "versions": {"python": platform.python_version(), **_versions()},
        "git": _git(plan.spec.path.parent if plan.spec.path else Path.cwd()),
        "models": {name: model.to_json() for name, model in plan.models.items()},
        "prices": [{"name": name, **price, "date": today} for name, price in prices.items()],
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
