"""What can be said of a model and of the disk without asking anybody, and how credentials and clock stand."""

from __future__ import annotations

import os
import time
from email.utils import parsedate_to_datetime
from pathlib import Path

from sdspec.contracts import Endpoint
from sdspec.diagnosis import FAIL, OK, SKIP, WARN, Diagnosis
from sdspec.plan.plan import Model
from sdspec.prices import MTOK, window_of
from sdspec.store.netfs import MOUNTS, file_system, is_network

SKEW_WARN_S, SKEW_FAIL_S = 60.0, 300.0
"""AWS refuses signatures that are more than five minutes off."""
SOON_S = 600.0
"""Credentials that expire so soon, and that nobody renews, end most runs."""


def journal(path: Path, mounts: Path = MOUNTS) -> Diagnosis:
    """Whether answers can be kept where they are to be kept; nothing is made."""
    move = "SDSPEC_JOURNAL=/a/local/disk/journal.sqlite puts it elsewhere."
    folder = _nearest(path.parent)
    kind = file_system(folder, mounts)
    if is_network(kind):
        said = f"{path} lies on a network file system ({kind}), where several writers would damage it"
        return Diagnosis("journal", FAIL, said, move)
    if path.is_dir() or not folder.is_dir() or not os.access(path if path.exists() else folder, os.W_OK):
        return Diagnosis("journal", FAIL, f"{path} cannot be written", move)
    return Diagnosis("journal", OK, f"{path} can be written{f', on {kind}' if kind else ''}")


def outputs(path: Path) -> Diagnosis:
    """Whether run folders can be made; nothing is made."""
    folder = _nearest(path)
    if not folder.is_dir() or not os.access(folder, os.W_OK):
        return Diagnosis("outputs", FAIL, f"{path} cannot be written", "engine.outputs=FOLDER is another place.")
    return Diagnosis("outputs", OK, f"{path} can be written")


def _nearest(path: Path) -> Path:
    """The path, or the first above it that is there."""
    return next((one for one in (path, *path.absolute().parents) if one.exists()), path)


def limits(model: Model, concurrency: int) -> Diagnosis:
    """What the endpoint is known to allow."""
    set_ones = {name: value for name, value in model.provider.limits.model_dump().items() if value is not None}
    said = ", ".join(f"{name} {value:,}" for name, value in set_ones.items())
    return Diagnosis("limits", OK, said or f"none; up to {concurrency} calls in flight, fewer when it throttles")


def price(model: Model) -> Diagnosis:
    """Whether a run can say what it costs."""
    if model.free:
        return Diagnosis("price", OK, "free")
    row = model.price
    if row is None:
        return Diagnosis(
            "price", WARN, "not known: plans and runs cannot say what they cost", f"{model.price_example} gives it."
        )
    said = f"${MTOK * row.rates.input_usd:g} in, ${MTOK * row.rates.output_usd:g} out per million tokens ({row.source})"
    return Diagnosis("price", OK, said)


def window(model: Model, context: int | None) -> Diagnosis:
    """Whether a prompt that is too long is found before it is sent; `context` is what the spec says of it."""
    known = window_of(model.provider.price_id(model.call.known_as))
    told = context or model.provider.context_tokens(model.call.known_as)
    room = told or (known.input_tokens if known else None)
    if room is None and model.provider.free:
        return Diagnosis("context", OK, "without a limit")
    if room is None:
        return Diagnosis(
            "context", WARN, "not known: only the model finds a prompt too long", f"{model.key}.context=TOKENS says it."
        )
    return Diagnosis("context", OK, f"{room:,} tokens")


def credentials(endpoint: Endpoint) -> Diagnosis:
    """Where the credentials are from, and for how long."""
    if not endpoint.source:
        return Diagnosis("credentials", OK, "none are needed" if not endpoint.secret else "found")
    if endpoint.expires is None:
        return Diagnosis("credentials", OK, f"from {endpoint.source}")
    left_s = endpoint.expires - time.time()
    if left_s <= 0:
        said = f"those of {endpoint.source} have expired {-left_s / 60:.0f} minutes ago"
        return Diagnosis("credentials", WARN, said, "Get new ones.")
    said = f"from {endpoint.source}, for {left_s / 60:.0f} minutes more"
    if left_s < SOON_S and endpoint.renew is None:
        return Diagnosis("credentials", WARN, said, "Get new ones before a long run.")
    return Diagnosis("credentials", OK, said)


def clock(date: str, here: float, *, strict: bool) -> Diagnosis:
    """How far this machine's clock is from the endpoint's; `strict` where requests are signed with the time."""
    try:
        ahead_s = parsedate_to_datetime(date).timestamp() - here
    except ValueError:
        return Diagnosis("clock", SKIP, f"the endpoint's date cannot be read: {date[:40]}")
    if abs(ahead_s) <= SKEW_WARN_S:
        return Diagnosis("clock", OK, "within a minute of the endpoint's")
    which = "behind" if ahead_s > 0 else "ahead of"
    said = f"this machine's clock is {abs(ahead_s) / 60:.1f} minutes {which} the endpoint's"
    if not strict or abs(ahead_s) <= SKEW_FAIL_S:
        return Diagnosis("clock", WARN, said, "Set it, e.g. sudo chronyc makestep, or timedatectl set-ntp true.")
    hint = "AWS refuses signatures that are more than 5 minutes off. Set it: timedatectl set-ntp true"
    return Diagnosis("clock", FAIL, said, hint, stops=True)
