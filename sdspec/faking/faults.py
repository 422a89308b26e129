"""How provider `fake` fails, as pure functions of its seed, the ask's key and the number of the try.

What an endpoint would do again (a filter, nonsense) depends on the ask alone, so that a run that was killed and
resumed sees it again; what passes (a 500, a timeout) depends on the try as well, so that trying again helps.
"""

from __future__ import annotations

import hashlib
import math
import struct
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

Passing = Literal["rate_limited", "server_error", "timeout", "malformed"]
Lasting = Literal["content_filter", "bad_request", "nonsense", "broken_json"]

_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Knobs:
    """The settings of provider `fake`; probabilities lie in 0 to 1."""

    latency_s: float = 0.0
    latency_sigma: float = 0.0
    p429: float = 0.0
    retry_after_s: float | None = None
    p500: float = 0.0
    ptimeout: float = 0.0
    pmalformed: float = 0.0
    pnonsense: float = 0.0
    pbroken_json: float = 0.0
    prefusal: float = 0.0
    bad_request_every: int | None = None
    down: bool = False
    limit: int | None = None
    request_log: str | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Fate:
    """What happens to one request."""

    latency_s: float
    passing: Passing | None
    lasting: Lasting | None
    shape: int
    """64 random bits: where a text breaks, and how."""


def fate(knobs: Knobs, key: str, attempt: int) -> Fate:
    """What happens to the ask with this key (hex digits) on this try, counted from 0."""
    latency, passing = _uniforms(f"{knobs.seed} {key} {attempt}")[:2]
    lasting, every, shape = _uniforms(f"{knobs.seed} {key}")[:3]
    return Fate(
        latency_s=_latency_s(knobs, latency),
        passing=_passing(knobs, passing),
        lasting=_lasting(knobs, lasting, every),
        shape=int(shape * 2**53),
    )


def _latency_s(knobs: Knobs, uniform: float) -> float:
    """Log-normal with median `latency_s`."""
    if not knobs.latency_s or not knobs.latency_sigma:
        return knobs.latency_s
    return knobs.latency_s * math.exp(knobs.latency_sigma * _NORMAL.inv_cdf(uniform))


def _passing(knobs: Knobs, uniform: float) -> Passing | None:
    if uniform < (edge := knobs.p429):
        return "rate_limited"
    if uniform < (edge := edge + knobs.p500):
        return "server_error"
    if uniform < (edge := edge + knobs.ptimeout):
        return "timeout"
    return "malformed" if uniform < edge + knobs.pmalformed else None


def _lasting(knobs: Knobs, uniform: float, every: float) -> Lasting | None:
    if knobs.bad_request_every and every * knobs.bad_request_every < 1:
        return "bad_request"
    if uniform < (edge := knobs.prefusal):
        return "content_filter"
    if uniform < (edge := edge + knobs.pnonsense):
        return "nonsense"
    return "broken_json" if uniform < edge + knobs.pbroken_json else None


def _uniforms(text: str) -> tuple[float, ...]:
    """Four numbers in (0, 1), equal for equal texts; a hash is cheaper than seeding a generator."""
    words = struct.unpack("<4Q", hashlib.blake2b(text.encode(), digest_size=32).digest())
    return tuple(((word >> 11) + 0.5) / 2**53 for word in words)


def broken(text: str, shape: int) -> str:
    """The JSON text with a fault that people and models make and that can be repaired."""
    body = text.rstrip()
    if not body.endswith(("}", "]")):
        return body
    match shape % 3:
        case 0:
            return f"{body[:-1]},{body[-1]}"
        case 1:
            return f"```json\n{body[:-1]}"
        case _:
            return body.replace('"', "'") if "'" not in body and '\\"' not in body else body[:-1]


def prose(draw: str) -> str:
    """An answer that answers nothing."""
    return f"Sure! I would be happy to help with that. Let me think about it some more ({draw[:6]})."
