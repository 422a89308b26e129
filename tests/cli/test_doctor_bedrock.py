"""`sdspec doctor` on Bedrock: each failure that users of AWS meet is found before a run, with what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.doctoring import BEDROCK, HAIKU, KEY, Doctor, on_aws, states, text
from tests.servers.bedrock import THROTTLED, Behaviour, Failure, bedrock_server_in_thread
from tests.servers.bedrock_lists import OWN


def test_all_is_well_on_bedrock(doctor: Doctor, tmp_path: Path) -> None:
    """Every check is right, the two calls are small and priced, and neither a journal nor a run is made."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        code, found = doctor(*BEDROCK, **on_aws(tmp_path, server.url))
        assert {"foundation-models": 1, "inference-profiles": 3} == dict(server.listed)
        assert [1, 256] == [body["inferenceConfig"]["maxTokens"] for body in server.bodies]
    assert (0, {"ok"}) == (code, set(states(found).values()))
    assert "AWS_ACCESS_KEY_ID" in found["credentials"]["said"]
    assert "tokens in" in found["call"]["said"] and "$0.0" in found["call"]["said"]
    assert "by the provider, kept to" in found["structured"]["said"]
    assert [] == list(tmp_path.iterdir())


def test_nothing_is_asked_with_no_call(doctor: Doctor, tmp_path: Path) -> None:
    """`--no-call` looks at all that costs nothing."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        code, found = doctor(*BEDROCK, "--no-call", **on_aws(tmp_path, server.url))
        assert not server.models
    assert (0, "skip", "skip") == (code, found["call"]["state"], found["structured"]["state"])


@pytest.mark.parametrize(
    ("env", "words", "what", "says"),
    [
        ({"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, (), "credentials", "Set AWS_ACCESS_KEY_ID"),
        ({"AWS_SECRET_ACCESS_KEY": "another-secret-key"}, (), "model", "AWS_SECRET_ACCESS_KEY"),
        ({}, ("provider.profile=nobody",), "credentials", "nobody"),
        ({}, ("provider.region=us-west-2",), "call", "set provider.region"),
        ({"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "http://127.0.0.1:9"}, (), "endpoint", "Is it running"),
        (
            {"AWS_ENDPOINT_URL_BEDROCK_RUNTIME": "https://bedrock-runtime.invalid"},
            (),
            "endpoint",
            "cannot be resolved",
        ),
    ],
    ids=["none", "wrong secret", "profile", "region", "refused", "dns"],
)
def test_what_is_wrong_with_aws_is_named(
    env: dict[str, str], words: tuple[str, ...], what: str, says: str, doctor: Doctor, tmp_path: Path
) -> None:
    """The check that fails says what to do, and those behind it are left out."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        code, found = doctor(*BEDROCK, *words, **{**on_aws(tmp_path, server.url), **env})
    assert (1, "fail") == (code, found[what]["state"])
    assert says in text(found[what])
    assert "skip" == found["structured"]["state"]


def test_an_expired_token_is_told_as_such(doctor: Doctor, tmp_path: Path) -> None:
    """It says where to get a new one."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        server.expired.add(KEY.access)
        code, found = doctor(*BEDROCK, **on_aws(tmp_path, server.url))
    assert (1, "fail") == (code, found["model"]["state"])
    assert "expired" in text(found["model"]) and "aws sso login" in text(found["model"])


@pytest.mark.parametrize(
    ("failure", "says"),
    [
        (Failure(403, "AccessDeniedException", "You don't have access to the model."), "under model access"),
        (Failure(400, "ValidationException", "The guardrail identifier or version does not exist."), "guardrail"),
        (
            Failure(403, "AccessDeniedException", "User: x is not authorized to perform: bedrock:InvokeModel"),
            "allow bedrock:InvokeModel",
        ),
        (
            Failure(400, "ValidationException", "Invocation of model ID x with on-demand throughput isn’t supported."),
            "inference profile",
        ),
    ],
    ids=["access", "guardrail", "permission", "profile"],
)
def test_what_only_a_call_shows(failure: Failure, says: str, doctor: Doctor, tmp_path: Path) -> None:
    """A model without access, or a guardrail that is not there, shows in the one-token call."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        server.next.append(failure)
        code, found = doctor(*BEDROCK, **on_aws(tmp_path, server.url))
    assert (1, "fail", "skip") == (code, found["call"]["state"], found["structured"]["state"])
    assert says in text(found["call"])


