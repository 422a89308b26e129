"""Provider `cloudera` at a server that behaves like Cloudera AI Inference: its token, its certificate, its sleep."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

import sdspec
from sdspec.api import Run, resume
from sdspec.contracts import Endpoint
from sdspec.engine.run import Silent
from sdspec.errors import PrerequisiteError
from sdspec.providers.cloudera import EARLY_S, Cloudera
from tests.recipes import cli, counts, run_spec, write_spec
from tests.servers.certificates import Certificates, certificates
from tests.servers.cloudera import ClouderaServer, cloudera_server, jwt
from tests.servers.http import Reply

MODEL = "meta/llama-3.1-8b-instruct"
URL = "https://ml.example.site/namespaces/serving-default/endpoints/llama/v1"
SPEC: dict[str, Any] = {
    "defaults": ["/sdspec", {"override /template": "custom"}, {"override /provider": "cloudera"}, "_self_"],
    "template": {
        "prompt": "{{ examples }} Ask about {{ seed }}, {{ mood }}, number {{ number }}",
        "variables": {"mood": {"choice": ["calm", "wild"]}, "number": {"range": [0, 10**9]}},
    },
    "model": {"id": MODEL},
}
IN_AN_HOUR = time.time() + 3600
FIRST, SECOND = jwt("first", IN_AN_HOUR), jwt("second", IN_AN_HOUR)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA that no machine trusts."""
    return certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workbench's file with the first token; CDP_TOKEN is not set."""
    monkeypatch.delenv("CDP_TOKEN", raising=False)
    return write_token(tmp_path / "jwt", FIRST)


def write_token(path: Path, token: str) -> Path:
    path.write_text(json.dumps({"access_token": token, "token_type": "Bearer"}))
    return path


class Said(Silent):
    """Keeps what is said."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.something = asyncio.Event()

    def say(self, text: str) -> None:
        self.texts.append(text)
        self.something.set()


def run_on(server: ClouderaServer, file: Path, *overrides: str, size: int = 20) -> Run:
    """A run of the spec with the token of that file."""
    spec = write_spec(file.parent, {**SPEC, "workflow": {"size": size}})
    return run_spec(spec, *at(server, file), *overrides)


def at(server: ClouderaServer, file: Path) -> list[str]:
    """The overrides that point a run to the server."""
    outputs = f"engine.outputs={file.parent / 'outputs'}"
    return [f"provider.base_url={server.base_url}", f"provider.token_file={file}", outputs]


async def opened(provider: Cloudera) -> Endpoint:
    """The provider's endpoint, opened and closed again: it holds nothing open."""
    async with provider.open(MODEL, 4, print) as endpoint:
        return endpoint


def written_below(folder: Path) -> bytes:
    """Everything that a run has written, the journal too."""
    return b"\n".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


# -------------------------------------------------------------------------------------------------------- the token


def test_a_token_that_expires_in_mid_run_is_read_again(file: Path) -> None:
    """No answer is lost or bought twice, and being refused with the old token is no try of the call."""
    with cloudera_server(FIRST) as server:

        def rotate() -> None:
            write_token(file, SECOND)
            server.tokens = {SECOND}

        server.after[15] = rotate
        run = run_on(server, file, "engine.concurrency=8", "engine.max_tries=1", size=60)
        assert run.record()["status"] == "done"
        assert counts(run)["kept"] == 60
        assert counts(run)["calls"]["made"] == server.statuses["completions", 200] == 60
        assert 1 <= server.statuses["completions", 401] <= 8
        assert max(server.behind.asked.values()) == 1


def test_a_revoked_token_stops_the_run_and_a_new_one_finishes_it(file: Path) -> None:
    """Law 7: one sentence, after as many refusals as there were calls in flight; a resume buys only the rest."""
    with cloudera_server(FIRST) as server:
        server.after[10] = server.tokens.clear
        run = run_on(server, file, "engine.concurrency=4")
        why = run.record()["why"]
        assert run.record()["status"] == "failed"
        assert "refuses the token of " in why and "Jwt is expired" in why and "cdp iam generate" in why
        assert server.statuses["completions", 401] <= 4
        server.tokens = {SECOND}
        write_token(file, SECOND)
        resumed = resume(run)
        assert counts(resumed)["kept"] == server.statuses["completions", 200] == 20
        assert FIRST not in why


