"""A look at all that a run of a plan needs: the disk, and each model from its credentials to a structured answer.

Nothing is journaled, fetched or waited for longer than the time limit of one check. A check that hangs on one that
failed is skipped, and says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from sdspec.calls import Answer, Ask, HttpRequest, Wait
from sdspec.contracts import Endpoint, Transport, Unparseable
from sdspec.diagnosis import FAIL, OK, SKIP, WARN, Diagnosis
from sdspec.engine import vitals
from sdspec.engine.aside import aside
from sdspec.engine.endpoints import Endpoints
from sdspec.engine.route import at_proxy, route_to, unreached, unresolved
from sdspec.errors import AuthExpired, BackPressure, CallError, PrerequisiteError, RunFatal
from sdspec.offer import Offer
from sdspec.parsers.json import Json
from sdspec.plan.plan import Model, Plan, kind_of

_T = TypeVar("_T")

GRACE_S = 0.5
"""What hangs on one request ends with that, which has the better words."""
DRAW = "0" * 16
"""No row has this draw."""
SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}},
    "required": ["ok"],
    "additionalProperties": False,
}
NO_SCHEMA = "Where the server takes no schema: provider.structured=false asks for JSON by the prompt."
ROOM = 256
"""Tokens for the structured answer: some models think first."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How far the look goes."""

    timeout_s: float
    """Longest time for one check."""
    calls: bool
    """Whether the model is asked, which costs a few tokens."""
    concurrency: int
    """`engine.concurrency`, which bounds an endpoint without limits."""


@dataclass(frozen=True, slots=True)
class Section:
    """What was found of one thing."""

    name: str
    """`spec`, or the name of a model: `model`, or as under `models:`."""
    about: str
    findings: tuple[Diagnosis, ...]


class Watch:
    """Sees a checkup go on; this one looks away."""

    def section(self, name: str, about: str) -> None:
        """What is found from here on is about this."""

    def begins(self, text: str) -> None:
        """Something that may take a moment."""

    def found(self, diagnosis: Diagnosis) -> None:
        """One check is done."""


async def checkup(plan: Plan, journal: Path, settings: Settings, watch: Watch) -> tuple[Section, ...]:
    """The spec and the disk, then each model with its endpoint."""
    about = f"{plan.name}, {plan.size:,} rows wanted"
    watch.section("spec", about)
    findings = (
        Diagnosis("spec", OK, "no problems"),
        vitals.journal(journal),
        vitals.outputs(Path(plan.engine.outputs)),
    )
    for found in findings:
        watch.found(found)
    sections = [Section("spec", about, findings)]
    for name, model in plan.models.items():
        about = f"{model.call.id} on {kind_of(model.provider)}"
        watch.section(name, about)
        async with AsyncExitStack() as stack:
            look = _Look(model, settings, watch, stack)
            look.context = (plan.spec.config.model if name == "model" else plan.spec.config.models[name]).context
            await look.through()
        sections.append(Section(name, about, tuple(look.findings)))
    return tuple(sections)


