"""Provider `bedrock`: its settings, its credentials, and signed calls to a server that checks them as AWS does."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from sdspec.calls import Answer, Ask, ModelCall
from sdspec.contracts import Endpoint
from sdspec.engine.transport import http_transport
from sdspec.errors import AuthExpired, BackPressure, Fatal, PrerequisiteError, RowFatal
from sdspec.providers.bedrock import Bedrock
from tests.servers.bedrock import THROTTLED, BedrockServer, Behaviour, Failure, Key, bedrock_server
from tests.servers.certificates import certificates
from tests.servers.openai import Behaviour as OpenAIBehaviour
from tests.servers.openai import openai_server

HAIKU = "us.anthropic.claude-haiku-4-5-20251001-v1:0"
SONNET = "us.anthropic.claude-sonnet-5-5"
NOVA = "us.amazon.nova-lite-v1:0"
LLAMA = "us.meta.llama3-3-70b-instruct-v1:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/abcdef123456"
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"], "additionalProperties": False}
KEY = Key()


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An AWS environment with the server's key and nothing else."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", "AWS_ENDPOINT_URL_BEDROCK_RUNTIME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", KEY.access)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", KEY.secret)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return monkeypatch


def ask(provider: Bedrock, model: str = HAIKU, **sampling: Any) -> Ask:
    """An ask bound to the provider."""
    call = ModelCall(provider.endpoint_identity(), model, provider.model_identity(model), **sampling)
    schema = SCHEMA if provider.native_schema_for(model) else None
    return Ask(call, ({"role": "user", "content": "hello"},), "0" * 16, schema=schema)


async def called(provider: Bedrock, question: Ask, endpoint: Endpoint) -> Answer:
    """The answer, by the transport of a run."""
    async with http_transport() as send:
        return provider.answer(question, await send(provider.request(question, endpoint), 60))


async def once(server: BedrockServer, question: Ask | None = None, **settings: Any) -> Answer:
    """One call in a freshly opened endpoint."""
    provider = Bedrock(**{"region": "us-east-1", "endpoint_url": server.url, **settings})
    async with provider.open(HAIKU, 1, print) as endpoint:
        return await called(provider, question or ask(provider), endpoint)


@pytest.mark.parametrize("model", [HAIKU, NOVA, "deepseek.v3-v1:0"])
async def test_a_signed_call_gets_json_of_the_schema(model: str) -> None:
    """Signature and body are right to AWS, and the schema is obeyed, by text format or by a tool."""
    async with bedrock_server(Behaviour(cached_tokens=1)) as server:
        provider = Bedrock(region="us-east-1", endpoint_url=server.url + "/")
        async with provider.open(model, 4, print) as endpoint:
            answer = await called(provider, ask(provider, model, max_tokens=50, stop=("END",)), endpoint)
            assert KEY.secret not in repr(endpoint) + repr(provider)
    assert isinstance(orjson.loads(answer.text)["a"], int)
    assert ("stop", 1, 2) == (answer.finish_reason, answer.cached_tokens, answer.input_tokens)
    assert {model: 1} == server.models


@pytest.mark.parametrize(
    "model", [PROFILE, "arn:aws:bedrock:us-east-1:123456789012:provisioned-model/abcdefghijkl", LLAMA, SONNET]
)
async def test_ids_of_every_shape_arrive_as_they_are(model: str) -> None:
    """Colons and slashes of ids survive path and signature; without a native schema the answer is text."""
    provider = Bedrock(region="us-east-1")
    async with bedrock_server() as server:
        answer = await once(server, ask(provider, model))
    assert answer.text
    assert {model: 1} == server.models
    assert "toolConfig" not in server.bodies[0] and "outputConfig" not in server.bodies[0]


async def test_an_id_that_aws_does_not_know_is_refused_for_that() -> None:
    """An @ survives path and signature too: the id is told to be wrong, and not the credentials."""
    async with bedrock_server() as server:
        with pytest.raises(RowFatal, match="failed to satisfy the pattern"):
            await once(server, ask(Bedrock(region="us-east-1"), "anthropic.claude-3-haiku@20240307"))


async def test_sampling_and_guardrail_reach_the_model() -> None:
    """top_k stands where each family looks for it, and the guardrail looks at the question."""
    provider = Bedrock(region="us-east-1", guardrail="gr1", guardrail_version=2)
    async with bedrock_server() as server:
        for model in (HAIKU, NOVA):
            question = ask(provider, model, temperature=0.5, top_k=7, max_tokens=100, stop=("X",))
            await once(server, question, guardrail="gr1", guardrail_version=2)
    claude, nova = server.bodies
    assert {"temperature": 0.5, "maxTokens": 100, "stopSequences": ["X"]} == claude["inferenceConfig"]
    assert {"top_k": 7} == claude["additionalModelRequestFields"]
    assert {"inferenceConfig": {"topK": 7}} == nova["additionalModelRequestFields"]
    assert {"guardrailIdentifier": "gr1", "guardrailVersion": "2"} == claude["guardrailConfig"]
    assert [{"guardContent": {"text": {"text": "hello"}}}] == claude["messages"][0]["content"]


async def test_what_a_guardrail_stops_is_the_rows_end() -> None:
    """The row is rejected as content_filter, and nothing is tried again."""
    async with bedrock_server(Behaviour(stop_reason="guardrail_intervened")) as server:
        with pytest.raises(RowFatal, match="content_filter"):
            await once(server)


async def test_failures_come_as_aws_sends_them() -> None:
    """Throttling is back-pressure, no access says where to ask for it, a prompt too long is the row's end."""
    async with bedrock_server(Behaviour(context=1)) as server:
        server.next.extend([THROTTLED, Failure(403, "AccessDeniedException", "You don't have access to the model.")])
        with pytest.raises(BackPressure):
            await once(server)
        with pytest.raises(Fatal, match="model access"):
            await once(server)
        with pytest.raises(RowFatal, match="context_too_long"):
            await once(server)


