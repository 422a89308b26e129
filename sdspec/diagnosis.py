"""What a look at one thing that a run needs has found."""

from __future__ import annotations

from dataclasses import dataclass

OK, WARN, FAIL, SKIP = "ok", "warn", "fail", "skip"
"""It is right · a run may do with it · a run would fail · it was not looked at."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One thing, how it stands, and what to do about it. No secret is in it."""

    what: str
    """What was looked at, in a word or two: `credentials`."""
    state: str
    """One of OK, WARN, FAIL, SKIP."""
    said: str
    """What is true of it."""
    hint: str = ""
    """What to do, where something is to be done."""
    stops: bool = False
    """What comes after cannot be looked at, or must not be."""
