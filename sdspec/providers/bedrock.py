"""Amazon Bedrock by its Converse API: models, inference profiles and provisioned throughput of one region."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote, urlsplit

from pydantic import Field, ValidationInfo, field_validator

from sdspec import wire
from sdspec.aws import control_plane, model_ids
from sdspec.aws.credentials import Account, Credentials, Keys, region_problem
from sdspec.aws.failure import Called, failure
from sdspec.aws.signature import signed
from sdspec.calls import Answer, Ask, HttpRequest, HttpResponse, ModelCall
from sdspec.contracts import Endpoint, Provider, Transport
from sdspec.diagnosis import FAIL, OK, SKIP, WARN, Diagnosis
from sdspec.errors import PrerequisiteError
from sdspec.offer import Offer, nearest
from sdspec.providers.openai_compatible import address, trusting

CA_BUNDLE_ENV = "AWS_CA_BUNDLE"
"""AWS's own variable for a file of certificates to trust."""

VPC_ENDPOINT = "https://vpce-0123.bedrock-runtime.us-east-1.vpce.amazonaws.com"
"""What the address of one looks like."""

LOOK_EVERY_S = 60.0
"""Credentials that expire are renewed when they are looked at in their last quarter of an hour."""

LEAST_TOKENS = 16
"""OpenAI's and xAI's models on Bedrock take no smaller max_tokens."""

_OF_AWS = (".amazonaws.com", ".amazonaws.com.cn", ".api.aws")
"""How the hosts of AWS end, those of VPC endpoints too."""

_SAMPLED = frozenset({"temperature", "top_p", "top_k"})


