"""Any endpoint that speaks the OpenAI chat format, by its base URL: TGI, Ollama, a gateway."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, NoReturn
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from sdspec import forms, openai_format, wire
from sdspec.calls import Answer, Ask, HttpRequest, HttpResponse
from sdspec.contracts import Endpoint, Provider, Transport
from sdspec.errors import Fatal, PrerequisiteError
from sdspec.offer import Offer

UNSENDABLE = "holds a line break or another control character, which no header can carry. Set it again, without."
"""What is said of such a key: some tools print two, or break a long one."""


VERSION = re.compile(r"/v\d")


class OpenAICompatible(Provider):
    """An OpenAI-compatible endpoint, with a key from the environment where it needs one."""

    does_not_decide: ClassVar[frozenset[str]] = frozenset({"limits", "api_key_env", "ca_bundle"})

    litellm_name: ClassVar[str] = "openai_like"
    """For endpoints that only look like OpenAI's: `max_tokens` stays `max_tokens`, and every model is known."""

    base_url: str = Field(description="Address up to and with the version, e.g. http://localhost:8000/v1.")
    api_key_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the environment variable that holds the key, e.g. OPENAI_API_KEY; null sends none.",
    )
    ca_bundle: str | None = Field(
        default=None, description="PEM file with the CA of your organisation, trusted beside those of this machine."
    )
    structured: bool = Field(default=True, description="Send the JSON Schema (response_format); false for old servers.")

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        return address(value)

    def endpoint_identity(self) -> str:
        """The base URL, and whether the schema is sent."""
        return f"openai_compatible {self.base_url}{'' if self.structured else ' unstructured'}"

    def native_schema_for(self, model_id: str) -> bool:
        return self.structured

    @asynccontextmanager
    async def open(self, model_id: str, concurrency: int, say: Callable[[str], None]) -> AsyncIterator[Endpoint]:
        """The endpoint with its key; raises PrerequisiteError when the key's variable is not set."""
        if model_id:
            wire.warm()
        secret = self._secret()
        if self.api_key_env and not secret:
            raise PrerequisiteError(
                f"provider.api_key_env: the environment variable {self.api_key_env} is not set. "
                f"Set it before the run: export {self.api_key_env}=..."
            )
        if not sendable(secret):
            raise PrerequisiteError(f"provider.api_key_env: the environment variable {self.api_key_env} {UNSENDABLE}")
        renew = self._refused if self.api_key_env else None
        source = f"the environment variable {self.api_key_env}" if self.api_key_env else ""
        yield Endpoint(self.base_url, secret, tls=trusting(self.ca_bundle), renew=renew, source=source)

    async def offers(self, endpoint: Endpoint, send: Transport, timeout_s: float) -> tuple[Offer, ...]:
        """`GET /models`, which most servers of this format have."""
        headers = {"authorization": f"Bearer {endpoint.secret}"} if endpoint.secret else {}
        response = await send(HttpRequest(f"{endpoint.base_url}/models", headers, b"", method="GET"), timeout_s)
        return tuple(Offer(name) for name in openai_format.models(response))

    def request(self, ask: Ask, endpoint: Endpoint) -> HttpRequest:
        """The request that asks this."""
        further, key = self.further(ask), endpoint.secret
        return forms.request(self.litellm_name, ask, endpoint.base_url, key, structured=self.structured, extra=further)

    def further(self, ask: Ask) -> dict[str, Any]:
        """What goes into the body as it stands."""
        return {}

    def answer(self, ask: Ask, response: HttpResponse) -> Answer:
        """The answer in a response; raises a CallError that does not hold the key."""
        try:
            return wire.answer(self.litellm_name, ask, response, self._secret())
        except Fatal as error:
            if error.code == "unknown_model":
                error.message = f"{error.message.rstrip('.')}. {self._look_at(ask.model.id)}"
            raise

    def _look_at(self, model_id: str) -> str:
        """What may be wrong where the endpoint says that it knows no such thing."""
        version = "" if VERSION.search(self.base_url) else ", which mostly ends in /v1"
        address = f"provider.base_url ({self.base_url}{version})"
        return f"Look at model.id ({model_id}; `sdspec models` lists them) and {address}."

    def _secret(self) -> str:
        return os.environ.get(self.api_key_env, "").strip() if self.api_key_env else ""

    def _refused(self, why: str) -> NoReturn:
        """A variable does not change while a run goes on: there is no other key."""
        raise PrerequisiteError(
            f"the endpoint refuses the key of the environment variable {self.api_key_env}: {why.rstrip('.')}. "
            "Set the right one, then go on."
        )


def sendable(secret: str) -> bool:
    """True when a header can carry it (RFC 9110, 5.5)."""
    return all(char == "\t" or (char >= " " and char != "\x7f") for char in secret)


def address(url: str, example: str = "http://localhost:8000/v1") -> str:
    """The base URL in one spelling; raises ValueError, with a right one, for what cannot be one."""
    try:
        parts = urlsplit(url)
        port_is_valid = parts.port is None or parts.port > 0
    except ValueError as error:
        raise ValueError(f"is no URL: {error}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
        raise ValueError(f"must be an address such as {example}")
    if "@" in parts.netloc:
        raise ValueError("must not hold a user or a password: a key stands in a variable of the environment")
    if parts.query or parts.fragment:
        raise ValueError("must end with the path: no '?' and no '#'")
    return url.rstrip("/")


def trusting(ca_bundle: str | None) -> ssl.SSLContext | None:
    """A context that trusts the bundle's certificates too; None without a bundle. Raises PrerequisiteError."""
    if ca_bundle is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cafile=Path(ca_bundle).expanduser())
    except ssl.SSLError:
        raise PrerequisiteError(f"provider.ca_bundle: {ca_bundle} holds no certificate in PEM form.") from None
    except OSError as error:
        raise PrerequisiteError(f"provider.ca_bundle: {ca_bundle} cannot be read: {error.strerror}.") from None
    return context
