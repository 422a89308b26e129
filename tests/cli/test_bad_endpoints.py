"""What users meet at an endpoint, from the command line: the exit code and the sentence that says what to do.

Commands run in this process, under an alarm: one that goes on for ever fails its test.
"""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sdspec.cli.main import main
from tests.recipes import write_spec
from tests.servers.bedrock import BedrockServer, Failure, Key, bedrock_server_in_thread
from tests.servers.bedrock import Behaviour as BedrockBehaviour
from tests.servers.certificates import Certificates, certificates
from tests.servers.cloudera import ClouderaServer, Gateway, cloudera_server, jwt
from tests.servers.http import Reply, Request, running
from tests.servers.openai import Behaviour, Fault, OpenAIServer, openai_server_in_thread

KEY = "a-key-that-is-shown-nowhere"
AWS = Key("AKIATESTONLY", "a-secret-that-is-shown-nowhere")
TOKEN = jwt("anyone", time.time() + 3600)
MODEL = "meta/llama-3.1-8b-instruct"
PROMPT = "{{ examples }} Ask about {{ seed }}, {{ mood }}, number {{ number }}"
VARIABLES = {"mood": {"choice": ["calm", "wild"]}, "number": {"range": [0, 10**9]}}
"""Each prompt is another, and so is each made-up answer."""
NOWHERE = "http://127.0.0.1:9"
"""The discard port: nothing listens there."""
LONGEST_S = 120
"""Of one command: nothing here takes more than a few seconds, and this machine may be busy."""

