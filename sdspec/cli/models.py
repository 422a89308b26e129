"""`sdspec models`: the models that a provider offers, with what is known of each."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sdspec import api
from sdspec.cli.as_json import print_json
from sdspec.cli.screen import NARROW, Cell, Column, Screen, table
from sdspec.cli.words import split_words
from sdspec.errors import Problem, SpecError

if TYPE_CHECKING:
    from sdspec.engine.catalogue import Entry

UNKNOWN = "-"
LONGEST = 50
"""Characters of an id that takes part in a table; ARNs stand below it, whole, to be copied."""
COLUMNS = (
    Column("model.id"),
    Column("called", spare=1),
    Column("context", right=True, spare=2),
    Column("$/M in", right=True, spare=4),
    Column("out", right=True, spare=3),
    Column("schema", spare=6),
    Column("tools", spare=7),
    Column("note", least=6, spare=5),
)


def main(args: argparse.Namespace) -> int:
    """One line a model on stdout, and how to use one."""
    target, overrides = split_words(args.words)
    shown = _listed(args, target, overrides)
    if args.json:
        print_json([_plain(entry) for entry in shown])
        return 0
    screen = Screen()
    if not shown:
        screen.say(f"no model has {args.match!r} in its id or name" if args.match else "no models")
        return 0
    if screen.room is not None and screen.room < NARROW:
        _print_stacked(screen, shown)
    else:
        short = [entry for entry in shown if len(entry.offer.id) <= LONGEST or screen.room is None]
        screen.show(table(*_columns(short), screen.room))
        for entry in (entry for entry in shown if entry not in short):
            screen.show([Text(entry.offer.id)])
    if args.provider == "provider":  # a further provider's models have names of the spec's own
        _print_use(screen, shown, [*filter(None, [target]), *overrides])
    return 0


def _listed(args: argparse.Namespace, target: str | None, overrides: Sequence[str]) -> list[Entry]:
    try:
        return api.models(target, overrides, match=args.match or "", provider=args.provider, timeout_s=args.timeout)
    except SpecError as wrong:
        if target is None or not all(target in problem.where + problem.what for problem in wrong.problems):
            raise
        hint = f"A word to look for is given by --match {target}."
        raise SpecError(
            [Problem(one.where, one.what, f"{one.hint} {hint}".strip()) for one in wrong.problems]
        ) from None


def _columns(shown: Sequence[Entry]) -> tuple[list[Column], list[list[Cell]]]:
    """The columns in which anything stands."""
    rows = [_cells(entry) for entry in shown]
    if not rows:
        return [], []
    full = [at for at in range(len(COLUMNS)) if at == 0 or any(str(row[at]) not in ("", UNKNOWN) for row in rows)]
    return [COLUMNS[at] for at in full], [[row[at] for at in full] for row in rows]


def _cells(entry: Entry) -> list[Cell]:
    usable = "dim" if entry.offer.instead or entry.offer.called == "provisioned" else ""
    tools = UNKNOWN if entry.tools is None else "yes" if entry.tools else "no"
    return [
        Text(entry.offer.id, style=usable),
        entry.offer.called,
        UNKNOWN if entry.context_tokens is None else f"{entry.context_tokens:,}",
        _usd(entry.input_usd),
        _usd(entry.output_usd),
        entry.schema,
        tools,
        entry.offer.note,
    ]


def _usd(price: float | None) -> str:
    return UNKNOWN if price is None else f"{price:.2f}" if price >= 0.1 or not price else f"{price:.3f}"


def _print_stacked(screen: Screen, shown: Sequence[Entry]) -> None:
    """Each id whole, to be copied, and what is known below it."""
    for entry in shown:
        screen.show([Text(entry.offer.id, style="bold")])
        price = f"${_usd(entry.input_usd)}/{_usd(entry.output_usd)}" if entry.input_usd is not None else ""
        window = f"{entry.context_tokens:,} tokens" if entry.context_tokens else ""
        about = [entry.offer.called, window, price, entry.offer.note]
        screen.block(", ".join(filter(None, about)) or f"schema: {entry.schema}", 2)


def _print_use(screen: Screen, shown: Sequence[Entry], words: Sequence[str]) -> None:
    usable = [
        one for one in shown if one.offer.called not in ("profile only", "provisioned") and "=" not in one.offer.id
    ]
    if usable:
        chosen = min(usable, key=lambda entry: bool(entry.offer.note))
        given = [shlex.quote(word) for word in words if not word.startswith("model.id=")]
        screen.print()
        screen.say(f"use one: {' '.join(['sdspec run', *given, f'model.id={chosen.offer.id}'])}")


def _plain(entry: Entry) -> dict[str, Any]:
    known = asdict(entry)
    offer = known.pop("offer")
    return {**offer, **known}
