"""Runs on Cloudera AI Inference from the command line, against a gateway that checks tokens, sleeps and says no."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.recipes import cli
from tests.servers.behind import embedded_model
from tests.servers.cloudera import Gateway, cloudera_server, jwt

MODEL = "meta/llama-3.1-8b-instruct"
IN_AN_HOUR = time.time() + 3600
FIRST, SECOND = jwt("first", IN_AN_HOUR), jwt("second", IN_AN_HOUR)
RUN = ("run", "template=text2sql", "provider=cloudera", "--quiet")


def write_token(path: Path, token: str) -> Path:
    """The workbench's file."""
    path.write_text(json.dumps({"access_token": token}))
    return path


def record(folder: Path, stdout: str) -> dict[str, Any]:
    """run.json of the run whose folder a command printed last."""
    found: dict[str, Any] = json.loads((folder / stdout.splitlines()[-1] / "run.json").read_text())
    return found


@pytest.mark.slow
async def test_text2sql_on_a_real_model_behind_cloudera(tmp_path: Path, model: Path) -> None:
    """From scale-from-zero to a dataset: the embedded model answers by schema behind the gateway.

    The workbench's token expires in mid-run and is read again, and some calls are turned away; the tokens counted are
    the model's own.
    """
    file = write_token(tmp_path / "jwt", FIRST)
    async with embedded_model() as (forward, key):
        gateway = Gateway(forward=forward, forward_key=key, p429=0.05)
        with cloudera_server(FIRST, gateway=gateway) as server:

            def rotate() -> None:
                write_token(file, SECOND)
                server.tokens = {SECOND}

            server.asleep, server.after[3] = 2, rotate
            words = (*RUN, f"provider.token_file={file}", "workflow.size=5")
            env = {"CDP_ENDPOINT_URL": server.base_url, "CDP_MODEL_ID": MODEL, "CDP_TOKEN": ""}
            more = (
                "workflow.max_attempts=100",
                "model.max_tokens=128",
                "workflow.reasks=0",
                "engine.concurrency=2",
                "engine.timeout_s=600",
            )
            done = await asyncio.to_thread(cli, tmp_path, *words, *more, **env)
            statuses = dict(server.statuses)
    assert done.returncode == 0, done.stderr
    found = record(tmp_path, done.stdout)
    made = found["counts"]["calls"]["made"]
    assert 5 == found["counts"]["kept"]
    assert (2, made) == (statuses["models", 503], statuses["completions", 200])
    assert 1 <= statuses["completions", 401] <= 2
    assert 100 * made < found["tokens"]["input"] and 5 * made < found["tokens"]["output"]
    rows = (tmp_path / done.stdout.splitlines()[-1] / "export").glob("*.jsonl")
    assert 5 == len(next(rows).read_text().splitlines())
