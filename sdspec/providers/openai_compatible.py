"""Any endpoint that speaks the OpenAI chat format, by its base URL: vLLM, TGI, Ollama, a gateway."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from sdspec import wire
from sdspec.calls import Answer, Ask, HttpRequest, HttpResponse
from sdspec.contracts import Endpoint, Provider
from sdspec.errors import PrerequisiteError

WIRE = "openai_like"
"""litellm's name for endpoints that only look like OpenAI's: `max_tokens` stays `max_tokens`, every model is known."""


class OpenAICompatible(Provider):
    """An OpenAI-compatible endpoint, with a key from the environment where it needs one."""

    does_not_decide: ClassVar[frozenset[str]] = frozenset({"limits", "api_key_env"})

    base_url: str = Field(description="Address up to and with the version, e.g. http://localhost:8000/v1.")
    api_key_env: str | None = Field(
        default=None,
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the environment variable that holds the key, e.g. OPENAI_API_KEY; null sends none.",
    )
    structured: bool = Field(default=True, description="Send the JSON Schema (response_format); false for old servers.")

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        try:
            parts = urlsplit(value)
            port_is_valid = parts.port is None or parts.port > 0
        except ValueError as error:
            raise ValueError(f"is no URL: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname or not port_is_valid:
            raise ValueError("must be an address such as http://localhost:8000/v1")
        if "@" in parts.netloc:
            raise ValueError("must not hold a user or a password; name the key's variable in api_key_env")
        if parts.query or parts.fragment:
            raise ValueError("must end with the path: no '?' and no '#'")
        return value.rstrip("/")

    def endpoint_identity(self) -> str:
        """The base URL, and whether the schema is sent."""
        return f"openai_compatible {self.base_url}{'' if self.structured else ' unstructured'}"

    @asynccontextmanager
    async def open(self, model_id: str, concurrency: int, say: Callable[[str], None]) -> AsyncIterator[Endpoint]:
        """The endpoint with its key; raises PrerequisiteError when the key's variable is not set."""
        wire.warm()
        secret = self._secret()
        if self.api_key_env and not secret:
            raise PrerequisiteError(
                f"provider.api_key_env: the environment variable {self.api_key_env} is not set. "
                f"Set it before the run: export {self.api_key_env}=..."
            )
        yield Endpoint(base_url=self.base_url, secret=secret)

    def request(self, ask: Ask, endpoint: Endpoint) -> HttpRequest:
        """The request that asks this."""
        return wire.request(WIRE, ask, endpoint.base_url, endpoint.secret, structured=self.structured)

    def answer(self, ask: Ask, response: HttpResponse) -> Answer:
        """The answer in a response; raises a CallError that does not hold the key."""
        return wire.answer(WIRE, ask, response, self._secret())

    def _secret(self) -> str:
        return os.environ.get(self.api_key_env, "").strip() if self.api_key_env else ""
