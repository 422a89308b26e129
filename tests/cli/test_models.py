"""`sdspec models`: what a provider offers, from its own list, with what is known of each model."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from sdspec.cli.main import main
from tests.cli.doctoring import HAIKU, KEY, on_aws
from tests.goldens import assert_golden
from tests.recipes import write_spec
from tests.servers.bedrock import Behaviour, bedrock_server_in_thread
from tests.servers.cloudera import cloudera_server
from tests.servers.openai import Behaviour as OpenAIBehaviour
from tests.servers.openai import openai_server_in_thread

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An empty folder, and nobody's credentials."""
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_CA_BUNDLE", "CDP_TOKEN", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return monkeypatch


def aws(here: pytest.MonkeyPatch, tmp_path: Path, url: str) -> None:
    """AWS's variables are set."""
    for name, value in on_aws(tmp_path, url).items():
        here.setenv(name, value)


@pytest.mark.parametrize("columns", [80, 40, 0], ids=["80", "40", "pipe"])
def test_bedrock(columns: int, here: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured) -> None:
    """On demand, by profile, or by profile alone: with windows and prices, ids whole, and how to use one."""
    if columns:
        here.setenv("COLUMNS", str(columns))
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        aws(here, tmp_path, server.url)
        assert 0 == main(["models", "provider=bedrock"])
    shown = capsys.readouterr().out
    assert_golden(f"models_bedrock_{columns or 'pipe'}.txt", shown)
    assert KEY.secret not in shown


def test_json_of_those_that_match(here: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured) -> None:
    """`--match` looks at ids and names; a model that is not called by its own id says which call it."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        aws(here, tmp_path, server.url)
        assert 0 == main(["models", "provider=bedrock", "--match", "Claude Haiku 4", "--json"])
        found = {one["id"]: one for one in json.loads(capsys.readouterr().out)}
        assert 0 == main(["models", "provider=bedrock", "--match", "gpt"])
    assert "no model has 'gpt'" in capsys.readouterr().out
    bare = found[HAIKU.removeprefix("us.")]
    assert ("profile only", [HAIKU, HAIKU.replace("us.", "global.")]) == (bare["called"], bare["instead"])
    assert (200_000, "native", True) == tuple(found[HAIKU][key] for key in ("context_tokens", "schema", "tools"))


def test_no_permission_to_list_says_which(here: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured) -> None:
    """The actions are named as IAM names them."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,), may_list=False)) as server:
        aws(here, tmp_path, server.url)
        assert 1 == main(["models", "provider=bedrock"])
    assert "bedrock:ListFoundationModels and bedrock:ListInferenceProfiles" in capsys.readouterr().err


def test_a_bedrock_api_key_lists_too(here: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured) -> None:
    """AWS_BEARER_TOKEN_BEDROCK is sent as it is."""
    with bedrock_server_in_thread(Behaviour(keys=(), bearer="an-api-key")) as server:
        aws(here, tmp_path, server.url)
        here.setenv("AWS_BEARER_TOKEN_BEDROCK", "an-api-key")
        assert 0 == main(["models", "provider=bedrock", "--match", "nova"])
    assert "us.amazon.nova-lite-v1:0" in capsys.readouterr().out


def test_openai_lists_what_chats(here: pytest.MonkeyPatch, capsys: Captured) -> None:
    """What draws or embeds is left out; the key is sent; the line that uses a model can be copied."""
    served = ("text-embedding-3-small", "gpt-image-1", "gpt-4.1-mini", "of-tomorrow")
    here.setenv("OPENAI_API_KEY", "sk-test")
    with openai_server_in_thread(OpenAIBehaviour(models=served, api_key="sk-test")) as server:
        url = f"provider.base_url={server.base_url}"
        assert 0 == main(["models", "provider=openai", url])
    shown = capsys.readouterr().out
    assert ["gpt-4.1-mini", "of-tomorrow"] == [line.split()[0] for line in shown.splitlines()[1:3]]
    assert f"use one: sdspec run provider=openai {url} model.id=gpt-4.1-mini" in shown


def test_a_spec_needs_a_provider_and_nothing_else(here: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured) -> None:
    """A spec whose model or template is wrong lists all the same; named providers are asked by their names."""
    with cloudera_server("t") as server:
        here.setenv("CDP_TOKEN", "t")
        second = {"kind": "cloudera", "base_url": server.base_url}
        write_spec(tmp_path, {"providers": {"second": second}, "model": {"id": "???"}, "workflow": {"sise": 3}})
        assert 0 == main(["models", "colours", "--provider", "second"])
    assert "meta/llama-3.1-8b-instruct" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["provider=openai_compatible"], "provider.base_url: must be set"),
        (["provider=bedrok"], "Did you mean 'bedrock'?"),
        (["provider=fake", "provider.latency=1"], "provider.latency: unknown key"),
        (["provider=fake", "--provider", "judge"], "no provider named 'judge'"),
        (["claude", "provider=bedrock"], "--match claude"),
        (["provider=fake", "--timeout", "soon"], "a number of seconds"),
    ],
)
def test_what_is_wrong_with_the_provider_is_2(words: list[str], says: str, capsys: Captured) -> None:
    """A provider that cannot be asked is a problem of the command, with what to write."""
    assert 2 == main(["models", *words])
    assert says in capsys.readouterr().err


def test_a_list_that_cannot_be_had_is_1(capsys: Captured) -> None:
    """An endpoint that is not there says so, in seconds."""
    assert 1 == main(["models", "provider=vllm", "provider.base_url=http://127.0.0.1:9/v1"])
    assert "127.0.0.1" in capsys.readouterr().err


@pytest.mark.parametrize(("provider", "says"), [("local", "smollm2-135m-instruct"), ("fake", "any id")])
def test_what_is_in_this_process_is_listed_without_a_call(provider: str, says: str, capsys: Captured) -> None:
    """The embedded model says whether its weights are here; fake takes any id."""
    assert 0 == main(["models", f"provider={provider}", "--json"])
    assert says in capsys.readouterr().out


@pytest.mark.parametrize("match", ["haiku-4", "nova", "llama"])
def test_the_line_to_copy_is_a_spec_without_problems(
    match: str, here: pytest.MonkeyPatch, tmp_path: Path, capsys: Captured
) -> None:
    """It names the spec that was given, and runs as it stands: some models take temperature or top_p, not both."""
    write_spec(tmp_path, {})
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        aws(here, tmp_path, server.url)
        assert 0 == main(["models", "colours", "provider=bedrock", "--match", match])
        line = capsys.readouterr().out.rpartition("use one: sdspec run ")[2]
        assert "colours" == line.split()[0]
        assert 0 == main(["check", *shlex.split(line)])
