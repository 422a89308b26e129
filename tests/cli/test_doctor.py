"""`sdspec doctor`: each failure that users meet is found before a run, with what to do; nothing is left behind."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from sdspec.cli.main import main
from tests.cli.doctoring import Doctor, text
from tests.recipes import write_spec
from tests.servers.certificates import certificates
from tests.servers.cloudera import ClouderaServer, cloudera_server, jwt
from tests.servers.openai import Behaviour as OpenAIBehaviour
from tests.servers.openai import Fault, OpenAIServer, openai_server_in_thread
from tests.terminal import on_terminal

SERVED = ("provider=openai_compatible", "model=default", "model.id=gpt-4.1-mini")
SPINNER = re.compile("[\u2800-\u28ff]")
"""What is written over in its place, and does not stay."""
IN_AN_HOUR = time.time() + 3600 + 30


# --------------------------------------------------------------------------------------------------------- Cloudera


def on_cloudera(server: ClouderaServer, model: str = "meta/llama-3.1-8b-instruct") -> tuple[str, ...]:
    """The overrides that point to an endpoint of Cloudera AI."""
    return ("provider=cloudera", f"provider.base_url={server.base_url}", "model=default", f"model.id={model}")


def test_all_is_well_on_cloudera(doctor: Doctor, tmp_path: Path) -> None:
    """The token's file and its minutes are named, the endpoint is up, and the model is the one it serves."""
    token = jwt("someone", IN_AN_HOUR)
    (tmp_path / "jwt").write_text(json.dumps({"access_token": token}))
    with cloudera_server(token) as server:
        code, found = doctor(*on_cloudera(server), f"provider.token_file={tmp_path / 'jwt'}")
    assert 0 == code
    assert re.search(r"/jwt, for \d\d minutes more$", found["credentials"]["said"])
    assert ("ok", "ok", "ok", "ok") == tuple(found[what]["state"] for what in ("ready", "model", "call", "structured"))
    assert "warn" == found["price"]["state"]


@pytest.mark.parametrize(
    ("words", "token", "what", "says"),
    [
        (("model.id=meta/llama",), "good", "ready", "does not serve"),
        ((), "stranger", "ready", "may not use endpoint"),
        ((), "revoked", "ready", "generate-workload-auth-token"),
        ((), "", "credentials", "CDP_TOKEN is not set"),
        (("provider.base_url={url}-other/v1",), "good", "ready", "nothing is at"),
    ],
    ids=["model", "403", "401", "none", "404"],
)
def test_what_is_wrong_with_cloudera_is_named(
    words: tuple[str, ...], token: str, what: str, says: str, doctor: Doctor
) -> None:
    """Another model, no access, a revoked token, none at all, a wrong URL: each says what to do."""
    tokens = {name: jwt(name, IN_AN_HOUR) for name in ("good", "stranger", "revoked")}
    with cloudera_server(tokens["good"]) as server:
        server.without_access.add(tokens["stranger"])
        at = server.base_url.removesuffix("/v1")
        given = [word.format(url=at) for word in words]
        env = {"CDP_TOKEN": tokens.get(token, "")}
        code, found = doctor(*on_cloudera(server), "provider.token_file=null", *given, **env)
    assert (1, "fail") == (code, found[what]["state"])
    assert says in text(found[what])
    assert "skip" == found["call"]["state"]


@pytest.mark.parametrize(("scale_up_s", "state"), [(900, "warn"), (0, "fail")])
def test_an_endpoint_scaled_to_zero_is_told_and_not_waited_for(scale_up_s: int, state: str, doctor: Doctor) -> None:
    """A run would wait, so it is a warning; where the spec forbids that, a failure."""
    with cloudera_server(jwt("someone", IN_AN_HOUR)) as server:
        server.asleep, server.retry_after = 1000, "7"
        words = (*on_cloudera(server), f"provider.scale_up_s={scale_up_s}")
        code, found = doctor(*words, CDP_TOKEN=jwt("someone", IN_AN_HOUR))
        assert 1 == server.statuses["models", 503]
    assert (int(state == "fail"), state, "skip") == (code, found["ready"]["state"], found["call"]["state"])
    assert "scaled to zero" in found["ready"]["said"]


