"""One row in 200 whose request is always refused with a 400: it costs one call, and no other row anything.

    python -m tests.bench.one_bad_row

With `max_attempts` equal to the size the run ends with 199 rows and exit code 3; as it stands by default it tops up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from tests.recipes import write_spec
from tests.servers.bedrock import Behaviour as BedrockBehaviour
from tests.servers.bedrock import Failure, bedrock_server_in_thread
from tests.servers.openai import Behaviour, Fault, openai_server_in_thread

ROWS = 200
BAD_ROW = 57
"""Which prompt, in the order of arrival, is the bad one."""
PROMPT = "{{ examples }} Ask about {{ seed }}, {{ mood }}, number {{ number }}"
VARIABLES = {"mood": {"choice": ["calm", "wild"]}, "number": {"range": [0, 10**15]}}
AWS = {"AWS_ACCESS_KEY_ID": "AKIDEXAMPLE", "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}


class BadPrompt:
    """Picks one prompt, and remembers it."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def __call__(self, prompt: str) -> bool:
        return self.seen.setdefault(prompt, len(self.seen) + 1) == BAD_ROW


def ran(words: list[str], env: dict[str, str]) -> tuple[int, dict[str, Any]]:
    """Exit code and run.json."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_spec(folder, {"template": {"prompt": PROMPT, "variables": VARIABLES}, "workflow": {"size": ROWS}})
        done = subprocess.run(
            [sys.executable, "-m", "sdspec", "run", "colours", "--quiet", *words],
            cwd=folder,
            env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **env},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.stdout, done.stderr
        return done.returncode, json.loads((folder / done.stdout.splitlines()[-1] / "run.json").read_text())


def show(title: str, asked: Counter[str], bad: BadPrompt, ended: tuple[int, dict[str, Any]], kept: int) -> None:
    """One line of the table."""
    code, record = ended
    calls = next((asked[prompt] for prompt, number in bad.seen.items() if number == BAD_ROW), 0)
    rejected = ", ".join(f"{count} {reason}" for reason, count in record["counts"]["rejected"].items())
    print(f"{title:<43} {record['counts']['kept']:>5} ({kept})   {rejected:<14} (1)   {calls} (1)   exit {code}")


def main() -> None:
    """Prints the table; targets in parentheses."""
    print(f"{'':<43} kept (target)  rejected       calls for it")
    for most, kept in ((f"workflow.max_attempts={ROWS}", ROWS - 1), ("", ROWS)):
        bad = BadPrompt()
        refused = Fault(400, "invalid_request_error", "this prompt cannot be taken")
        fault = Behaviour(latency_s=0.02, fault=lambda prompt, _, bad=bad, it=refused: it if bad(prompt) else None)
        words = [most] if most else []
        with openai_server_in_thread(fault) as server:
            at = ["provider=openai_compatible", f"provider.base_url={server.base_url}", "model=default", "model.id=any"]
            show(f"openai_compatible {most}", server.asked, bad, ran([*at, *words], {}), kept)
        bad = BadPrompt()
        invalid = Failure(400, "ValidationException", "this prompt cannot be taken")
        wrong = BedrockBehaviour(
            latency_s=0.02, fault=lambda prompt, _, bad=bad, it=invalid: it if bad(prompt) else None
        )
        with bedrock_server_in_thread(wrong) as bedrock:
            env = {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": bedrock.url, **AWS}
            ended = ran(["provider=bedrock", "model=claude_haiku", *words], env)
            show(f"bedrock {most}", bedrock.asked, bad, ended, kept)


if __name__ == "__main__":
    main()
