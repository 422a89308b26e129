"""Runs on Bedrock from the command line, with only AWS's variables, against a server that checks as AWS does."""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.recipes import cli
from tests.servers.bedrock import THROTTLED, Behaviour, Failure, Key, bedrock_server_in_thread
from tests.servers.behind import embedded_model

KEY = Key("AKIATESTONLY", "a-secret-that-must-not-be-written", "a-token-that-must-not-be-written")
RUN = ("run", "template=text2sql", "provider=bedrock", "workflow.size=3", "--quiet")


LENDING = """\
import datetime, json, pathlib, sys
counter = pathlib.Path(sys.argv[1])
n = int(counter.read_text()) + 1 if counter.exists() else 1
counter.write_text(str(n))
until = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=1)
key = {"AccessKeyId": f"ASIAPROC{n}", "SecretAccessKey": f"secret-{n}", "SessionToken": f"token-{n}"}
print(json.dumps({"Version": 1, "Expiration": until.isoformat(), **key}))
"""
"""A `credential_process`, as companies have them: each time it is asked it lends new credentials for an hour."""

LENT = tuple(Key(f"ASIAPROC{n}", f"secret-{n}", f"token-{n}") for n in (1, 2, 3))


def environment(folder: Path, url: str, key: Key = KEY) -> dict[str, str]:
    """AWS's variables as a user sets them, and no profile of whoever runs the tests."""
    return {
        "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": url,
        "AWS_ACCESS_KEY_ID": key.access,
        "AWS_SECRET_ACCESS_KEY": key.secret,
        "AWS_SESSION_TOKEN": key.token or "",
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(folder / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
    }


def lending(folder: Path, url: str) -> dict[str, str]:
    """The variables of a user whose profile names a credential_process."""
    (folder / "lend.py").write_text(LENDING)
    process = f"{sys.executable} {folder / 'lend.py'} {folder / 'lent'}"
    (folder / "config").write_text(f"[profile team]\ncredential_process = {process}\n")
    none = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"), "")
    return {**environment(folder, url), **none, "AWS_CONFIG_FILE": str(folder / "config"), "AWS_PROFILE": "team"}


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


def test_credentials_that_expire_in_mid_run_are_lent_again_by_a_process(tmp_path: Path) -> None:
    """The run goes on with what credential_process lends next: no row is lost, no call is a try more."""
    with bedrock_server_in_thread(Behaviour(keys=LENT, answer=queries())) as server:
        server.after[2] = lambda: server.expired.add(LENT[0].access)
        words = (*RUN, "workflow.size=8", "engine.concurrency=2", "engine.max_tries=1")
        done = cli(tmp_path, *words, **lending(tmp_path, server.url))
        assert done.returncode == 0, done.stderr
        assert 1 <= server.statuses[403] <= 2
        assert server.statuses[200] == record(tmp_path, done.stdout)["counts"]["calls"]["made"]
    assert "2" == (tmp_path / "lent").read_text()


def test_a_role_whose_session_expires_in_mid_run_is_assumed_again(tmp_path: Path) -> None:
    """A second AssumeRole, and the rows are all there; neither the role's secrets nor ours are in any file."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,), answer=queries())) as server:
        server.after[2] = lambda: server.expired.add("ASIALENT1")
        role = "provider.role_arn=arn:aws:iam::123456789012:role/writer"
        words = (*RUN, role, "workflow.size=8", "engine.concurrency=2")
        done = cli(tmp_path, *words, **environment(tmp_path, server.url), AWS_ENDPOINT_URL_STS=server.url)
        assert done.returncode == 0, done.stderr
        assert 2 == server.lent
    said = f"{done.stdout}{done.stderr}".encode() + written(tmp_path / "outputs")
    assert b"lent-secret" not in said and b"lent-token" not in said and KEY.secret.encode() not in said


@pytest.mark.slow
@pytest.mark.parametrize("option", ["nova_lite", "claude_haiku"])
async def test_text2sql_on_a_real_model_behind_bedrock(option: str, tmp_path: Path, model: Path) -> None:
    """The embedded model answers through the real protocol: signed, by schema, checked by a real SQL engine.

    In mid-run the credentials expire and AWS throttles; the tokens are those that the model counted.
    """
    async with embedded_model() as (forward, key):
        behaviour = Behaviour(keys=LENT, pthrottle=0.05, forward=forward, forward_key=key)
        with bedrock_server_in_thread(behaviour) as server:
            server.after[3] = lambda: server.expired.add(LENT[0].access)
            words = (
                *RUN,
                f"model={option}",
                "workflow.size=5",
                "workflow.max_attempts=100",
                "model.max_tokens=128",
                "workflow.reasks=0",
            )
            env = lending(tmp_path, server.url)
            done = await asyncio.to_thread(cli, tmp_path, *words, "engine.concurrency=2", "engine.timeout_s=600", **env)
            answers = server.statuses[200]
            schemas = [body.get("outputConfig") or body.get("toolConfig") for body in server.bodies]
    assert done.returncode == 0, done.stderr
    found = record(tmp_path, done.stdout)
    made = found["counts"]["calls"]["made"]
    assert 5 == found["counts"]["kept"]
    assert answers == made
    assert all(schemas)
    assert 100 * made < found["tokens"]["input"] and 5 * made < found["tokens"]["output"]
    assert found["cost_usd"] > 0
