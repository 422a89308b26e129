"""A model that an endpoint offers, as its own list says."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offer:
    """One entry of the list."""

    id: str
    """What `model.id` takes."""
    name: str = ""
    """What people call it, where the list says more than the id."""
    called: str = ""
    """How it is called, where that differs: `on demand`, `profile`, `profile only`, `provisioned`."""
    note: str = ""
    """What else is to be known: `legacy`, where its weights are."""
    instead: tuple[str, ...] = ()
    """Ids that call it, where its own does not."""


def nearest(model_id: str, offers: Sequence[Offer]) -> str:
    """The hint where a list lacks a model: what was meant, perhaps, and where the list is."""
    near = difflib.get_close_matches(model_id, [offer.id for offer in offers], n=1, cutoff=0.6)
    return f"{f'Did you mean {near[0]}? ' if near else ''}`sdspec models` lists them."
