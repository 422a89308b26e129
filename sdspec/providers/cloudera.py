"""Cloudera AI Inference: an OpenAI-compatible endpoint behind a token that expires, and that sleeps when unused.

Tokens live for an hour: https://docs.cloudera.com/machine-learning/cloud/ai-inference/topics/ml-caii-authentication.html
"""

from __future__ import annotations

import base64
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import orjson
from pydantic import Field, field_validator

from sdspec import forms, openai_format, wire
from sdspec.calls import Answer, Ask, HttpRequest, HttpResponse, Wait
from sdspec.contracts import Endpoint, Provider, Transport
from sdspec.errors import AuthExpired, Fatal, PrerequisiteError, did_you_mean
from sdspec.offer import Offer
from sdspec.providers.openai_compatible import UNSENDABLE, address, sendable, trusting

WIRE = "openai_like"

NEW_ONE = "cdp iam generate-workload-auth-token --workload-name DE | jq -r .token"
"""The command of Cloudera's documentation."""

EARLY_S = 60.0
"""A token is read again this long before it expires: the server's clock may be ahead, and a call takes its time."""
READ_AGAIN_S = 5.0
"""An old token in the file is looked at this often, until the workbench has written the next one."""
ASK_AGAIN_S = 10.0
"""Between two looks at an endpoint that scales up, where it does not say itself."""
ENDS_OF_URLS = ("/chat/completions", "/models")
"""What the code samples of Cloudera's pages end with, after the base URL."""


@dataclass(frozen=True, slots=True)
class _Token:
    secret: str
    source: str
    """For people: where it is from."""
    expires: float | None
    """Unix time, where the token says."""

    @property
    def is_old(self) -> bool:
        return self.expires is not None and time.time() >= self.expires


