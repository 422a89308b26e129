"""Runs on Bedrock from the command line, with only AWS's variables, against a server that checks as AWS does."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.recipes import cli
from tests.servers.bedrock import THROTTLED, Behaviour, Failure, Key, bedrock_server_in_thread

KEY = Key("AKIATESTONLY", "a-secret-that-must-not-be-written", "a-token-that-must-not-be-written")
RUN = ("run", "template=text2sql", "provider=bedrock", "model=claude_haiku", "workflow.size=3", "--quiet")


def environment(folder: Path, url: str, key: Key = KEY) -> dict[str, str]:
    """AWS's variables as a user sets them, and no profile of whoever runs the tests."""
    return {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
        "AWS_ACCESS_KEY_ID": key.access,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_SESSION_TOKEN": key.token or "",
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
    }


def queries() -> Callable[[dict[str, Any]], str]:
    """Answers that are right, and different each time."""
    numbers = itertools.count(1)

    def answer(_: dict[str, Any]) -> str:
        n = next(numbers)
        return json.dumps({"question": f"Which is customer {n}?", "solution": f"SELECT name FROM customers LIMIT {n}"})

    return answer


def record(folder: Path, stdout: str) -> dict[str, Any]:
    """run.json of the run whose folder a command printed last."""
    found: dict[str, Any] = json.loads((folder / stdout.splitlines()[-1] / "run.json").read_text())
    return found


def written(folder: Path) -> bytes:
    """All that is in the files below a folder."""
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_text2sql_on_bedrock(tmp_path: Path) -> None:
    """The rows are made, paid for once and priced; throttling is waited out; no secret is in any file or line."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,), answer=queries())) as server:
        server.next.extend([THROTTLED, Failure(503, "ServiceUnavailableException", "busy")])
        done = cli(tmp_path, *RUN, **environment(tmp_path, server.url))
        assert done.returncode == 0, done.stderr
        made = server.statuses[200]
        again = cli(tmp_path, *RUN, **environment(tmp_path, server.url))
        assert made == server.statuses[200]
    found = record(tmp_path, done.stdout)
    assert (3, made) == (found["counts"]["kept"], found["counts"]["calls"]["made"])
    assert found["cost_usd"] > 0
    assert found["rows_sha256"] == record(tmp_path, again.stdout)["rows_sha256"]
    said = f"{done.stdout}{done.stderr}{again.stdout}{again.stderr}".encode() + written(tmp_path)
    assert b"claude-haiku" in said
    assert KEY.secret.encode() not in said and str(KEY.token).encode() not in said


def test_an_expired_token_ends_the_run_and_a_new_one_resumes_it(tmp_path: Path) -> None:
    """The run stops with what to do, keeps what it has, and goes on with fresh credentials."""
    fresh = Key("AKIAFRESH", "another-secret", "another-token")
    with bedrock_server_in_thread(Behaviour(keys=(KEY, fresh), answer=queries())) as server:
        server.expired.add(KEY.access)
        stopped = cli(tmp_path, *RUN, **environment(tmp_path, server.url))
        assert 1 == stopped.returncode
        assert "expired" in stopped.stderr and "aws sso login" in stopped.stderr
        assert KEY.secret not in stopped.stderr and str(KEY.token).encode() not in written(tmp_path)
        resumed = cli(tmp_path, "resume", "last", "--quiet", **environment(tmp_path, server.url, fresh))
    assert resumed.returncode == 0, resumed.stderr
    assert 3 == record(tmp_path, resumed.stdout)["counts"]["kept"]