class _Look:
    """One look at one model."""

    def __init__(self, model: Model, settings: Settings, watch: Watch, stack: AsyncExitStack) -> None:
        self._model = model
        self._provider = model.provider
        self._settings = settings
        self._watch = watch
        self._stack = stack
        self._endpoint = Endpoint("")
        self._send: Transport
        self._doubted: list[Diagnosis] = []
        """Not told yet."""
        self.findings: list[Diagnosis] = []
        self.context: int | None = None
        """The window that the spec says the model has."""

    async def through(self) -> None:
        """Every check has its finding."""
        limits = vitals.limits(self._model, self._settings.concurrency)
        for found in (limits, vitals.price(self._model), vitals.window(self._model, self.context)):
            self._found(found)
        stopped = ""
        for found in self._provider.diagnoses(self._model.call.id):
            self._found(found)
            stopped = found.what if found.stops else stopped
        checks: tuple[tuple[str, Callable[[], Awaitable[Sequence[Diagnosis]]]], ...] = (
            ("credentials", self._opened),
            ("endpoint", self._reached),
            *((("ready", self._ready),) if self._provider.probe(self._endpoint) else ()),
            ("model", self._listed),
            ("call", self._called),
            ("structured", self._structured),
        )
        for what, check in checks:
            if self._provider.starts_model and not self._settings.calls:
                self._found(Diagnosis(what, SKIP, "the model is not started (--no-call)"))
            elif stopped:
                self._found(Diagnosis(what, SKIP, f"not looked at: see {stopped}"))
            elif what in ("call", "structured") and not self._settings.calls:
                self._found(Diagnosis(what, SKIP, "not asked (--no-call)"))
            else:
                self._watch.begins(f"{self._model.name}: {what}")
                if what == "call":
                    await self._prepared()
                stopped = self._judged(what, await self._within(what, check)) or stopped

    def _judged(self, what: str, findings: Sequence[Diagnosis]) -> str:
        """The findings of one check are told; the check, where those behind it are left out.

        That a model is not listed waits for the call to it: where that is answered, the list is what is wrong.
        """
        stops = any(found.stops for found in findings)
        if what == "model" and self._settings.calls and not stops:
            self._doubted = [found for found in findings if found.state == FAIL]
            findings = [found for found in findings if found.state != FAIL]
        elif self._doubted:
            answered = what == "call" and all(found.state == OK for found in findings)
            findings = [*(_and_yet(found) if answered else found for found in self._doubted), *findings]
            self._doubted = []
        for found in findings:
            self._found(found)
        return what if stops else ""

    def _found(self, found: Diagnosis) -> None:
        clean = replace(found, said=self._without_secrets(found.said), hint=self._without_secrets(found.hint))
        self.findings.append(clean)
        self._watch.found(clean)

    def _without_secrets(self, text: str) -> str:
        """Some servers echo a refused key; of AWS's three lines the first is the key's public name."""
        lines = self._endpoint.secret.split("\n")
        for secret in filter(None, lines[1:] or lines):
            text = text.replace(secret, "***")
        return text

    async def _within(self, what: str, check: Callable[[], Awaitable[Sequence[Diagnosis]]]) -> Sequence[Diagnosis]:
        """What the check finds, in its time; what ends it ends those behind it."""
        try:
            async with asyncio.timeout(self._settings.timeout_s + GRACE_S):
                return await check()
        except TimeoutError:
            said = f"nothing within {self._settings.timeout_s:g} s"
            return [Diagnosis(what, FAIL, said, "Wait longer with --timeout SECONDS.", stops=True)]
        except (PrerequisiteError, RunFatal) as error:
            return [Diagnosis(what, FAIL, str(error), stops=True)]
        except BackPressure as pressure:
            said = f"it asks to slow down: {pressure.message}"
            return [Diagnosis(what, WARN, said, "A run does; provider.limits keeps it from asking.", stops=True)]
        except CallError as error:
            hint = NO_SCHEMA if what == "structured" and "structured" in type(self._provider).model_fields else ""
            return [Diagnosis(what, FAIL, f"{error.message} ({error.code})", hint, stops=True)]
        except OSError as error:
            return [Diagnosis(what, FAIL, str(error) or type(error).__name__, stops=True)]

    # --------------------------------------------------------------------------------------------- from the outside in

    async def _opened(self) -> list[Diagnosis]:
        settings = self._settings
        model_id = self._model.call.id if settings.calls or self._provider.offered() is not None else ""
        opening = self._provider.open(model_id, settings.concurrency, self._watch.begins)
        self._endpoint = await self._stack.enter_async_context(opening)
        if self._endpoint.transport is not None:
            self._send = self._endpoint.transport
        else:
            sessions = Endpoints(self._stack, settings.concurrency, self._watch.begins)
            self._send = await sessions.session(self._endpoint)
        if self._provider.starts_model:
            return [Diagnosis("credentials", OK, "none are needed; the model is loaded")]
        return [vitals.credentials(self._endpoint)]

    async def _reached(self) -> list[Diagnosis]:
        endpoint = self._endpoint
        if endpoint.transport is not None:
            if "//" in endpoint.base_url:
                return [Diagnosis("endpoint", SKIP, "litellm's own client reaches it: only a call shows whether")]
            return [Diagnosis("endpoint", OK, "in this process")]
        route = route_to(endpoint.base_url)
        if not route.proxy and (unknown := await unresolved(route)):
            return [unknown]
        began = time.time()
        try:
            request = HttpRequest(endpoint.base_url, {}, b"", method="GET")
            response = await self._send(request, self._settings.timeout_s)
        except OSError as error:
            return [unreached(route, error, self._settings.timeout_s)]
        took_s = time.time() - began
        said = f"{route.host}:{route.port} answers{route} in {1000 * took_s:.0f} ms"
        found = [Diagnosis("endpoint", OK, said)]
        if response.status == 407:
            found = [
                Diagnosis(
                    "endpoint", FAIL, f"the proxy {route.proxy} asks who you are (HTTP 407)", at_proxy(route), True
                )
            ]
        if date := response.headers.get("date"):
            found.append(vitals.clock(date, began + took_s / 2, strict=self._provider.signs_with_time))
        return found

    async def _ready(self) -> list[Diagnosis]:
        wait = await self._renewing(self._probed)
        if wait is None:
            return [Diagnosis("ready", OK, "it is up, and takes these credentials")]
        waits = 0 < wait.longest_s >= wait.pause_s
        said = f"{wait.said}; a run waits up to {wait.longest_s:.0f} s for it" if waits else wait.said
        return [Diagnosis("ready", WARN if waits else FAIL, said, wait.hint, stops=True)]

    async def _probed(self) -> Wait | None:
        probe = self._provider.probe(self._endpoint)
        assert probe is not None
        return self._provider.probed(self._model.call.id, await self._send(probe, self._settings.timeout_s))

    async def _listed(self) -> list[Diagnosis]:
        offers, model_id = self._provider.offered(), self._model.call.id
        if offers is not None:
            free = self._provider.free
            return [Diagnosis("model", OK, model_id) if free else self._provider.listed(model_id, offers)]
        try:
            found = await self._renewing(self._offers)
        except AuthExpired:
            raise
        except (CallError, OSError) as error:
            said = error.message if isinstance(error, CallError) else str(error) or "no answer in time"
            return [Diagnosis("model", WARN, f"its models are not listed: {said}")]
        return [self._provider.listed(self._model.call.id, found)]

    async def _offers(self) -> tuple[Offer, ...]:
        return await self._provider.offers(self._endpoint, self._send, self._settings.timeout_s)

    async def _prepared(self) -> None:
        """What a first request takes on this machine, which is litellm's import, is not the endpoint's time."""
        ask = Ask(self._model.call, ({"role": "user", "content": "Say ok."},), DRAW)
        with suppress(CallError):  # the call itself says it
            await aside(partial(self._provider.request, ask, self._endpoint))

    async def _called(self) -> list[Diagnosis]:
        call = self._model.call
        least = self._provider.least_tokens(call.known_as)
        ask = Ask(replace(call, max_tokens=least), ({"role": "user", "content": "Say ok."},), DRAW)
        answer, took_s = await self._asked(ask)
        return [Diagnosis("call", OK, f"an answer in {took_s:.1f} s; {self._bill(answer)}")]

    async def _structured(self) -> list[Diagnosis]:
        call = self._model.call
        native = self._provider.native_schema_for(call.known_as)
        asked = f"Is water wet? {Json().how_to_answer(SCHEMA)}"
        least = max(self._provider.least_tokens(call.known_as), min(call.max_tokens or ROOM, ROOM))
        ask = Ask(replace(call, max_tokens=least, stop=()), ({"role": "user", "content": asked},), DRAW)
        answer, took_s = await self._asked(replace(ask, schema=SCHEMA) if native else ask)
        way = "by the provider" if native else "by the prompt"
        parsed = Json().parse(answer.text, SCHEMA)
        bill = f"in {took_s:.1f} s; {self._bill(answer)}"
        if isinstance(parsed, Unparseable):
            hint = "A run asks again (workflow.reasks), then rejects such rows."
            return [Diagnosis("structured", WARN, f"schema {way}: {parsed.detail or parsed.code}; {bill}", hint)]
        repaired = ", after a repair" if parsed.repaired else ""
        return [Diagnosis("structured", OK, f"schema {way}, kept to{repaired}; {bill}")]

    async def _asked(self, ask: Ask) -> tuple[Answer, float]:
        """The answer and its seconds."""
        began = time.perf_counter()
        answer = await self._renewing(lambda: self._once(ask))
        return answer, time.perf_counter() - began

    async def _once(self, ask: Ask) -> Answer:
        response = await self._send(self._provider.request(ask, self._endpoint), self._settings.timeout_s)
        return self._provider.answer(ask, response)

    async def _renewing(self, asked: Callable[[], Awaitable[_T]]) -> _T:
        """What was asked for; credentials that are refused are read again, once."""
        try:
            return await asked()
        except AuthExpired as refused:
            if self._endpoint.renew is None:
                raise
            self._endpoint = await asyncio.to_thread(self._endpoint.renew, refused.message)
            return await asked()

    def _bill(self, answer: Answer) -> str:
        tokens = f"{answer.input_tokens} tokens in, {answer.output_tokens} out"
        price = self._model.price
        if self._provider.free or price is None:
            return tokens
        return f"{tokens}, ${price.usd(answer):.6f}"


def _and_yet(found: Diagnosis) -> Diagnosis:
    """A model that is not in the list, and answers."""
    return replace(found, state=WARN, said=f"{found.said}, and yet it answers", hint="")
