"""Google's Gemini API (AI Studio), at the address where it speaks the OpenAI format."""

from __future__ import annotations

from pydantic import Field

from sdspec.calls import Answer, Ask, HttpResponse
from sdspec.contracts import Endpoint, Transport
from sdspec.errors import AuthExpired, RowFatal
from sdspec.offer import Offer
from sdspec.prices import made_for
from sdspec.providers.openai_compatible import OpenAICompatible

BAD_KEY = "API key"
"""A wrong key is a 400 here, `API key not valid. Please pass a valid API key.`, and an old one `API key expired.`."""


class Gemini(OpenAICompatible):
    """Gemini with a key of AI Studio; models by their ids, e.g. gemini-2.5-flash."""

    base_url: str = Field(
        default="https://generativelanguage.googleapis.com/v1beta/openai",
        description="Where Gemini speaks the OpenAI format.",
    )
    api_key_env: str | None = Field(
        default="GEMINI_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the environment variable that holds the key.",
    )

    def price_id(self, model_id: str) -> str | None:
        """litellm's key, without the `models/` that Google's own listing puts before an id."""
        return f"gemini/{model_id.removeprefix('models/')}"

    async def offers(self, endpoint: Endpoint, send: Transport, timeout_s: float) -> tuple[Offer, ...]:
        """Those that chat, or that nobody knows, by their short ids; a refused key is that."""
        try:
            found = await super().offers(endpoint, send, timeout_s)
        except RowFatal as error:
            if refused := _refused(error):
                raise refused from error
            raise
        short = (Offer(offer.id.removeprefix("models/")) for offer in found)
        return tuple(offer for offer in short if made_for(self.price_id(offer.id)) in ("chat", None))

    def answer(self, ask: Ask, response: HttpResponse) -> Answer:
        """The answer; a refused key is that, although it comes as a bad request."""
        try:
            return super().answer(ask, response)
        except RowFatal as error:
            if refused := _refused(error):
                raise refused from error
            raise


def _refused(error: RowFatal) -> AuthExpired | None:
    """The error as what it is, where it is about the key."""
    if error.code == "bad_request" and error.message.startswith(BAD_KEY):
        return AuthExpired("unauthorized", error.message, status=error.status)
    return None