def test_a_throttled_call_is_a_warning(doctor: Doctor, tmp_path: Path) -> None:
    """A run waits such answers out, so doctor does not fail."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        server.next.append(THROTTLED)
        code, found = doctor(*BEDROCK, **on_aws(tmp_path, server.url))
    assert (0, "warn") == (code, found["call"]["state"])


def test_a_model_that_only_a_profile_calls_is_known_without_a_call(doctor: Doctor, tmp_path: Path) -> None:
    """The id to write instead is there to be copied."""
    bare = f"model.id={HAIKU.removeprefix('us.')}"
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        code, found = doctor(*BEDROCK, bare, "--no-call", **on_aws(tmp_path, server.url))
    assert (1, "fail") == (code, found["model"]["state"])
    assert f"model.id={HAIKU}" in found["model"]["hint"]


@pytest.mark.parametrize(
    ("model", "state", "says"),
    [
        ("us.anthropic.claude-haiku-4-5-20251001-v2:0", "fail", f"Did you mean {HAIKU}?"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "warn", "legacy"),
        (f"arn:aws:bedrock:us-east-1:123456789012:inference-profile/{HAIKU}", "ok", "profile"),
        (OWN, "ok", "profile"),
        ("arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl", "skip", "only a call shows"),
    ],
    ids=["unknown", "legacy", "profile arn", "own profile", "hidden"],
)
def test_ids_of_every_shape_are_looked_up(model: str, state: str, says: str, doctor: Doctor, tmp_path: Path) -> None:
    """What the region offers is compared with what the spec names, however it names it."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        _, found = doctor(*BEDROCK, f"model.id={model}", "--no-call", **on_aws(tmp_path, server.url))
    assert state == found["model"]["state"]
    assert says in text(found["model"])


def test_without_the_permission_to_list_the_call_decides(doctor: Doctor, tmp_path: Path) -> None:
    """The missing permissions are named as IAM names them, and all the rest is looked at."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,), may_list=False)) as server:
        code, found = doctor(*BEDROCK, **on_aws(tmp_path, server.url))
    assert (0, "warn", "ok") == (code, found["model"]["state"], found["call"]["state"])
    assert "bedrock:ListFoundationModels" in text(found["model"])


@pytest.mark.parametrize(("ahead_s", "state"), [(120, "warn"), (-120, "warn"), (3600, "fail")])
def test_a_clock_that_is_off_is_found(ahead_s: float, state: str, doctor: Doctor, tmp_path: Path) -> None:
    """Beyond a minute it is worth a word; beyond five AWS refuses every signature, so nothing more is tried."""
    with bedrock_server_in_thread(Behaviour(keys=(KEY,), clock_s=ahead_s)) as server:
        code, found = doctor(*BEDROCK, **on_aws(tmp_path, server.url))
        assert (state == "fail") == (not server.models)
    assert (int(state == "fail"), state) == (code, found["clock"]["state"])
    assert ("behind" if ahead_s > 0 else "ahead") in found["clock"]["said"]


def test_a_role_is_named_with_the_minutes_it_lasts(doctor: Doctor, tmp_path: Path) -> None:
    """Credentials that expire say when."""
    role = "arn:aws:iam::123456789012:role/writer"
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        env = {**on_aws(tmp_path, server.url), "AWS_ENDPOINT_URL_STS": server.url}
        code, found = doctor(*BEDROCK, f"provider.role_arn={role}", **env)
    assert 0 == code
    assert role in found["credentials"]["said"] and "minutes more" in found["credentials"]["said"]


def test_a_model_that_answers_is_not_said_to_be_missing(doctor: Doctor, tmp_path: Path) -> None:
    """A list that does not have the model is a warning where the call is answered, and stands before it."""
    unlisted = ("provider=bedrock", "model=default", "model.id=us.amazon.nova-newest-v1:0", "model.top_p=null")
    with bedrock_server_in_thread(Behaviour(keys=(KEY,))) as server:
        code, found = doctor(*unlisted, **on_aws(tmp_path, server.url))
        alone, unasked = doctor(*unlisted, "--no-call", **on_aws(tmp_path, server.url))
    assert (0, "warn", "ok") == (code, found["model"]["state"], found["call"]["state"])
    assert "is not offered in us-east-1, and yet it answers" in found["model"]["said"]
    assert list(found).index("model") == list(found).index("call") - 1
    assert (1, "fail") == (alone, unasked["model"]["state"])
