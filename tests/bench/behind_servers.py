"""A real model behind the real protocols: text2sql by the command line, with nothing but variables set.

    python -m tests.bench.behind_servers [--rows 5]

The embedded model answers behind the Bedrock server (signatures and bodies checked with botocore) and behind the
Cloudera gateway. In mid-run credentials expire and are renewed, calls are throttled, the endpoint starts from zero.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.cli.test_bedrock import LENT, lending
from tests.cli.test_cloudera import FIRST, MODEL, SECOND, write_token
from tests.servers.bedrock import Behaviour, bedrock_server_in_thread
from tests.servers.behind import embedded_model
from tests.servers.cloudera import Gateway, cloudera_server

THROTTLED = 0.05
SETTINGS = (
    "model.max_tokens=128",
    "workflow.reasks=0",
    "workflow.max_attempts=200",
    "engine.timeout_s=600",
    "engine.concurrency=2",
)
"""For a model of 135 million parameters on a busy machine."""


def ran(folder: Path, env: Mapping[str, str], *words: str) -> tuple[dict[str, Any], float]:
    """run.json of `sdspec run template=text2sql WORDS`, and the seconds it took."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "sdspec", "run", "template=text2sql", *words, *SETTINGS, "--quiet"],
        cwd=folder,
        env={**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / done.stdout.splitlines()[-1] / "run.json").read_text())
    return record, time.monotonic() - began


def show(title: str, rows: int, record: Mapping[str, Any], seconds: float, met: str) -> None:
    """One line of the table."""
    counts, tokens = record["counts"], record["tokens"]
    rejected = sum(counts["rejected"].values())
    made = counts["calls"]["made"]
    print(
        f"{title:<10} {counts['kept']:>3} ({rows}) {rejected:>9} {made:>8} {tokens['input']:>7} {tokens['output']:>7}"
        f" {'unknown' if record['unpriced_calls'] else format(record['cost_usd'], '.5f'):>9} {seconds:>6.0f}   {met}"
    )


def behind_bedrock(folder: Path, rows: int, forward: str, key: str) -> None:
    """Credentials lent by a process expire after three answers."""
    behaviour = Behaviour(keys=LENT, pthrottle=THROTTLED, forward=forward, forward_key=key)
    with bedrock_server_in_thread(behaviour) as server:
        server.after[3] = lambda: server.expired.add(LENT[0].access)
        env = lending(folder, server.url)
        record, seconds = ran(folder, env, "provider=bedrock", f"workflow.size={rows}")
        statuses = server.statuses
    met = f"credentials expired: {statuses[403]} refused, then renewed; throttled {statuses[429]}"
    show("bedrock", rows, record, seconds, met)


def behind_cloudera(folder: Path, rows: int, forward: str, key: str) -> None:
    """The endpoint starts from zero, and the workbench's token is another after three answers."""
    gateway = Gateway(forward=forward, forward_key=key, p429=THROTTLED)
    file = write_token(folder / "jwt", FIRST)
    with cloudera_server(FIRST, gateway=gateway) as server:

        def rotate() -> None:
            write_token(file, SECOND)
            server.tokens = {SECOND}

        server.asleep, server.after[3] = 2, rotate
        env = {"CDP_ENDPOINT_URL": server.base_url, "CDP_MODEL_ID": MODEL, "CDP_TOKEN": ""}
        words = ("provider=cloudera", f"provider.token_file={file}", f"workflow.size={rows}")
        record, seconds = ran(folder, env, *words)
        statuses = server.statuses
    asleep, refused, less = (statuses[path] for path in (("models", 503), ("completions", 401), ("completions", 429)))
    show("cloudera", rows, record, seconds, f"asleep {asleep}; token expired: {refused} refused; throttled {less}")


async def main() -> None:
    """Prints the table; targets in parentheses."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5)
    said = parser.parse_args()
    print(f"{'':<10} {'kept':>7} {'rejected':>9} {'answers':>8} {'in':>7} {'out':>7} {'usd':>9} {'s':>6}")
    async with embedded_model() as (forward, key):
        for behind in (behind_bedrock, behind_cloudera):
            with tempfile.TemporaryDirectory() as folder:
                await asyncio.to_thread(behind, Path(folder), said.rows, forward, key)


if __name__ == "__main__":
    asyncio.run(main())
