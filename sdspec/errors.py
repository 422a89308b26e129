"""What can go wrong, as types: a user's problems (gathered), a row's reject, a provider's failure.

SdspecError
├── SpecError           the spec or the command line is wrong: a list of Problems, exit 2
├── PrerequisiteError   something must be installed, fetched or granted first: a hint says what, exit 1
├── StoreError          an outputs folder or a journal that cannot be used, exit 1
├── RunFatal            the run cannot go on: outage, revoked key, unknown model, exit 1
└── CallError           one call failed, typed by what the caller does about it
    ├── RowFatal        this ask never gets an answer: the row is rejected, nothing is retried
    ├── Transient       try again, with backoff; counts as a try
    ├── BackPressure    slow down, try again; does not count as a try
    ├── AuthExpired     credentials refused: refresh them once, then it is fatal
    └── Fatal           every ask would fail alike: stop the run
"""

from __future__ import annotations

import difflib
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self
from urllib.parse import quote

BLOT = "***"
TELLING = 12
"""So many first characters of a secret are taken out too: a text that was cut may end within it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a spec, where it stands, and what to write instead."""

    where: str
    """`specs/x.yaml:12:5`, or `override 'model.top_p=2'`, or a command-line word."""
    what: str
    """`workflow.sise: unknown key.`: the key, then what is true of it, with the value."""
    hint: str = ""
    """`Did you mean 'size'? Known: ...`"""

    def __str__(self) -> str:
        return " ".join(part for part in (f"{self.where}: {self.what}", self.hint) if part)


def did_you_mean(word: str, known: Iterable[str], most: int = 24) -> str:
    """The hint `Did you mean 'size'? Known: a, b.`; without a near name only what is known, at most so many names."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    guess = f"Did you mean '{near[0]}'? " if near else ""
    shown = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    return f"{guess}Known: {shown or '(none)'}."


class SdspecError(Exception):
    """Everything sdspec raises on purpose; printed without a traceback."""


class SpecError(SdspecError):
    """The spec or the command line is wrong; `problems` holds every reason found."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


class PrerequisiteError(SdspecError):
    """Something outside the spec is missing; the message says what to do."""


class StoreError(SdspecError):
    """The outputs folder, a run folder or the journal cannot be used; the message says why."""


class RunFatal(SdspecError):
    """The run cannot go on; everything paid for is in the journal, and the run can be resumed."""


class CallError(SdspecError):
    """One call to a provider failed."""

    def __init__(self, code: str, message: str, *, status: int | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        """Our own stable word for the reason, e.g. `content_filter`; keys and counts use it."""
        self.message = message
        """The provider's text, for people."""
        self.status = status
        """The HTTP status, where there was one."""

    def without(self, secret: str) -> Self:
        """This error with the secret blotted out: some servers echo a refused key."""
        self.message = blotted(self.message, secret)
        self.args = (f"{self.code}: {self.message}",)
        return self


class RowFatal(CallError):
    """This ask never gets an answer (content filter, bad request, context too long)."""

    def __init__(
        self, code: str, message: str, *, status: int | None = None, tokens: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(code, message, status=status)
        self.tokens = tokens or {}
        """What the refusal was charged for, where the provider says so: token counts, named as in an Answer."""


class Transient(CallError):
    """A 5xx, a timeout, a dropped connection, a garbled body."""


class BackPressure(CallError):
    """The endpoint asks for less: 429, ThrottlingException."""

    def __init__(
        self, code: str, message: str, *, status: int | None = None, retry_after_s: float | None = None
    ) -> None:
        super().__init__(code, message, status=status)
        self.retry_after_s = retry_after_s


class AuthExpired(CallError):
    """A 401: the credentials are refused and may be stale."""


class Fatal(CallError):
    """A 403, an unknown model, a spent quota."""


def blotted(text: str, secret: str) -> str:
    """The text without the secret, without a longer beginning of it, its URL-encoded form, and its base64.

    A secret of several lines is several secrets. "key k/123 in k%2F123" without "k/123" is "key *** in ***".
    """
    for part in filter(None, secret.split("\n")):
        text = text.replace(part, BLOT)
        text = re.sub(re.escape(quote(part, safe="")), BLOT, text, flags=re.IGNORECASE)
        if len(part) > TELLING:
            for coded in _in_base64(part):
                text = text.replace(coded, BLOT)
            while (at := text.find(part[:TELLING])) >= 0:
                size = next(n for n in range(len(part), 0, -1) if text.startswith(part[:n], at))
                text = f"{text[:at]}{BLOT}{text[at + size :]}"
    return text


def _in_base64(secret: str) -> Iterator[str]:
    """What base64 makes of a secret that stands after 0, 1 or 2 other bytes, without the ends that it shares."""
    for lead in range(3):
        coded = b64encode(b"\0" * lead + secret.encode()).decode().rstrip("=")[(0, 2, 3)[lead] : -1]
        yield coded
        yield coded.translate(str.maketrans("+/", "-_"))
