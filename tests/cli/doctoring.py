"""What the tests of `sdspec doctor` share: the words they give it, and how they read what it finds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.cli.test_bedrock import environment
from tests.servers.bedrock import Key

KEY = Key("AKIATESTONLY", "a-secret-that-must-not-be-shown", "a-token-that-must-not-be-shown")
HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
BEDROCK = ("provider=bedrock", "model=default", f"model.id={HAIKU}", "model.top_p=null")

Check = dict[str, Any]
Doctor = Callable[..., tuple[int, dict[str, Check]]]


def on_aws(folder: Path, url: str, key: Key = KEY) -> dict[str, str]:
    """AWS's variables, for calls and for lists."""
    return {**environment(folder, url, key), "AWS_ENDPOINT_URL_BEDROCK": url}


def states(found: dict[str, Check]) -> dict[str, str]:
    """How each check stands."""
    return {what: check["state"] for what, check in found.items()}


def text(check: Check) -> str:
    """What a check says."""
    return f"{check['said']} {check['hint']}"
