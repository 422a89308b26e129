"""Requests whose form litellm writes once, and into which each ask's messages are put.

Most of a request is the same for all asks of a step: address, headers, settings, schema. Where a provider's transforms
leave messages as they are, only those are new. That is not believed but looked at, for each form: two probes with the
roles of the ask go through the transforms, and what is spliced must be equal to that, byte for byte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from sdspec import wire
from sdspec.calls import Ask, HttpRequest, Message, ModelCall

_FIRST = ("The first probe, {}.",)
_SECOND = (
    "  {}\n",
    "{} \u2028 é 🂡",
    '{{"a": "{}"}}',
    "<b>{}</b>",
    "https://x.example/{}.png",
    "data:image/png;base64,{}",
)
"""Texts that a transform might take for more than texts, or put straight."""


class _Way(NamedTuple):
    """What a form depends on, beside the model and its settings."""

    provider: str
    base_url: str
    secret: str
    schema: bytes
    extra: bytes


@dataclass(frozen=True, slots=True)
class _Form:
    """A request without its messages."""

    url: str
    headers: Mapping[str, str]
    before: bytes
    """The body up to them."""
    after: bytes

    def filled(self, messages: tuple[Message, ...]) -> HttpRequest:
        """The request with these messages."""
        return HttpRequest(self.url, self.headers, b"".join((self.before, orjson.dumps(messages), self.after)))


def request(
    provider: str,
    ask: Ask,
    base_url: str,
    secret: str = "",
    *,
    structured: bool = True,
    extra: Mapping[str, Any] | None = None,
) -> HttpRequest:
    """As `wire.request`, in less time where many asks have the same settings, `extra` among them."""
    schema = orjson.dumps(ask.schema) if structured and ask.schema is not None else b""
    way = _Way(provider, base_url, secret, schema, orjson.dumps(extra) if extra else b"")
    form = _form(way, ask.model, tuple([message["role"] for message in ask.messages]))
    if form is None or not all(message["content"] for message in ask.messages):  # Mistral's leave empty ones out
        return wire.request(provider, ask, base_url, secret, structured=structured, extra=extra)
    return form.filled(ask.messages)


@lru_cache(maxsize=256)
def _form(way: _Way, model: ModelCall, roles: tuple[str, ...]) -> _Form | None:
    """The form of such requests; None where the transforms do something to the messages, or look at them."""

    def asked(messages: tuple[Message, ...]) -> HttpRequest:
        probe = Ask(model, messages, "0" * 16, orjson.loads(way.schema) if way.schema else None)
        extra = orjson.loads(way.extra) if way.extra else None
        return wire.request(way.provider, probe, way.base_url, way.secret, extra=extra)

    first, second = _probe(roles, _FIRST), _probe(roles, _SECOND)
    whole = asked(first)
    before, found, after = whole.body.partition(orjson.dumps(first))
    form = _Form(whole.url, whole.headers, before, after)
    return form if found and form.filled(second) == asked(second) else None


def _probe(roles: tuple[str, ...], texts: tuple[str, ...]) -> tuple[Message, ...]:
    return tuple(Message(role=role, content=texts[at % len(texts)].format(at)) for at, role in enumerate(roles))
