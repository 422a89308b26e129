"""The contracts of the shelves. A part is one frozen class: its fields are its YAML keys, its file name is its `kind`.

A shelf is a package of one-part modules; `registry.py` finds a part by shelf and kind. Parts hold settings only: what
they need at run time (a connection, a process) is given to them or opened by them as a context.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from sdspec.calls import Answer, Ask, HttpRequest, HttpResponse, ModelCall, Wait
from sdspec.diagnosis import OK, WARN, Diagnosis
from sdspec.errors import Fatal
from sdspec.offer import Offer, nearest
from sdspec.rows import Reject, Row

if TYPE_CHECKING:
    from ssl import SSLContext


class Part(BaseModel, ABC):
    """Settings of one part; unknown keys are errors, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, defer_build=True)

    version: ClassVar[int] = 1
    """Raised when the part's results change for the same settings; it is in every fingerprint."""

    does_not_decide: ClassVar[frozenset[str]] = frozenset()
    """Names of the fields that do not decide a row (speed, limits, keys): left out of fingerprints."""

    def deciding(self) -> dict[str, Any]:
        """The settings that decide results, as plain JSON."""
        return self.model_dump(mode="json", exclude=set(self.does_not_decide))


# --------------------------------------------------------------------------------------------------------- parsers


@dataclass(frozen=True, slots=True)
class Parsed:
    """An answer understood: the columns, and how much had to be repaired."""

    values: dict[str, Any]
    repaired: bool = False


@dataclass(frozen=True, slots=True)
class Unparseable:
    """An answer that cannot be used. `code` is ours and stable (it is in re-ask messages, and so in journal keys)."""

    code: str
    """`no_json`, `missing_column`, `wrong_type`, `empty`, `cut_off` ..."""
    ask: str
    """What to tell the model, in our own stable words."""
    detail: str
    """The library's or our own message, for people only."""


class Several(ABC):
    """How several rows stand in one answer."""

    @abstractmethod
    def parse(self, text: str) -> list[Parsed | Unparseable] | Unparseable:
        """Each row of the answer in its order, usable or not; Unparseable where there is none at all."""

    @abstractmethod
    def how_to_answer(self) -> str:
        """The sentence that ends the prompt and says how to answer."""

    @abstractmethod
    def native_schema(self) -> Mapping[str, Any] | None:
        """As for one row."""