Said = tuple[int, str]
"""Exit code, and all that was said on stderr."""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a spec; nobody's credentials or proxies; no command goes on for ever."""
    write_spec(tmp_path, {"template": {"prompt": PROMPT, "variables": VARIABLES}, "workflow": {"size": 20}})
    monkeypatch.chdir(tmp_path)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in (
        "AWS_PROFILE",
        "AWS_SESSION_TOKEN",
        "AWS_BEARER_TOKEN_BEDROCK",
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_CA_BUNDLE",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", AWS.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", AWS.secret)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("MY_KEY", KEY)
    monkeypatch.setenv("CDP_TOKEN", TOKEN)

    def too_long(*_: object) -> None:
        raise AssertionError(f"the command did not end within {LONGEST_S} s")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(LONGEST_S)
    yield tmp_path
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def private(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A CA that no machine trusts."""
    return certificates(tmp_path_factory.mktemp("ca"))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Said]:
    """`sdspec run colours WORDS --quiet`, without a traceback or a secret in what it says."""

    def run(*words: str, verb: tuple[str, ...] = ("run", "colours")) -> Said:
        few = [] if verb[0] == "resume" else ["engine.concurrency=4", "engine.outage_s=1"]
        code = main([*verb, *words, *few, "--quiet"])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert not any(secret in out + err for secret in (KEY, AWS.secret, TOKEN))
        return code, err

    return run


def openai(server: OpenAIServer) -> list[str]:
    """Words that point a run to the server."""
    at = f"provider.base_url={server.base_url}"
    return ["provider=openai_compatible", at, "provider.api_key_env=MY_KEY", "model=default", "model.id=any"]


def bedrock(server: BedrockServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Words that point a run to the server, and AWS's variable for its address."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", server.url)
    return ["provider=bedrock", "model=claude_haiku"]


def cloudera(server: ClouderaServer) -> list[str]:
    """Words that point a run to the server."""
    return ["provider=cloudera", f"provider.base_url={server.base_url}", "model=default", f"model.id={MODEL}"]


def last(here: Path) -> dict[str, Any]:
    """run.json of the newest run."""
    newest = max((here / "outputs" / "colours").iterdir())
    found: dict[str, Any] = json.loads((newest / "run.json").read_text())
    return found


# ------------------------------------------------------------------------------------------- keys and tokens


def test_a_key_revoked_in_mid_run(here: Path, run: Callable[..., Said]) -> None:
    """The run stops after as many refusals as there were calls in flight, and a good key finishes it."""
    with openai_server_in_thread(Behaviour(api_key=KEY, latency_s=0.01)) as server:
        good = server.behaviour

        def revoked(prompt: str, attempt: int) -> Fault | None:
            return None if server.requests <= 8 else Fault(401, "invalid_api_key", f"Incorrect API key: {KEY}")

        server.behaviour = replace(good, fault=revoked)
        code, err = run(*openai(server))
        assert 1 == code
        assert "refuses the key of the environment variable MY_KEY" in err and "sdspec resume" in err
        assert server.statuses[401] <= 4
        server.behaviour = good
        code, err = run(verb=("resume", "last"))
        assert 0 == code, err
        assert server.statuses[200] == last(here)["counts"]["calls"]["made"] == 20


def test_an_aws_key_revoked_in_mid_run(here: Path, run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS no longer knows the key: the variables to look at are named, and the run can be resumed."""
    with bedrock_server_in_thread(BedrockBehaviour(keys=(AWS,))) as server:
        server.after[8] = lambda: setattr(server, "behaviour", BedrockBehaviour(keys=()))
        code, err = run(*bedrock(server, monkeypatch))
        assert 1 == code
        assert "AWS_ACCESS_KEY_ID" in err and "sdspec resume" in err
        assert server.statuses[403] <= 4


def test_an_aws_token_that_expires_in_mid_run(
    here: Path, run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Variables do not renew themselves: how to get new ones is said, and `resume` goes on with them."""
    fresh = Key("AKIAFRESH", "another-secret")
    with bedrock_server_in_thread(BedrockBehaviour(keys=(AWS, fresh))) as server:
        server.after[8] = lambda: server.expired.add(AWS.access)
        code, err = run(*bedrock(server, monkeypatch))
        assert 1 == code
        assert "expired" in err and "aws sso login" in err and "sdspec resume" in err
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", fresh.access)
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", fresh.secret)
        code, err = run(verb=("resume", "last"))
        assert 0 == code, err
        assert server.statuses[200] == last(here)["counts"]["calls"]["made"] == 20


def test_no_aws_credentials(run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    """Which variables, which setting, before any call."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with bedrock_server_in_thread() as server:
        code, err = run(*bedrock(server, monkeypatch))
        assert (1, 0) == (code, sum(server.asked.values()))
    assert "no AWS credentials found. Set AWS_ACCESS_KEY_ID" in err


def test_a_cloudera_token_that_expires_in_mid_run(here: Path, run: Callable[..., Said]) -> None:
    """The command that gets a new one is said, and a resume with it buys only the rest."""
    with cloudera_server(TOKEN) as server:
        server.after[8] = server.tokens.clear
        code, err = run(*cloudera(server))
        assert 1 == code
        assert "Jwt is expired" in err and "export CDP_TOKEN=$(cdp iam generate-workload-auth-token" in err
        server.tokens.add(TOKEN)
        code, err = run(verb=("resume", "last"))
        assert 0 == code, err
        assert server.statuses["completions", 200] == last(here)["counts"]["calls"]["made"] == 20


# ---------------------------------------------------------------------------------------- models and endpoints


@pytest.mark.parametrize(
    ("behaviour", "words", "said"),
    [
        (BedrockBehaviour(region="eu-central-1"), (), "set provider.region to the endpoint's region"),
        (BedrockBehaviour(models=("other",)), (), "Is the id right, and is the model in us-east-1?"),
        (
            BedrockBehaviour(
                fault=lambda *_: Failure(
                    403, "AccessDeniedException", "You don't have access to the model with the specified model ID."
                )
            ),
            (),
            "Ask for access to us.anthropic.claude-haiku-4-5-20251001-v1:0 in the Bedrock console of us-east-1",
        ),
        (
            BedrockBehaviour(
                fault=lambda *_: Failure(
                    400,
                    "ValidationException",
                    "Invocation of model ID anthropic.claude-haiku-4-5-20251001-v1:0 with on-demand throughput isn't "
                    "supported.",
                )
            ),
            ("model.id=anthropic.claude-haiku-4-5-20251001-v1:0",),
            "Set model.id to the inference profile, mostly us.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
    ],
    ids=["wrong region", "unknown model", "no access", "needs a profile"],
)
def test_what_bedrock_refuses(
    behaviour: BedrockBehaviour,
    words: tuple[str, ...],
    said: str,
    run: Callable[..., Said],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Region, model id and access: exit 1 after a handful of calls, with the setting or the console to go to."""
    with bedrock_server_in_thread(replace(behaviour, keys=(AWS,))) as server:
        code, err = run(*bedrock(server, monkeypatch), *words)
        assert sum(server.statuses.values()) <= 8
    assert 1 == code
    assert said in err


def test_a_region_that_aws_does_not_have(run: Callable[..., Said]) -> None:
    """A typing error in the region is answered with the region that was meant."""
    code, err = run("provider=bedrock", "provider.region=us-eas-1", "model=claude_haiku")
    assert code in (1, 2)
    assert "Did you mean 'us-east-1'?" in err


@pytest.mark.parametrize(
    ("happens", "said"),
    [
        (lambda server: setattr(server, "asleep", 10**6), "provider.scale_up_s waits longer"),
        (lambda server: server.without_access.update(server.tokens), "the token may not use endpoint 'llama'"),
        (lambda server: setattr(server, "base_url", server.base_url.replace("llama", "lama")), "Check namespace"),
    ],
    ids=["scaled to zero", "no access", "no such endpoint"],
)
def test_what_cloudera_refuses(happens: Callable[[ClouderaServer], None], said: str, run: Callable[..., Said]) -> None:
    """Asleep, forbidden, not there: exit 1 before any call, with what to look at."""
    with cloudera_server(TOKEN) as server:
        happens(server)
        server.tokens -= server.without_access
        code, err = run(*cloudera(server), "provider.scale_up_s=0")
        assert not [1 for (path, _) in server.statuses if path == "completions"]
    assert 1 == code
    assert said in err


def test_an_endpoint_that_is_not_there(run: Callable[..., Said]) -> None:
    """Nothing listens: exit 1 with address and reason, what to do, since a resume asks there again; no rejects."""
    words = [f"provider.base_url={NOWHERE}/v1", "model=default", "model.id=any"]
    code, err = run("provider=openai_compatible", *words)
    assert 1 == code
    assert "cannot connect to 127.0.0.1:9: Connection refused" in err and "ssl:default" not in err
    assert "`sdspec doctor`" in err and "run it again" in err


def test_a_quota_that_is_spent(run: Callable[..., Said]) -> None:
    """A 429 that no waiting helps ends the run with the provider's own words."""
    spent = Fault(429, "insufficient_quota", "You exceeded your current quota, please check your plan")
    with openai_server_in_thread(Behaviour(fault=lambda *_: spent)) as server:
        code, err = run(*openai(server))
        assert server.requests <= 8
    assert 1 == code
    assert "You exceeded your current quota" in err


def test_a_price_that_nobody_knows(here: Path, run: Callable[..., Said]) -> None:
    """The run goes on and says once that its cost is unknown; only a budget of dollars needs a price."""
    with openai_server_in_thread(Behaviour(api_key=KEY)) as server:
        words = [*openai(server), "provider=openai", "model.id=a-model-of-tomorrow"]
        code, err = run(*words)
        assert 0 == code, err
        assert 1 == err.count("a-model-of-tomorrow")
        assert 20 == last(here)["unpriced_calls"]
        code, err = run(*words, "budget.usd=1")
        assert (2, 20) == (code, server.requests)
    assert "budget.usd" in err and "model.price='{input: 1.0, output: 5.0}'" in err


# ------------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize("kind", ["openai_compatible", "bedrock", "cloudera"])
def test_a_certificate_of_ones_own(
    kind: str, run: Callable[..., Said], private: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key to set is named before any call; with it the run is done."""
    servers = {"bedrock": BedrockServer(BedrockBehaviour(keys=(AWS,))), "cloudera": ClouderaServer(Gateway(), TOKEN)}
    server = servers.get(kind) or OpenAIServer(Behaviour(api_key=KEY))
    with running(server.handle, tls=private.server) as url:
        if isinstance(server, BedrockServer):
            server.url = url
            words = bedrock(server, monkeypatch)
        else:
            server.base_url = f"{url}/v1"
            words = cloudera(server.at(url)) if isinstance(server, ClouderaServer) else openai(server)
        code, err = run(*words)
        assert (1, 0) == (code, sum(server.statuses.values()))
        assert "is not trusted" in err and "provider.ca_bundle=/path/to/ca.pem" in err
        code, err = run(*words, f"provider.ca_bundle={private.ca_file}")
    assert 0 == code, err


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_that_is_not_there(variable: str, run: Callable[..., Said], monkeypatch: pytest.MonkeyPatch) -> None:
    """The proxy and its variable are named, not the endpoint alone; NO_PROXY goes straight there.

    0.0.0.0 stands for a host that is not this one: those on loopback are never reached by a proxy.
    """
    with openai_server_in_thread(Behaviour(api_key=KEY)) as server:
        monkeypatch.setenv(variable, NOWHERE)
        code, err = run(*openai(server))
        assert 0 == code, err
        server.base_url = server.base_url.replace("127.0.0.1", "0.0.0.0")
        words = [*openai(server), "seed=2"]
        code, err = run(*words)
        assert 1 == code
        assert f"proxy 127.0.0.1:9 of {variable}" in err and "NO_PROXY=0.0.0.0" in err
        monkeypatch.setenv("NO_PROXY", "0.0.0.0")
        code, err = run(*words)
        assert 0 == code, err


# ------------------------------------------------------------------------------------------- addresses


def answering(status: int, body: bytes) -> Callable[[Request], Awaitable[Reply]]:
    """Whatever is asked, this comes back."""

    async def handle(request: Request) -> Reply:
        return Reply(status, body)

    return handle


def test_an_address_without_its_version(run: Callable[..., Said]) -> None:
    """The endpoint knows no such path: which two keys to look at, and what may be missing from the address."""
    with openai_server_in_thread(Behaviour()) as server:
        words = [word.removesuffix("/v1") for word in openai(server)]
        code, err = run(*words)
    assert 1 == code
    assert "model.id (any; `sdspec models` lists them)" in err
    assert f"provider.base_url ({server.base_url.removesuffix('/v1')}, which mostly ends in /v1)" in err


def test_a_login_page_in_the_place_of_an_endpoint(run: Callable[..., Said]) -> None:
    """A network's own page answers everything with 200: that is said, and its HTML is not printed."""
    page = b"<!DOCTYPE html><html><head><title>Hotel\n WiFi</title></head><body>Sign in</body></html>"
    with running(answering(200, page)) as url:
        code, err = run("provider=openai_compatible", f"provider.base_url={url}/v1", "model=default", "model.id=any")
        assert 1 == code
        assert "an HTML page 'Hotel WiFi' came back" in err and "Sign in" not in err
        code = main(["models", "provider=openai_compatible", f"provider.base_url={url}/v1"])
    assert 1 == code