async def test_the_server_can_stand_before_another_model() -> None:
    """Prompt, settings and schema go through to an OpenAI-compatible endpoint, and its answer comes back."""
    async with (
        openai_server(OpenAIBehaviour(api_key="k")) as behind,
        bedrock_server(Behaviour(forward=behind.base_url, forward_key="k")) as server,
    ):
        answer = await once(server, ask(Bedrock(region="us-east-1"), max_tokens=50))
    assert isinstance(orjson.loads(answer.text)["a"], int)
    assert {"hello": 1} == behind.asked
    assert 50 == behind.bodies[0]["max_tokens"]


async def test_the_region_must_be_that_of_the_endpoint() -> None:
    """A request signed for another region says which setting to look at."""
    async with bedrock_server(Behaviour(region="eu-central-1")) as server:
        with pytest.raises(Fatal, match=r"set provider\.region"):
            await once(server)


async def test_a_refused_key_is_not_in_the_error_and_there_is_no_other(aws: pytest.MonkeyPatch) -> None:
    """Credentials that AWS refuses are looked for once more; finding the same says what to do."""
    aws.setenv("AWS_SECRET_ACCESS_KEY", "a-wrong-secret-key")
    async with bedrock_server() as server:
        provider = Bedrock(region="us-east-1", endpoint_url=server.url)
        async with provider.open(HAIKU, 4, print) as endpoint:
            with pytest.raises(AuthExpired) as caught:
                await called(provider, ask(provider), endpoint)
            assert endpoint.renew is not None
            with pytest.raises(PrerequisiteError, match="AWS_SECRET_ACCESS_KEY") as told:
                endpoint.renew(caught.value.message)
    assert "a-wrong-secret-key" not in f"{caught.value} {told.value}"