def test_a_private_certificate_needs_its_ca(doctor: Doctor, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A certificate that nobody trusts fails with the key to set; with the CA's file all is well."""
    private, token = certificates(tmp_path_factory.mktemp("ca")), jwt("someone", IN_AN_HOUR)
    with cloudera_server(token, tls=private.server) as server:
        code, found = doctor(*on_cloudera(server), CDP_TOKEN=token)
        trusted, _ = doctor(*on_cloudera(server), f"provider.ca_bundle={private.ca_file}", CDP_TOKEN=token)
    assert (1, "fail", 0) == (code, found["endpoint"]["state"], trusted)
    assert "provider.ca_bundle=" in text(found["endpoint"])


# ----------------------------------------------------------------------------------------- endpoints of OpenAI's format


def at(server: OpenAIServer) -> tuple[str, ...]:
    """The overrides that point to a server."""
    return (*SERVED, f"provider.base_url={server.base_url}")


def test_a_refused_key_is_told_and_not_shown(doctor: Doctor) -> None:
    """A revoked key fails at the first request that needs it; a server that echoes it changes nothing."""
    echo = Fault(401, "invalid_api_key", "Incorrect API key provided: sk-refused-0123456789.")
    with openai_server_in_thread(OpenAIBehaviour(fault=lambda prompt, n: echo)) as server:
        words = (*at(server), "provider.api_key_env=MY_KEY_NAME")
        code, found = doctor(*words, MY_KEY_NAME="sk-refused-0123456789")
    assert (1, "fail") == (code, found["call"]["state"])
    assert "MY_KEY_NAME" in text(found["call"]) and "***" in text(found["call"])


def test_a_server_that_hangs_ends_in_its_time(doctor: Doctor) -> None:
    """A call that is never answered fails after --timeout, and what comes after it is left out."""
    with openai_server_in_thread(OpenAIBehaviour(fault=lambda prompt, n: Fault(hang=True))) as server:
        code, found = doctor(*at(server), "--timeout", "0.3")
    assert (1, "fail", "skip") == (code, found["call"]["state"], found["structured"]["state"])
    assert "--timeout" in found["call"]["hint"]


def test_a_server_without_a_list_and_without_schemas_is_fit_by_the_prompt(doctor: Doctor) -> None:
    """No list of models is a warning; structured=false puts the schema into the prompt, and says so."""
    prose = OpenAIBehaviour(models=("llama",), answer=lambda body: "Water is wet.")
    with openai_server_in_thread(prose) as server:
        code, found = doctor(*at(server), "model.id=lama", "provider.structured=false", "--no-call")
        assert (0, "warn") == (code, found["model"]["state"])
        assert "Did you mean llama?" in found["model"]["hint"]
        code, found = doctor(*at(server), "model.id=llama", "provider.structured=false")
    assert (0, "warn") == (code, found["structured"]["state"])
    assert "by the prompt" in found["structured"]["said"]


def test_a_proxy_is_named_and_so_is_what_goes_round_it(doctor: Doctor) -> None:
    """A proxy that fails is told with its variable, without its password; NO_PROXY and this machine are seen."""
    proxy = {"HTTP_PROXY": "http://me:pass-word@127.0.0.1:9"}
    words = (*SERVED, "provider.base_url=http://models.invalid/v1")
    code, found = doctor(*words, **proxy)
    assert (1, "fail") == (code, found["endpoint"]["state"])
    assert "the proxy 127.0.0.1:9 of HTTP_PROXY" in found["endpoint"]["said"]
    assert "NO_PROXY=models.invalid" in found["endpoint"]["said"] and "pass-word" not in text(found["endpoint"])
    with openai_server_in_thread() as server:
        code, found = doctor(*at(server), **proxy)
        assert (0, "ok") == (code, found["endpoint"]["state"])
        assert "this machine" in found["endpoint"]["said"]
    code, found = doctor(*words, **proxy, NO_PROXY="models.invalid")
    assert (1, "fail") == (code, found["endpoint"]["state"])
    assert "cannot be resolved" in found["endpoint"]["said"]


# ----------------------------------------------------------------------------------------- this machine, and the screen


def test_the_embedded_model_is_looked_at_and_nothing_is_fetched(doctor: Doctor, tmp_path: Path) -> None:
    """Without weights doctor says what the first run fetches, and starts nothing."""
    code, found = doctor(XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert (0, "warn", "skip") == (code, found["weights"]["state"], found["call"]["state"])
    assert "MB" in found["weights"]["said"]
    assert not (tmp_path / "cache" / "sdspec" / "models").exists()


def test_a_journal_that_cannot_be_written_fails(doctor: Doctor, tmp_path: Path) -> None:
    """Answers that cannot be kept would not be bought: the disk is looked at first."""
    (tmp_path / "file").write_text("")
    code, found = doctor("provider=fake", f"engine.journal={tmp_path / 'file' / 'journal.sqlite'}")
    assert (1, "fail") == (code, found["journal"]["state"])
    assert "SDSPEC_JOURNAL=" in found["journal"]["hint"]


def test_every_model_of_the_spec_has_its_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named models are looked at with their own providers, each under its name, by which its keys are named."""
    second = {"kind": "openai_compatible", "base_url": "http://127.0.0.1:9/v1"}
    write_spec(tmp_path, {"providers": {"second": second}, "models": {"judge": {"id": "j", "provider": "second"}}})
    monkeypatch.chdir(tmp_path)
    assert 1 == main(["doctor", "colours", "--json", "--no-call"])
    sections = json.loads(capsys.readouterr().out)["sections"]
    assert ["spec", "model", "judge"] == [section["name"] for section in sections]
    assert "j on openai_compatible" == sections[2]["about"]
    hints = {check["what"]: check["hint"] for check in sections[2]["checks"]}
    assert "models.judge.context=TOKENS says it." == hints["context"]
    assert hints["price"].startswith("models.judge.price=")


def test_a_wrong_spec_is_2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its problems are those of `check`, and nobody is asked."""
    monkeypatch.chdir(tmp_path)
    assert 2 == main(["doctor", "provider=fake", "workflow.sise=3"])
    assert "workflow.sise: unknown key" in capsys.readouterr().err


def test_a_failed_check_on_narrow_and_wide_terminals(tmp_path: Path) -> None:
    """80 columns have the checks' names in a column of their own, 40 one below the other; no line is longer, and no
    spinner is left.
    """
    words = (*SERVED, "provider.base_url=http://127.0.0.1:9/v1")
    for columns, line in ((80, "  ok   spec         no problems"), (40, "  ok   spec")):
        shown = on_terminal(tmp_path, columns, "doctor", *words)
        assert line in [one.rstrip() for one in shown]
        assert not any(SPINNER.search(one) for one in shown)
        assert max(len(one.rstrip()) for one in shown) <= columns
        assert any(one.strip() == "1 check failed: a run would stop." for one in shown)
