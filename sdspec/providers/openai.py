"""OpenAI, and Azure's or a gateway's address that takes the same keys, models and parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field

from sdspec.calls import ModelCall
from sdspec.contracts import Endpoint, Transport
from sdspec.offer import Offer
from sdspec.prices import made_for, trait_of
from sdspec.providers.openai_compatible import OpenAICompatible

FINE_TUNED = "ft:"
"""`ft:gpt-4o-mini-2024-07-18:org::id` is priced as `ft:gpt-4o-mini-2024-07-18`."""

MOST_STOPS = 4

TO_THINK = 512
"""With fewer tokens a model that reasons may end in `max_tokens or model output limit was reached`, a 400."""


class OpenAI(OpenAICompatible):
    """OpenAI by its own rules: newer models get `max_completion_tokens`, and refuse what they no longer take."""

    litellm_name: ClassVar[str] = "openai"

    base_url: str = Field(
        default="https://api.openai.com/v1", description="Another region, e.g. https://eu.api.openai.com/v1."
    )
    api_key_env: str | None = Field(
        default="OPENAI_API_KEY",
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        description="Name of the environment variable that holds the key.",
    )

    def sampling_problems(self, call: ModelCall) -> Mapping[str, str]:
        """OpenAI takes four stop sequences: https://platform.openai.com/docs/api-reference/chat/create"""
        if len(call.stop) > MOST_STOPS:
            return {"stop": f"{len(call.stop)} texts, and OpenAI takes {MOST_STOPS} at most."}
        return {}

    def least_tokens(self, model_id: str) -> int:
        """One, but of models that reason before they answer."""
        return TO_THINK if trait_of(self.price_id(model_id) or "", "supports_reasoning") else 1

    def price_id(self, model_id: str) -> str | None:
        """litellm names OpenAI's models as OpenAI does; a fine-tuned one is priced like its kind."""
        if model_id.startswith(FINE_TUNED):
            return ":".join(model_id.split(":")[:2])
        return model_id

    async def offers(self, endpoint: Endpoint, send: Transport, timeout_s: float) -> tuple[Offer, ...]:
        """Those that chat, or that nobody knows: OpenAI lists what draws and embeds as well."""
        found = await super().offers(endpoint, send, timeout_s)
        return tuple(offer for offer in found if made_for(self.price_id(offer.id)) in ("chat", None))