async def test_an_expired_token_is_replaced_by_the_one_that_is_there_now(tmp_path: Path, aws: Any) -> None:
    """Credentials renewed outside, here in the credentials file, are taken up in the middle of a run."""

    def store(key: Key) -> None:
        lines = f"aws_access_key_id={key.access}\naws_secret_access_key={key.secret}\naws_session_token={key.token}\n"
        (tmp_path / "credentials").write_text(f"[team]\n{lines}")

    old, new = Key("ASIAOLD", "old-secret", "old-token"), Key("ASIANEW", "new-secret", "new-token")
    store(old)
    async with bedrock_server(Behaviour(keys=(old, new))) as server:
        provider = Bedrock(region="us-east-1", endpoint_url=server.url, profile="team")
        async with provider.open(HAIKU, 4, print) as endpoint:
            await called(provider, ask(provider), endpoint)
            server.expired.add(old.access)
            with pytest.raises(AuthExpired, match="expired") as caught:
                await called(provider, ask(provider), endpoint)
            store(new)
            assert endpoint.renew is not None
            assert (await called(provider, ask(provider), endpoint.renew(caught.value.message))).text


async def test_an_assumed_role_is_lent_and_renewed(aws: pytest.MonkeyPatch) -> None:
    """The role's credentials sign; they are looked at again in time, and assumed anew when refused."""
    async with bedrock_server() as server:
        aws.setenv("AWS_ENDPOINT_URL_STS", server.url)
        role = "arn:aws:iam::123456789012:role/writer"
        provider = Bedrock(region="us-east-1", endpoint_url=server.url, role_arn=role, external_id="xyz")
        async with provider.open(HAIKU, 4, print) as endpoint:
            await called(provider, ask(provider), endpoint)
            assert endpoint.renew is not None and endpoint.renew_at is not None
            assert endpoint.renew_at > time.time()
            assert endpoint.secret == (await asyncio.to_thread(endpoint.renew, "")).secret
            assert 1 == server.lent
            server.expired.add("ASIALENT1")
            fresh = await asyncio.to_thread(endpoint.renew, "expired")
            await called(provider, ask(provider), fresh)
    assert 2 == server.lent


async def test_a_bedrock_api_key_is_sent_as_it_is(aws: pytest.MonkeyPatch) -> None:
    """AWS_BEARER_TOKEN_BEDROCK comes before other credentials of the environment."""
    aws.setenv("AWS_BEARER_TOKEN_BEDROCK", "an-api-key")
    async with bedrock_server(Behaviour(keys=(), bearer="an-api-key")) as server:
        assert (await once(server)).text


@pytest.mark.parametrize(
    ("env", "settings", "says"),
    [
        ({"AWS_ACCESS_KEY_ID": None, "AWS_SECRET_ACCESS_KEY": None}, {}, "Set AWS_ACCESS_KEY_ID"),
        ({"AWS_SECRET_ACCESS_KEY": None}, {}, "AWS_SECRET_ACCESS_KEY"),
        ({}, {"profile": "nobody"}, r"provider\.profile.*nobody"),
        ({}, {"region": "us-esat-1"}, "Did you mean"),
    ],
)
async def test_what_is_missing_is_named_before_any_call(
    env: dict[str, str | None], settings: dict[str, str], says: str, aws: pytest.MonkeyPatch
) -> None:
    """No credentials, half of them, an unknown profile or region: the message says what to set."""
    for name, value in env.items():
        aws.setenv(name, value) if value is not None else aws.delenv(name)
    provider = Bedrock(**{"region": "us-east-1", **settings})
    with pytest.raises(PrerequisiteError, match=says):
        async with provider.open(HAIKU, 4, print):
            pass