async def test_the_variable_comes_first_and_the_file_takes_over(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """CDP_TOKEN is used while it is good; once it has expired the file's token is, and never the other way."""
    provider = Cloudera(base_url=URL, token_file=str(file))
    monkeypatch.setenv("CDP_TOKEN", f" {SECOND}\n")
    assert (await opened(provider)).secret == SECOND
    monkeypatch.setenv("CDP_TOKEN", jwt("old", time.time() - 10))
    assert (await opened(provider)).secret == FIRST


async def test_a_token_is_read_again_before_it_expires(file: Path) -> None:
    """The claim `exp` says when; a token that is no JSON web token is used until it is refused."""
    endpoint = await opened(Cloudera(base_url=URL, token_file=str(file)))
    assert endpoint.renew is not None
    assert endpoint.renew_at == int(IN_AN_HOUR) - EARLY_S
    write_token(file, "opaque")
    renewed = endpoint.renew("")
    assert ("opaque", None) == (renewed.secret, renewed.renew_at)


async def test_no_token_anywhere_says_where_one_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable, the file, and the command that gets one."""
    monkeypatch.delenv("CDP_TOKEN", raising=False)
    with pytest.raises(PrerequisiteError, match=r"CDP_TOKEN is not set and there is no file .*none.*cdp iam"):
        await opened(Cloudera(base_url=URL, token_file=str(tmp_path / "none")))


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"token": "x"}', '{"access_token": " "}'])
async def test_a_file_without_a_token_is_named(file: Path, text: str) -> None:
    """The message shows the form that is expected, and nothing of what the file holds."""
    file.write_text(text)
    with pytest.raises(PrerequisiteError, match=r"token_file: .*jwt is not JSON like"):
        await opened(Cloudera(base_url=URL, token_file=str(file)))


async def test_a_token_is_in_no_text_of_the_provider(file: Path) -> None:
    """Neither the endpoint nor its settings show it."""
    provider = Cloudera(base_url=URL, token_file=str(file))
    assert FIRST not in repr(await opened(provider)) + repr(provider) + repr(provider.deciding())


# ---------------------------------------------------------------------------------------------------- the endpoint


def test_an_endpoint_that_is_scaled_to_zero_is_waited_for(file: Path) -> None:
    """The user sees what is waited for; calls go out when it is up."""
    said = Said()
    with cloudera_server(FIRST) as server:
        server.asleep = 3
        spec = write_spec(file.parent, {**SPEC, "workflow": {"size": 3}})
        run = sdspec.run(sdspec.compile(sdspec.load(spec, at(server, file), cwd=file.parent)), said)
        assert counts(run)["kept"] == 3
        assert (server.statuses["models", 503], server.statuses["completions", 503]) == (3, 0)
    assert "endpoint 'llama' is scaled to zero or starting (HTTP 503): waited 0 of 900 s" in said.texts


async def test_a_run_that_ends_does_not_wait_for_an_endpoint(file: Path) -> None:
    """Ctrl-C while the endpoint scales up: nothing is in flight, and nothing is waited for."""
    with cloudera_server(FIRST) as server:
        server.asleep, server.retry_after = 1000, "3600"
        spec = write_spec(file.parent, SPEC)
        plan = sdspec.compile(sdspec.load(spec, [*at(server, file), "provider.scale_up_s=1e6"], cwd=file.parent))
        said = Said()
        running = asyncio.create_task(sdspec.arun(plan, said))
        async with asyncio.timeout(60):
            await said.something.wait()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
    (record,) = (file.parent / "outputs").glob("*/*/run.json")
    assert "interrupted" == json.loads(record.read_text())["status"]


def test_an_endpoint_that_stays_asleep_ends_the_run(file: Path) -> None:
    """After the longest wait one sentence says where to look; no call was sent."""
    with cloudera_server(FIRST) as server:
        server.asleep, server.retry_after = 1000, None
        run = run_on(server, file, "provider.scale_up_s=0")
        assert run.record()["status"] == "failed"
        assert "'llama' is scaled to zero" in run.record()["why"] and "scale_up_s waits longer" in run.record()["why"]
        assert set(server.statuses) == {("models", 503)}


def test_a_token_without_access_is_told_so(file: Path) -> None:
    """A 403 names the endpoint and what to ask for; no call was sent."""
    with cloudera_server() as server:
        server.without_access = {FIRST}
        why = run_on(server, file).record()["why"]
        assert "the token may not use endpoint 'llama' (HTTP 403). Ask for access to it" in why
        assert server.statuses == {("models", 403): 1}


def test_a_wrong_endpoint_name_is_told_so(file: Path) -> None:
    """A 404 shows the address and its form."""
    with cloudera_server(FIRST) as server:
        server.base_url = server.base_url.replace("/llama/", "/lama/")
        why = run_on(server, file).record()["why"]
        assert "/endpoints/lama/v1 (HTTP 404). Check namespace, endpoint name and /v1" in why


def test_a_wrong_model_id_is_answered_with_those_that_are_served(file: Path) -> None:
    """The ids of GET /models, before any call."""
    with cloudera_server(FIRST) as server:
        why = run_on(server, file, "model.id=llama-3.1-8b-instruct").record()["why"]
        assert f"endpoint 'llama' does not serve 'llama-3.1-8b-instruct'. Did you mean '{MODEL}'?" in why
        assert server.statuses == {("models", 200): 1}


def test_a_private_ca_is_trusted_where_it_is_named(file: Path, private: Certificates) -> None:
    """With `ca_bundle` the run is done; without it, it stops at once with the key to set."""
    with cloudera_server(FIRST, tls=private.server) as server:
        distrusted = run_on(server, file)
        assert "is not trusted: " in distrusted.record()["why"]
        assert "provider.ca_bundle=/path/to/ca.pem" in distrusted.record()["why"]
        assert not server.statuses
        trusted = run_on(server, file, f"provider.ca_bundle={private.ca_file}")
        assert counts(trusted)["kept"] == 20


@pytest.mark.parametrize(("text", "said"), [(None, "cannot be read"), ("no certificate", "holds no certificate")])
async def test_a_bundle_that_is_none_is_named(file: Path, text: str | None, said: str) -> None:
    """Before any call, with the reason."""
    bundle = file.parent / "ca.pem"
    if text is not None:
        bundle.write_text(text)
    with pytest.raises(PrerequisiteError, match=rf"provider.ca_bundle: .*ca.pem {said}"):
        await opened(Cloudera(base_url=URL, token_file=str(file), ca_bundle=str(bundle)))


# ------------------------------------------------------------------------------------------------------ the settings


def test_the_url_of_a_code_sample_is_taken() -> None:
    """What the endpoint's page shows ends with the path of the call."""
    assert URL == Cloudera(base_url=f"{URL}/chat/completions").base_url == Cloudera(base_url=f"{URL}/").base_url
    with pytest.raises(ValidationError):
        Cloudera(base_url="ml.example.site/namespaces/serving-default/endpoints/llama/v1")


def test_only_the_address_and_the_schema_decide() -> None:
    """Where the token is, what is trusted and how long is waited change no row."""
    one = Cloudera(base_url=URL, token_env="A", token_file=None, ca_bundle="x", scale_up_s=1, limits={"rpm": 3})
    assert one.deciding() == Cloudera(base_url=URL).deciding()
    assert one.endpoint_identity() != Cloudera(base_url=URL, structured=False).endpoint_identity()


def test_a_dataset_from_the_command_line_and_no_token_in_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the environment holds the token; it is in no file and on no screen, also where the server refuses it."""
    with cloudera_server(FIRST) as server:
        words = ["provider=cloudera", f"provider.base_url={server.base_url}", "model=default", f"model.id={MODEL}"]
        sized = ["workflow.size=4", "template.checks=[]"]
        done = cli(tmp_path, "run", "template=text2sql", *words, *sized, CDP_TOKEN=FIRST)
        assert done.returncode == 0, done.stderr
        folder = tmp_path / done.stdout.splitlines()[-1]
        assert json.loads((folder / "run.json").read_text())["counts"]["kept"] == 4
        assert {request["authorization"] for request in server.behind.headers} == {f"Bearer {FIRST}"}
        server.tokens.clear()
        monkeypatch.setenv("CDP_TOKEN", FIRST)
        again = [*words, *sized, f"engine.outputs={tmp_path / 'outputs'}", "template=text2sql", "seed=7"]
        refused = sdspec.run(sdspec.compile(sdspec.load(None, again, cwd=tmp_path)))
        assert "Jwt is expired" in refused.record()["why"]
    assert FIRST.encode() not in written_below(tmp_path)
    assert FIRST not in done.stdout + done.stderr


@pytest.mark.parametrize("status", [400, 401, 403, 500])
def test_a_token_that_the_server_echoes_is_blotted_out(status: int, file: Path) -> None:
    """Some gateways repeat what they refuse: it does not come as far as the reason of a run or of a row."""
    echo = Reply(status, f"cannot take Bearer {FIRST} here".encode(), {"content-type": "text/plain"})
    with cloudera_server(FIRST) as server:
        server.instead = echo
        run = run_on(server, file, "engine.concurrency=2", "engine.outage_s=0.2")
    assert run.record()["status"] == "failed"
    assert "***" in run.record()["why"] or status == 403
    assert FIRST.encode() not in written_below(file.parent / "outputs")


def test_check_knows_without_a_token_and_without_a_network(tmp_path: Path) -> None:
    """A spec is checked before there are credentials."""
    words = ["provider=cloudera", f"provider.base_url={URL}", "model=default", f"model.id={MODEL}"]
    checked = cli(tmp_path, "check", *words, CDP_TOKEN="")
    assert checked.returncode == 0, checked.stderr
    assert cli(tmp_path, "check", "provider=cloudera").returncode == 2