class Cloudera(Provider):
    """A model endpoint of Cloudera AI Inference; HTTPS_PROXY and NO_PROXY are obeyed."""

    does_not_decide: ClassVar[frozenset[str]] = frozenset(
        {"limits", "token_env", "token_file", "ca_bundle", "scale_up_s"}
    )

    base_url: str = Field(
        description="https://DOMAIN/namespaces/serving-default/endpoints/NAME/v1, as the endpoint's page shows it."
    )
    token_env: str | None = Field(
        default="CDP_TOKEN",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the environment variable that holds the token; it comes before token_file.",
    )
    token_file: str | None = Field(
        default="/tmp/jwt",  # noqa: S108  # where a Cloudera AI workbench keeps it
        description="JSON file with the token as `access_token`; read again before the token expires.",
    )
    ca_bundle: str | None = Field(
        default=None, description="PEM file with the CA of your organisation, trusted beside those of this machine."
    )
    scale_up_s: float = Field(
        default=900.0, ge=0, description="Seconds to wait for an endpoint that is scaled to zero; 0 stops at once."
    )
    structured: bool = Field(default=True, description="Send the JSON Schema (response_format); false for old models.")

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str) -> str:
        url = address(value)
        for end in ENDS_OF_URLS:
            url = url.removesuffix(end)
        return url

    def endpoint_identity(self) -> str:
        """The base URL, and whether the schema is sent."""
        return f"cloudera {self.base_url}{'' if self.structured else ' unstructured'}"

    def native_schema_for(self, model_id: str) -> bool:
        return self.structured

    @asynccontextmanager
    async def open(self, model_id: str, concurrency: int, say: Callable[[str], None]) -> AsyncIterator[Endpoint]:
        """The endpoint with its token; raises PrerequisiteError when there is none."""
        if model_id:
            wire.warm()
        endpoint = Endpoint(self.base_url, tls=trusting(self.ca_bundle))
        yield self._with(endpoint, self._token())

    def probe(self, endpoint: Endpoint) -> HttpRequest | None:
        """`GET /models`: shows whether the endpoint is up, and whether this token may use it."""
        headers = {"authorization": f"Bearer {endpoint.secret}"}
        return HttpRequest(f"{endpoint.base_url}/models", headers, b"", method="GET")

    def probed(self, model_id: str, response: HttpResponse) -> Wait | None:
        """Says what to do about the failures that users meet: no access, no such endpoint, asleep, no such model."""
        name = _name(self.base_url)
        if 200 <= response.status < 300:
            known = _model_ids(response.body)
            if known and model_id not in known:
                what = f"model.id: endpoint '{name}' does not serve '{model_id}'."
                raise PrerequisiteError(f"{what} {did_you_mean(model_id, known)}")
            return None
        error = openai_format.failure(response)
        if isinstance(error, AuthExpired):
            raise error
        if response.status in (403, 404):
            raise PrerequisiteError(self._no_way(response.status))
        if response.status in (502, 503, 504):
            pause_s = openai_format.retry_after_s(response.headers)
            return Wait(
                said=f"endpoint '{name}' is scaled to zero or starting (HTTP {response.status})",
                pause_s=ASK_AGAIN_S if pause_s is None else pause_s,
                longest_s=self.scale_up_s,
                hint="Look at its page in Cloudera AI (Model Endpoints: status, replicas, GPUs that are free), "
                "then go on; provider.scale_up_s waits longer.",
            )
        return None

    async def offers(self, endpoint: Endpoint, send: Transport, timeout_s: float) -> tuple[Offer, ...]:
        """`GET /models`: mostly the one that the endpoint was made for."""
        probe = self.probe(endpoint)
        assert probe is not None
        response = await send(probe, timeout_s)
        if response.status in (403, 404):
            raise PrerequisiteError(self._no_way(response.status))
        return tuple(Offer(name) for name in openai_format.models(response))

    def request(self, ask: Ask, endpoint: Endpoint) -> HttpRequest:
        """The request that asks this."""
        return forms.request(WIRE, ask, endpoint.base_url, endpoint.secret, structured=self.structured)

    def answer(self, ask: Ask, response: HttpResponse) -> Answer:
        """The answer in a response; raises a CallError."""
        try:
            return wire.answer(WIRE, ask, response)
        except Fatal as error:
            if error.code == "forbidden":
                error.message = self._no_way(403)
            raise

    def _no_way(self, status: int) -> str:
        """What to do about a 403 or a 404."""
        if status == 403:
            return (
                f"the token may not use endpoint '{_name(self.base_url)}' (HTTP 403). Ask for access to it, or take a "
                f"token of the right environment and workload: export {self.token_env or 'CDP_TOKEN'}=$({NEW_ONE})"
            )
        return (
            f"provider.base_url: nothing is at {self.base_url} (HTTP 404). Check namespace, endpoint name and /v1: "
            "https://DOMAIN/namespaces/serving-default/endpoints/NAME/v1"
        )

    # ------------------------------------------------------------------------------------------------- the token

    def _with(self, endpoint: Endpoint, token: _Token) -> Endpoint:
        renew_at = None if token.expires is None else max(token.expires - EARLY_S, time.time() + READ_AGAIN_S)
        opened = replace(endpoint, secret=token.secret, renew_at=renew_at, source=token.source, expires=token.expires)
        return replace(opened, renew=lambda why: self._renewed(opened, why))

    def _renewed(self, endpoint: Endpoint, why: str) -> Endpoint:
        """The endpoint with the token as it is now; raises PrerequisiteError where that one has been refused."""
        token = self._token()
        if why and token.secret == endpoint.secret:
            old = ", which has expired" if token.is_old else ""
            raise PrerequisiteError(
                f"the endpoint refuses the token of {token.source}{old}: {why.rstrip('.')}. "
                f"Get a new one, then go on: export {self.token_env or 'CDP_TOKEN'}=$({NEW_ONE})"
            )
        return self._with(endpoint, token)

    def _token(self) -> _Token:
        """The first token that has not expired, else the first one; raises PrerequisiteError where there is none."""
        found = []
        if self.token_env and (secret := os.environ.get(self.token_env, "").strip()):
            found.append(_Token(secret, f"the environment variable {self.token_env}", _expires(secret)))
            if not found[0].is_old and sendable(secret):
                return found[0]
        if self.token_file and (path := Path(self.token_file).expanduser()).exists():
            secret = _in_file(path)
            found.append(_Token(secret, str(path), _expires(secret)))
        if not found:
            raise PrerequisiteError(self._nowhere())
        for token in found:
            if not sendable(token.secret):
                raise PrerequisiteError(f"provider.token_env: {token.source} {UNSENDABLE}")
        return next((token for token in found if not token.is_old), found[0])

    def _nowhere(self) -> str:
        places = [f"the environment variable {self.token_env} is not set"] if self.token_env else []
        places += [f"there is no file {self.token_file}"] if self.token_file else []
        said = " and ".join(places) or "neither token_env nor token_file is set"
        return f"provider.token_env: {said}. Get a token: export {self.token_env or 'CDP_TOKEN'}=$({NEW_ONE})"


def _in_file(path: Path) -> str:
    try:
        data: Any = orjson.loads(path.read_bytes())
    except OSError as error:
        raise PrerequisiteError(f"provider.token_file: {path} cannot be read: {error.strerror}.") from None
    except orjson.JSONDecodeError:
        data = None
    secret = data.get("access_token") if isinstance(data, dict) else None
    if not isinstance(secret, str) or not secret.strip():
        raise PrerequisiteError(f'provider.token_file: {path} is not JSON like {{"access_token": "..."}}.')
    return secret.strip()


def _expires(secret: str) -> float | None:
    """The claim `exp` of a JSON web token (RFC 7519, 4.1.4), unverified; None for any other token."""
    parts = secret.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    return float(expires) if isinstance(expires, int | float) else None


def _name(base_url: str) -> str:
    """The endpoint's name in its URL; where there is none, the host."""
    parts = urlsplit(base_url)
    before, _, after = parts.path.partition("/endpoints/")
    return after.split("/")[0] if after else parts.netloc + before


def _model_ids(body: bytes) -> list[str]:
    """The ids in an answer to `GET /models`; empty where it cannot be read."""
    try:
        return [str(model["id"]) for model in orjson.loads(body)["data"]]
    except (orjson.JSONDecodeError, LookupError, TypeError):
        return []
