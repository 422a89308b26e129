"""A vLLM server, which takes more sampling settings than OpenAI's format has."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import Field

from sdspec.calls import Ask
from sdspec.providers.openai_compatible import OpenAICompatible


class Vllm(OpenAICompatible):
    """`vllm serve MODEL`: no key unless it was started with --api-key."""

    sampling: ClassVar[frozenset[str]] = OpenAICompatible.sampling | {"top_k"}

    base_url: str = Field(default="http://127.0.0.1:8000/v1", description="Where the server is, with its /v1.")

    def further(self, ask: Ask) -> dict[str, Any]:
        """`top_k`, where it is set."""
        return {} if ask.model.top_k is None else {"top_k": ask.model.top_k}
