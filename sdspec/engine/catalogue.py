"""The models that a provider offers, each with what the price map knows of it."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from sdspec.contracts import Provider
from sdspec.engine.endpoints import Endpoints
from sdspec.errors import AuthExpired, CallError, RunFatal
from sdspec.offer import Offer
from sdspec.prices import MTOK, price_of, trait_of, window_of


@dataclass(frozen=True, slots=True)
class Entry:
    """One model."""

    offer: Offer
    context_tokens: int | None
    """None where it is not known, here as in what follows."""
    output_tokens: int | None
    input_usd: float | None
    """Per million tokens."""
    output_usd: float | None
    schema: str
    """`native` where the provider holds answers to a schema, else `prompt`."""
    tools: bool | None


async def entries(provider: Provider, timeout_s: float, match: str = "") -> list[Entry]:
    """The models on offer with this word in their id or name, in the order of the list.

    Raises PrerequisiteError, and RunFatal where there is no list.
    """
    offers = provider.offered()
    if offers is None:
        offers = await _asked(provider, timeout_s)
    word = match.lower()
    return [_entry(provider, offer) for offer in offers if word in f"{offer.id} {offer.name}".lower()]


async def _asked(provider: Provider, timeout_s: float) -> tuple[Offer, ...]:
    secret = ""
    try:
        async with AsyncExitStack() as stack, asyncio.timeout(timeout_s + 1):
            endpoint = await stack.enter_async_context(provider.open("", 1, _unsaid))
            secret = endpoint.secret
            send = endpoint.transport or await Endpoints(stack, 1, _unsaid).session(endpoint)
            try:
                return await provider.offers(endpoint, send, timeout_s)
            except AuthExpired as refused:
                if endpoint.renew is None:
                    raise
                fresh = await asyncio.to_thread(endpoint.renew, refused.without(secret).message)
                secret = fresh.secret
                return await provider.offers(fresh, send, timeout_s)
    except CallError as error:
        raise RunFatal(f"the models are not listed: {error.without(secret).message} ({error.code})") from error
    except TimeoutError as late:
        raise RunFatal(f"the models are not listed: nothing within {timeout_s:g} s") from late
    except OSError as broken:
        raise RunFatal(f"the models are not listed: {broken}. `sdspec doctor` says more.") from broken


def _unsaid(text: str) -> None:
    """Nothing takes long."""


def _entry(provider: Provider, offer: Offer) -> Entry:
    name = provider.price_id(offer.id)
    price, window = price_of(name), window_of(name)
    room = window.input_tokens if window else None
    return Entry(
        offer,
        provider.context_tokens(offer.id) or room,
        window.output_tokens if window else None,
        None if price is None else MTOK * price.rates.input_usd,
        None if price is None else MTOK * price.rates.output_usd,
        "native" if provider.native_schema_for(offer.id) else "prompt",
        trait_of(name, "supports_function_calling") if name else None,
    )