class Bedrock(Provider):
    """Amazon Bedrock in one region, with credentials from where AWS keeps them."""

    model_settings: ClassVar[frozenset[str]] = frozenset({"base_model", "context"})
    sampling: ClassVar[frozenset[str]] = frozenset({"temperature", "top_p", "top_k", "max_tokens", "stop"})
    signs_with_time: ClassVar[bool] = True
    caches_prompts: ClassVar[bool] = False
    does_not_decide: ClassVar[frozenset[str]] = frozenset(
        {"limits", "region", "profile", "role_arn", "external_id", "endpoint_url", "ca_bundle"}
    )

    region: str = Field(pattern=r"^[a-z]{2,}(-[a-z]+)+-\d+$", description="AWS region of the endpoint, e.g. us-east-1.")
    profile: str | None = Field(default=None, description="A profile of ~/.aws; null: AWS's default chain.")
    role_arn: str | None = Field(
        default=None, pattern=r"^arn:aws[a-z-]*:iam::\d{12}:role/.+$", description="A role to assume before calling."
    )
    external_id: str | None = Field(
        default=None, min_length=2, description="What the role's owner asks for as its external id."
    )
    endpoint_url: str | None = Field(
        default=None,
        description="Address of a VPC endpoint; null: AWS_ENDPOINT_URL_BEDROCK_RUNTIME, else the region's own.",
    )
    ca_bundle: str | None = Field(
        default=None,
        description="PEM file with the CA of your organisation, trusted beside those of this machine; null: "
        f"{CA_BUNDLE_ENV}, where that is set.",
    )
    guardrail: str | None = Field(default=None, description="Id or ARN of a guardrail; what it stops is rejected.")
    guardrail_version: str = Field(default="DRAFT", pattern=r"^(DRAFT|[1-9]\d*)$", description="Its version.")

    @field_validator("endpoint_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return None if value is None else address(value, VPC_ENDPOINT)

    @field_validator("external_id")
    @classmethod
    def _has_a_role(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and "role_arn" in info.data and info.data["role_arn"] is None:
            raise ValueError("is for role_arn, and there is none")
        return value

    @field_validator("guardrail_version", mode="before")
    @classmethod
    def _may_be_a_number(cls, value: Any) -> Any:
        return str(value) if type(value) is int else value

    def deciding(self) -> dict[str, Any]:
        """The guardrail, and the region's family: the regions of a family serve the same models."""
        return {**super().deciding(), "family": model_ids.family_of(self.region)}

    def endpoint_identity(self) -> str:
        """`bedrock`, the region's family, and the guardrail; and the address, where that is not one of AWS's."""
        guard = f" guardrail {self.guardrail}:{self.guardrail_version}" if self.guardrail else ""
        return f"bedrock {model_ids.family_of(self.region)}{_elsewhere(self.endpoint_url)}{guard}"

    def called(self, model_id: str) -> str:
        """`geo.` becomes the inference profile of the region's geography."""
        return model_ids.called(model_id, self.region)

    def model_identity(self, model_id: str) -> str:
        """The model without its inference profile: it is the same model wherever it runs."""
        known = model_ids.understood(model_id)
        return known.model if known and known.model else model_id

    def price_id(self, model_id: str) -> str | None:
        return model_ids.map_name(model_id, self.region)

    def model_problems(self, model_id: str) -> list[str]:
        return model_ids.problems(model_id, self.region)

    def base_model_problems(self, model_id: str, base: str) -> list[str]:
        return model_ids.base_problems(model_id, base)

    def sampling_for(self, model_id: str) -> frozenset[str]:
        """top_k reaches Claude and Nova; some newer models take no sampling settings at all."""
        if model_ids.trait(model_id, self.region, "supports_sampling_params") is False:
            return self.sampling - _SAMPLED
        return self.sampling if model_ids.is_of(model_id, "anthropic.", "amazon.nova") else self.sampling - {"top_k"}

    def sampling_problems(self, call: ModelCall) -> Mapping[str, str]:
        """The bounds of Converse (temperature up to 1), and those of single models."""
        found = {}
        if call.temperature is not None and call.temperature > 1:
            found["temperature"] = f"{call.temperature:g}, and Bedrock takes 0 to 1."
        if call.temperature is not None and call.top_p is not None and model_ids.takes_one_of_two(call.known_as):
            found["top_p"] = f"{call.id} takes temperature or top_p, not both. Set one of them to null."
        least = self.least_tokens(call.known_as)
        if call.max_tokens is not None and call.max_tokens < least:
            found["max_tokens"] = f"{call.max_tokens}, and {call.id} takes {least} at least."
        if wrong := model_ids.stop_problem(call.known_as, call.stop):
            found["stop"] = wrong
        return found

    def least_tokens(self, model_id: str) -> int:
        """One, but of OpenAI's and xAI's models."""
        return LEAST_TOKENS if model_ids.is_of(model_id, "openai.gpt-", "xai.grok-") else 1

    def native_schema_for(self, model_id: str) -> bool:
        """True where the model takes a schema, or can be made to call a tool whose arguments have it."""
        if model_ids.trait(model_id, self.region, "supports_native_structured_output"):
            return True
        if model_ids.trait(model_id, self.region, "supports_forced_tool_use") is False:
            return False
        needs = ("supports_function_calling", "supports_tool_choice")
        return all(model_ids.trait(model_id, self.region, name) for name in needs)

    async def offers(self, endpoint: Endpoint, send: Transport, timeout_s: float) -> tuple[Offer, ...]:
        """The foundation models that write text, and the inference profiles that call them from this region."""
        account = control_plane.Asked(self.region, endpoint.secret, timeout_s, self.ca_bundle)
        return tuple(await asyncio.to_thread(control_plane.offers, account))

    def listed(self, model_id: str, offers: Sequence[Offer]) -> Diagnosis:
        """Whether this region calls the model, and by which id; some ARNs hide what they call."""
        known = model_ids.understood(model_id)
        offer = next((one for one in offers if one.id in (model_id, _known_as(model_id))), None)
        if offer is None and (known is None or known.model is None):
            return Diagnosis("model", SKIP, "the id hides the model: only a call shows whether it can be used")
        if offer is None:
            what = f"{model_id} is not offered in {self.region}"
            return Diagnosis("model", FAIL, what, nearest(_known_as(model_id), offers))
        if offer.instead:
            what = f"{model_id} cannot be called by its own id in {self.region}, only by an inference profile"
            return Diagnosis("model", FAIL, what, f"Set model.id={offer.instead[0]}")
        how = f"{model_id} is offered in {self.region}{f', {offer.called}' if offer.called else ''}"
        if offer.note:
            return Diagnosis("model", WARN, f"{how}; {offer.note}", "AWS will take it away: plan for another one.")
        return Diagnosis("model", OK, how)

    @asynccontextmanager
    async def open(self, model_id: str, concurrency: int, say: Callable[[str], None]) -> AsyncIterator[Endpoint]:
        """The endpoint with credentials that are renewed; raises PrerequisiteError when there are none."""
        if model_id:
            wire.warm()
        ca_bundle = self.ca_bundle or os.environ.get(CA_BUNDLE_ENV, "").strip() or None
        tls = trusting(ca_bundle)
        account = Account(self.region, self.profile, self.role_arn, self.external_id, ca_bundle)
        credentials = Credentials(account)
        keys = await asyncio.to_thread(credentials.look)
        if self.endpoint_url is None and (wrong := await asyncio.to_thread(region_problem, self.region)):
            raise PrerequisiteError(f"provider.region: {wrong}")

        url = self.endpoint_url or f"https://bedrock-runtime.{self.region}.{_domain(self.region)}"
        yield _endpoint(Endpoint(url, tls=tls), credentials, keys)

    def request(self, ask: Ask, endpoint: Endpoint) -> HttpRequest:
        """The signed request that asks this."""
        extra: dict[str, Any] = {}
        if ask.model.top_k is not None:
            extra["top_k"] = ask.model.top_k
        if self.guardrail:
            guard = {"guardrailIdentifier": self.guardrail, "guardrailVersion": self.guardrail_version}
            extra["guardrailConfig"] = guard
        body = wire.converse(ask, _known_as(ask.model.known_as), extra)
        # Colons and @ in ids stay as they are: aiohttp would unquote them after the signature, and AWS takes both.
        url = f"{endpoint.base_url}/model/{quote(ask.model.id, safe=':@')}/converse"
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        return HttpRequest(url, signed(url, headers, body, endpoint.secret, self.region), body)

    def answer(self, ask: Ask, response: HttpResponse) -> Answer:
        """The answer in a response; raises a CallError that says what to do about a bad one."""
        if not 200 <= response.status < 300:
            family = model_ids.family_of(self.region)
            raise failure(response, Called(ask.model.id, self.region, family))
        return wire.converse_answer(ask, _known_as(ask.model.known_as), response)


def _endpoint(closed: Endpoint, credentials: Credentials, keys: Keys) -> Endpoint:
    def renew(said: str) -> Endpoint:
        """Looked for anew where they were refused, else only at their age."""
        found = credentials.look() if said else credentials.current()
        if said and found.secret == keys.secret:
            raise PrerequisiteError(f"AWS refuses the credentials, and there are no others: {said}")
        return _endpoint(closed, credentials, found)

    renew_at = time.time() + LOOK_EVERY_S if keys.expire else None
    return replace(closed, secret=keys.secret, renew=renew, renew_at=renew_at, source=keys.source, expires=keys.until)


def _known_as(model_id: str) -> str:
    """How litellm's transforms know a model: without the ARN that its id stands in."""
    known = model_ids.understood(model_id)
    return known.profile if known and known.model else model_id


def _elsewhere(endpoint_url: str | None) -> str:
    """` at HOST` of an address that is not AWS's: what a stand-in answers must never pass for a model's answer.

    Its port does not count: a tunnel to AWS has another one each time.
    """
    host = urlsplit(endpoint_url or "").hostname or ""
    return f" at {host}" if host and not host.endswith(_OF_AWS) else ""


def _domain(region: str) -> str:
    return "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
