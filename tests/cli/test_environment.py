"""Runs in an empty folder with nothing but a provider's variables: what they mean then, and what they mean later."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.cli.test_bedrock import KEY, environment, record, written
from tests.recipes import cli
from tests.servers.bedrock import Behaviour, bedrock_server_in_thread
from tests.servers.cloudera import ClouderaServer, cloudera_server

RUN = ("run", "template=text2sql", "workflow.size=3", "--quiet")
TOKEN = "a-cdp-token-never-written-anywhere"
MODEL = "meta/llama-3.1-8b-instruct"


def queries() -> Callable[[Any], str]:
    """Answers that are right, and different each time."""
    numbers = itertools.count(1)

    def answer(_: Any) -> str:
        n = next(numbers)
        return json.dumps({"question": f"Which is customer {n}?", "solution": f"SELECT name FROM customers LIMIT {n}"})

    return answer


def test_provider_bedrock_is_enough(tmp_path: Path) -> None:
    """The model that it brings is called by the inference profile of AWS_REGION, and so are those of other regions."""
    with bedrock_server_in_thread(Behaviour(region="eu-west-1", keys=(KEY,), answer=queries())) as server:
        there = environment(tmp_path, server.url) | {"AWS_REGION": "eu-west-1"}
        done = cli(tmp_path, *RUN, "provider=bedrock", **there)
        assert done.returncode == 0, done.stderr
        assert {"eu.anthropic.claude-haiku-4-5-20251001-v1:0"} == set(server.models)
    found = record(tmp_path, done.stdout)
    assert (3, "done") == (found["counts"]["kept"], found["status"])
    assert found["cost_usd"] > 0


def cdp(server: ClouderaServer) -> dict[str, str]:
    """Cloudera's variables as a user sets them."""
    return {"CDP_ENDPOINT_URL": server.base_url, "CDP_MODEL_ID": MODEL, "CDP_TOKEN": TOKEN}


def answering(server: ClouderaServer) -> ClouderaServer:
    """The server, with right answers of its model."""
    server.behind.behaviour = replace(server.behind.behaviour, answer=queries())
    return server


def test_provider_cloudera_is_enough_and_means_the_same_later(tmp_path: Path) -> None:
    """One run; its files anew without any variable; and with others the run is not resumed, but said what has moved."""
    with cloudera_server(TOKEN) as started:
        server = answering(started)
        short = cli(tmp_path, *RUN, "provider=cloudera", "workflow.max_attempts=2", **cdp(server))
        assert short.returncode == 3, short.stderr
        elsewhere = cdp(server) | {"CDP_ENDPOINT_URL": "https://other/v1"}
        moved = cli(tmp_path, "resume", "last", "--quiet", **elsewhere)
        assert moved.returncode == 2
        assert "provider.base_url: is 'https://other/v1' by the environment, and was 'http://127.0.0.1" in moved.stderr
        exported = cli(tmp_path, "export", "last", "export=csv")
        assert exported.returncode == 0, exported.stderr
        unset = cli(tmp_path, "resume", "last", "--quiet")
        assert "environment variable CDP_ENDPOINT_URL is not set" in unset.stderr
        done = cli(tmp_path, *RUN, "provider=cloudera", **cdp(server))
        assert done.returncode == 0, done.stderr
        again = cli(tmp_path, "run", f"{done.stdout.splitlines()[-1]}/spec.yaml", "--quiet", **cdp(server))
        assert again.returncode == 0, again.stderr
    assert record(tmp_path, done.stdout)["rows_sha256"] == record(tmp_path, again.stdout)["rows_sha256"]
    assert 0 == record(tmp_path, again.stdout)["counts"]["calls"]["made"]
    assert TOKEN.encode() not in written(tmp_path)


def test_a_proxy_that_does_not_answer_is_not_asked_for_this_machine(tmp_path: Path) -> None:
    """HTTPS_PROXY and HTTP_PROXY point nowhere: an endpoint on loopback is reached all the same."""
    nowhere = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    with cloudera_server(TOKEN) as started:
        done = cli(tmp_path, *RUN, "provider=cloudera", **cdp(answering(started)), **nowhere, NO_PROXY="", no_proxy="")
    assert done.returncode == 0, done.stderr
