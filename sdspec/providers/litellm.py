"""Any model that litellm knows, by litellm's own model string: groq/..., azure/..., anthropic/..., mistral/..."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, ClassVar, NoReturn

from pydantic import Field, field_validator

from sdspec import forms, litellm_client, openai_format, routes, wire
from sdspec.calls import Answer, Ask, HttpRequest, HttpResponse, ModelCall
from sdspec.contracts import Endpoint, Provider
from sdspec.errors import PrerequisiteError
from sdspec.offer import Offer
from sdspec.prices import chat_models, price_of, window_of
from sdspec.providers.openai_compatible import address, trusting

UNPREFIXED = ("openai/", "anthropic/", "cohere/", "cohere_chat/", "vertex_ai/", "bedrock/converse/", "bedrock/")
"""Providers whose models litellm's price map has without their prefix."""


class LiteLLM(Provider):
    """A model string of litellm's; `check` and `plan` ask litellm about it, which takes them two seconds more."""

    sampling: ClassVar[frozenset[str]] = frozenset({"temperature", "top_p", "top_k", "max_tokens", "stop"})
    model_settings: ClassVar[frozenset[str]] = frozenset({"base_model", "context"})
    does_not_decide: ClassVar[frozenset[str]] = frozenset({"limits", "api_key_env", "ca_bundle"})

    base_url: str | None = Field(
        default=None,
        description="Another address than the provider's own: a gateway, your own server.",
    )
    api_key_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the environment variable that holds the key; null: litellm's own for that provider.",
    )
    ca_bundle: str | None = Field(
        default=None, description="PEM file with the CA of your organisation, trusted beside those of this machine."
    )
    structured: bool | None = Field(
        default=None, description="Send the JSON Schema; null: where litellm says that the model takes one."
    )

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        return None if value is None else address(value)

    def endpoint_identity(self) -> str:
        """The address, and whether the schema is sent where that is set; the model string names the provider."""
        forced = "" if self.structured is None else f" structured={self.structured}"
        return f"litellm {self.base_url or 'default'}{forced}"

    def model_identity(self, model_id: str) -> str:
        """The model string, and what stands for the address that litellm's variables for its provider hold."""
        try:
            said = "" if self.base_url else routes.variables_say(self._way(model_id))
        except LookupError:
            return model_id
        return f"{model_id} at {said}" if said else model_id

    def price_id(self, model_id: str) -> str | None:
        """litellm's own name of the model in its map, with or without the provider's prefix."""
        prefix = next((prefix for prefix in UNPREFIXED if model_id.startswith(prefix)), "")
        names = (model_id, model_id.removeprefix(prefix))
        return next((name for name in names if price_of(name) or window_of(name)), None)

    def offered(self) -> tuple[Offer, ...]:
        """The models that chat of litellm's map; it knows more providers' models than are in there."""
        return tuple(Offer(name) for name in chat_models())

    def model_problems(self, model_id: str) -> list[str]:
        try:
            way = self._way(model_id)
        except LookupError as wrong:
            return [str(wrong.args[0])]
        if self.ca_bundle is not None and not way.transforms:
            return [f"{model_id!r} is called by litellm's client, which takes no ca_bundle. Set SSL_CERT_FILE instead."]
        return []

    def base_model_problems(self, model_id: str, base: str) -> list[str]:
        return self.model_problems(base)

    def sampling_for(self, model_id: str) -> frozenset[str]:
        return routes.takes(self._way(model_id))

    def sampling_problems(self, call: ModelCall) -> Mapping[str, str]:
        return routes.refused(self._way(call.known_as), call)

    def native_schema_for(self, model_id: str) -> bool:
        if self.structured is not None:
            return self.structured
        try:
            return routes.takes_schema(self._way(model_id))
        except LookupError:
            return False

    @asynccontextmanager
    async def open(self, model_id: str, concurrency: int, say: Callable[[str], None]) -> AsyncIterator[Endpoint]:
        """The endpoint with its key; raises PrerequisiteError where litellm misses one."""
        way = await asyncio.to_thread(self._way, model_id)
        secret = self._secret(way, model_id)
        source = f"the environment variable {self.api_key_env or 'that litellm reads'}" if secret else ""
        if way.transforms:
            endpoint = Endpoint(routes.address(way), secret, tls=trusting(self.ca_bundle), renew=self._refused)
            yield replace(endpoint, source=source)
        else:
            async with litellm_client.transport(self.base_url, secret) as sending:
                yield Endpoint(self.base_url or litellm_client.URL, secret, transport=sending, renew=self._refused)

    def request(self, ask: Ask, endpoint: Endpoint) -> HttpRequest:
        """The request that asks this."""
        way = self._way(ask.model.id)
        extra: dict[str, Any] = {} if ask.model.top_k is None else {"top_k": ask.model.top_k}
        if not way.transforms:
            return litellm_client.request(ask, way, structured=True, extra=extra)
        return forms.request(way.provider, _sent(ask, way), endpoint.base_url, endpoint.secret, extra=extra)

    def answer(self, ask: Ask, response: HttpResponse) -> Answer:
        """The answer in a response; raises a CallError."""
        way = self._way(ask.model.id)
        return (
            wire.answer(way.provider, _sent(ask, way), response) if way.transforms else openai_format.answer(response)
        )

    def _way(self, model_id: str) -> routes.Route:
        return routes.route(model_id, self.base_url)

    def _secret(self, way: routes.Route, model_id: str) -> str:
        if self.api_key_env is not None:
            if secret := os.environ.get(self.api_key_env, "").strip():
                return secret
            raise PrerequisiteError(
                f"provider.api_key_env: the environment variable {self.api_key_env} is not set. "
                f"Set it before the run: export {self.api_key_env}=..."
            )
        missing = routes.missing_variables(way, model_id)
        if missing and self.base_url is None:
            raise PrerequisiteError(
                f"{model_id} needs {', '.join(missing)} in the environment. Set it before the run, or "
                "name the variable that holds the key in provider.api_key_env."
            )
        return routes.own_key(way, model_id)

    def _refused(self, why: str) -> NoReturn:
        """A variable does not change while a run goes on: there is no other key."""
        name = self.api_key_env or "that litellm reads for this provider"
        raise PrerequisiteError(
            f"the endpoint refuses the key of the environment variable {name}: {why.rstrip('.')}. "
            "Set the right one, then go on."
        )


def _sent(ask: Ask, way: routes.Route) -> Ask:
    """The ask by the id that the provider knows the model by."""
    return replace(ask, model=replace(ask.model, id=way.model))