async def test_the_endpoint_is_the_regions_own_unless_one_is_set(aws: pytest.MonkeyPatch) -> None:
    """AWS's own variable is read when a spec is loaded, not here."""
    aws.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "https://one.example")
    async with Bedrock(region="eu-west-1").open(HAIKU, 1, print) as endpoint:
        assert "https://bedrock-runtime.eu-west-1.amazonaws.com" == endpoint.base_url
    async with Bedrock(region="eu-west-1", endpoint_url="https://two.example").open(HAIKU, 1, print) as endpoint:
        assert "https://two.example" == endpoint.base_url


def test_regions_of_a_family_and_profiles_of_a_model_answer_alike() -> None:
    """What was bought in us-east-1 is found in us-west-2; a guardrail or another continent is another endpoint."""
    east, west = Bedrock(region="us-east-1"), Bedrock(region="us-west-2", profile="p", limits={"rpm": 3})
    assert "bedrock us" == east.endpoint_identity() == west.endpoint_identity()
    assert east.deciding() == west.deciding()
    assert east.model_identity(HAIKU) == east.model_identity(HAIKU.removeprefix("us."))
    europe, guarded = Bedrock(region="eu-west-1"), Bedrock(region="us-east-1", guardrail="g")
    assert 3 == len({one.endpoint_identity() for one in (east, europe, guarded)})


def test_what_is_not_aws_decides_an_answer() -> None:
    """What a stand-in for AWS answered is never taken for a model's answer; a VPC endpoint is AWS."""
    vpc = "https://vpce-0123.bedrock-runtime.us-east-1.vpce.amazonaws.com"
    assert "bedrock us" == Bedrock(region="us-east-1", endpoint_url=vpc).endpoint_identity()
    local = Bedrock(region="us-east-1", endpoint_url="http://localhost:4566")
    assert "bedrock us at localhost" == local.endpoint_identity()


@pytest.mark.parametrize(
    "settings",
    [
        {"region": "nowhere"},
        {"endpoint_url": "localhost:1"},
        {"endpoint_url": "http://u:p@h"},
        {"role_arn": "writer"},
        {"external_id": "xyz"},
        {"guardrail_version": "latest"},
    ],
)
def test_settings_that_cannot_be_right_are_refused(settings: dict[str, str]) -> None:
    """A mistake in the YAML is a problem of the spec, not of the run."""
    with pytest.raises(ValidationError):
        Bedrock(**{"region": "us-east-1", **settings})


def test_each_model_has_its_own_sampling() -> None:
    """top_k is for Claude and Nova; the newest models take none; bounds and exclusions are known."""
    provider = Bedrock(region="us-east-1")
    takes = {model: provider.sampling_for(model) for model in (HAIKU, NOVA, LLAMA, SONNET, PROFILE)}
    assert [True, True, False, False, False] == ["top_k" in found for found in takes.values()]
    assert {"max_tokens", "stop"} == takes[SONNET]
    both = ask(provider, HAIKU, temperature=1.5, top_p=0.5).model
    assert {"temperature", "top_p"} == provider.sampling_problems(both).keys()
    assert {} == provider.sampling_problems(ask(provider, NOVA, temperature=1.0, top_p=0.5).model)


@pytest.mark.parametrize("by", ["setting", "variable"])
async def test_a_ca_bundle_is_trusted_by_all_calls(by: str, aws: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Calls of the model and those that lend a role trust it, named in the spec or by AWS's own variable."""
    made = certificates(tmp_path)
    async with bedrock_server(tls=made.server) as server:
        aws.setenv("AWS_ENDPOINT_URL_STS", server.url)
        settings = {"ca_bundle": str(made.ca_file)} if by == "setting" else {}
        if by == "variable":
            aws.setenv("AWS_CA_BUNDLE", str(made.ca_file))
        role = "arn:aws:iam::123456789012:role/writer"
        provider = Bedrock(region="us-east-1", endpoint_url=server.url, role_arn=role, **settings)
        async with provider.open(HAIKU, 1, print) as endpoint, http_transport(endpoint.tls) as send:
            question = ask(provider)
            assert provider.answer(question, await send(provider.request(question, endpoint), 60)).text
    assert 1 == server.lent