class Parser(Part):
    """Turns a model's text into output columns."""

    def problems(self, schema: Mapping[str, Any]) -> list[str]:
        """What is wrong with the settings for an answer of this schema; without location."""
        return []

    @abstractmethod
    def parse(self, text: str, schema: Mapping[str, Any]) -> Parsed | Unparseable:
        """The columns that the object JSON Schema `schema` names, checked against it."""

    @abstractmethod
    def how_to_answer(self, schema: Mapping[str, Any]) -> str:
        """The sentence that ends the prompt and says how to answer."""

    def native_schema(self, schema: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The schema to send to providers that constrain decoding; None where the answer is not JSON."""
        return None

    def layout(self, texts: Mapping[str, str]) -> str | None:
        """An answer whose columns are these texts, where it is not JSON: provider `fake` answers so."""
        return None

    def several(self, schema: Mapping[str, Any], count: int) -> Several | None:
        """How `count` rows are asked for and read in one answer; None where this parser reads one row per answer."""
        return None


# ----------------------------------------------------------------------------------------------------------- checks


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. Pure data: it is journaled and kept as evidence."""

    ok: bool
    reason: str = ""
    """A stable word where not ok, e.g. `sql_syntax`."""
    detail: str = ""
    """The engine's own message."""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Small JSON: the result, flags such as `nondeterministic`."""


class Check(Part):
    """Examines one column of a row; a row that fails is a reject."""

    column: str = Field(description="The output column to examine.")

    in_process: ClassVar[bool] = True
    """False: `examine_many` is slow or risky and runs in a worker process; its verdicts are journaled."""

    batch: ClassVar[int] = 1
    """Most values that `examine_many` is given at once: those that wait when a worker process is free."""

    def reads(self) -> frozenset[str]:
        """Columns that `inputs` takes from a row."""
        return frozenset({self.column})

    def problems(self, constants: Mapping[str, Any]) -> list[str]:
        """What is wrong with the settings themselves, given the template's constant variables; without location."""
        return []

    def bound(self, constants: Mapping[str, Any]) -> Check:
        """This check with everything it needs of the template's constant variables written into its fields."""
        return self

    @abstractmethod
    def examine(self, value: Any) -> Verdict:
        """The verdict on a value; a pure function of the settings and the value."""

    def examine_many(self, values: Sequence[Any]) -> list[Verdict]:
        """The verdicts on values, in their order; each the same as alone."""
        return [self.examine(value) for value in values]


# ----------------------------------------------------------------------------------------------------------- dedups


class Dedup(Part):
    """Decides in index order, at commit, whether a row repeats an earlier kept one."""

    columns: tuple[str, ...] = Field(default=(), description="Columns that together must not repeat; none means all.")

    @abstractmethod
    def index(self) -> DedupIndex:
        """A fresh index for one run."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """A row says again what an earlier kept one says."""

    row: str
    """The id of the earlier row."""
    detail: str
    """A sentence for people, which names that row."""
    reason: str = "duplicate"
    """A stable word that is counted."""


class DedupIndex(ABC):
    """The kept rows so far, as far as a dedup must remember them."""

    @abstractmethod
    def seen(self, values: Mapping[str, Any], row: str) -> Repeat | None:
        """What this row repeats; None takes it in as new."""


# ----------------------------------------------------------------------------------------------------------- blocks


class StepContext(ABC):
    """What a running step may do; given by the engine, one per step."""

    name: str
    spec_seed: int

    @abstractmethod
    async def ask(self, row: Row, ask: Ask, purpose: str) -> Answer:
        """The model's answer, bought once; raises RowFatal or Transient when there is none for this row."""

    @abstractmethod
    async def verdict(self, row: Row, check: Check, value: Any) -> Verdict:
        """The check's verdict on a value, from the journal where it has been reached before."""


class Block(Part):
    """A row-wise step: one row in; the row with new columns, or a reject, out."""

    @abstractmethod
    def reads(self) -> frozenset[str]:
        """Columns that must be there."""

    @abstractmethod
    def writes(self) -> Mapping[str, str]:
        """Columns that are there afterwards, with their types (`str`, `int`, `list[str]`, ...)."""

    def asks(self) -> str | None:
        """Name of the model that this block calls; None when it calls none."""
        return None

    @abstractmethod
    async def apply(self, row: Row, context: StepContext) -> Row | Reject:
        """The row afterwards."""


# -------------------------------------------------------------------------------------------------------- providers


class Limits(BaseModel):
    """What an endpoint allows; null means no limit of ours."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    rpm: int | None = Field(default=None, ge=1, description="Requests per minute.")
    itpm: int | None = Field(default=None, ge=1, description="Input tokens per minute, of all prompts together.")
    otpm: int | None = Field(default=None, ge=1, description="Output tokens per minute, of all answers together.")
    concurrency: int | None = Field(default=None, ge=1, description="Requests in flight, at most.")


Transport = Callable[[HttpRequest, float], Awaitable[HttpResponse]]
"""Sends one request with a timeout in seconds. Raises TimeoutError, ConnectionError, or RunFatal (certificates)."""


@dataclass(frozen=True)
class Endpoint:
    """An opened provider: where it is, and for providers that are not reached by HTTP how."""

    base_url: str
    secret: str = field(default="", repr=False)
    """The API key or token, read from the environment when opened; never written anywhere."""
    transport: Transport | None = None
    """None: the caller's shared HTTP session."""
    tls: SSLContext | None = None
    """Which certificates are trusted; None: those that this machine trusts."""
    renew: Callable[[str], Endpoint] | None = None
    """The endpoint with credentials read again (in a thread), given what was said against these; PrerequisiteError."""
    renew_at: float | None = None
    """Unix time from which the credentials are read again before they are refused."""
    source: str = ""
    """For people: where the credentials are from, `the environment variable CDP_TOKEN`; empty: none are sent."""
    expires: float | None = None
    """Unix time at which the credentials expire, where they say so."""


class Provider(Part):
    """Knows one kind of endpoint. Two pure functions and its credentials; the I/O stands in the caller.

    What is asked of a model is asked of `ModelCall.known_as`: of its base model, where its id hides that.
    """

    limits: Limits = Field(default=Limits(), description="Limits of the endpoint, shared by all its models.")

    sampling: ClassVar[frozenset[str]] = frozenset({"temperature", "top_p", "max_tokens", "stop"})
    """Sampling settings that the provider passes on; any other one that is set is a compile-time problem."""

    model_settings: ClassVar[frozenset[str]] = frozenset({"context"})
    """Keys of a model that not every provider understands, of those that this one does: path, base_model, context."""

    native_schema: ClassVar[bool] = True
    """True when `Ask.schema` constrains decoding at the provider."""

    reads_hints: ClassVar[bool] = False
    """True for `fake` alone: its asks carry the row's columns and the template's `fake:` answers."""

    free: ClassVar[bool] = False
    """True when calls cost nothing (embedded, fake)."""

    slow_start: ClassVar[bool] = True
    """False where it is known how many calls the endpoint takes: they all go out at once."""

    signs_with_time: ClassVar[bool] = False
    """True where requests are refused that a clock has signed which is minutes off."""

    starts_model: ClassVar[bool] = False
    """True where the model runs on this machine, from when the endpoint is opened."""

    caches_prompts: ClassVar[bool] = True
    """False where a prompt is never cached without being asked to: then no input token is ever cheaper."""

    waits_for_surplus: ClassVar[bool] = True
    """False where calls still in flight when all wanted rows are kept are dropped: nobody has paid for them."""

    @abstractmethod
    def endpoint_identity(self) -> str:
        """What of this provider decides an answer: base URL, or region family."""

    def called(self, model_id: str) -> str:
        """The id that is sent, where what the spec says is not yet that."""
        return model_id

    def model_identity(self, model_id: str) -> str:
        """What stands for the model in the journal key."""
        return model_id

    def price_id(self, model_id: str) -> str | None:
        """The model's name in the price map; None where calls are free or the price is not known."""
        return None

    def context_tokens(self, model_id: str) -> int | None:
        """Tokens that prompt and answer may have together; None where only the price map may know."""
        return None

    def sampling_for(self, model_id: str) -> frozenset[str]:
        """Sampling settings that reach this model, where they differ from one to another."""
        return self.sampling

    def sampling_problems(self, call: ModelCall) -> Mapping[str, str]:
        """Values that the model would refuse: setting -> what is wrong with it, and what to do."""
        return {}

    def native_schema_for(self, model_id: str) -> bool:
        """True when `Ask.schema` constrains decoding of this model."""
        return self.native_schema

    def model_problems(self, model_id: str) -> list[str]:
        """What is wrong with a model id that needs no network to know."""
        return []

    def base_model_problems(self, model_id: str, base: str) -> list[str]:
        """What is wrong with what the spec says that the model behind the id is."""
        return []

    def least_tokens(self, model_id: str) -> int:
        """The smallest `max_tokens` with which the model answers."""
        return 1

    def diagnoses(self, model_id: str) -> list[Diagnosis]:
        """What can be seen before the endpoint is opened; nothing is fetched or started."""
        return []

    def offered(self) -> tuple[Offer, ...] | None:
        """The models there are, where that needs no endpoint; None: `offers` knows."""
        return None

    async def offers(self, endpoint: Endpoint, send: Transport, timeout_s: float) -> tuple[Offer, ...]:
        """The models that the endpoint lists; raises CallError, PrerequisiteError, OSError."""
        raise Fatal("not_an_endpoint", "nobody has said how such endpoints list their models")

    def listed(self, model_id: str, offers: Sequence[Offer]) -> Diagnosis:
        """Whether the endpoint's list has the model. Some endpoints answer for more models than they list."""
        known = [offer.id for offer in offers]
        if model_id in known:
            return Diagnosis("model", OK, f"{model_id} is listed")
        return Diagnosis("model", WARN, f"{model_id} is not among the {len(known)} listed", nearest(model_id, offers))

    @abstractmethod
    def open(
        self, model_id: str, concurrency: int, say: Callable[[str], None]
    ) -> AbstractAsyncContextManager[Endpoint]:
        """The endpoint, ready for calls; raises PrerequisiteError. `say` tells the user what takes time.

        An empty `model_id` says that no model will be asked, only for lists.
        """

    def probe(self, endpoint: Endpoint) -> HttpRequest | None:
        """A request that costs nothing and shows whether calls can be answered; None where there is none."""
        return None

    def probed(self, model_id: str, response: HttpResponse) -> Wait | None:
        """What to wait for, by the response to the probe; None: calls may go out.

        Raises PrerequisiteError when no call can be answered, and AuthExpired.
        """
        return None

    @abstractmethod
    def request(self, ask: Ask, endpoint: Endpoint) -> HttpRequest:
        """The HTTP request that asks this."""

    @abstractmethod
    def answer(self, ask: Ask, response: HttpResponse) -> Answer:
        """The answer in a response; raises a CallError that says what to do about a bad one."""
