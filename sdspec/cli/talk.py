"""Prints what was said to a model and what it said, word for word; and what checks found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from sdspec.cli.screen import Screen
from sdspec.prices import dollars
from sdspec.store.jsontext import json_text

_STYLES = {"system": "magenta", "user": "cyan", "assistant": "green", "answer": "green"}


def console() -> Console:
    """Where texts go out as they are: nothing in them is markup, and lines break where the terminal breaks them."""
    return Screen(soft_wrap=True)


def print_heading(out: Console, title: str, about: str = "") -> None:
    """A line in bold, with more about it."""
    out.print(Text.assemble((title, "bold"), ("  " + about if about else "", "dim")))


def print_messages(out: Console, messages: Sequence[Mapping[str, object]]) -> None:
    """Each message below its role."""
    for message in messages:
        print_said(out, str(message["role"]), str(message["content"]))


def print_said(out: Console, who: str, text: str, about: str = "") -> None:
    """A text below who said it."""
    out.print(Text.assemble((f"[{who}]", _STYLES.get(who, "bold")), (f" {about}" if about else "", "dim")))
    if text:
        out.print(Text(text))


def print_values(out: Console, values: Mapping[str, Any]) -> None:
    """Columns with their values; a text of several lines begins on its own line."""
    for name, value in values.items():
        text = value if isinstance(value, str) else json_text(value)
        out.print(Text.assemble((f"{name}:", "bold"), "\n" if "\n" in text else " ", text))


def print_verdicts(out: Console, checks: Mapping[str, Mapping[str, Any]]) -> None:
    """One line for each check: `sql: ok`, or why not."""
    for step, verdict in checks.items():
        if verdict["ok"]:
            out.print(Text.assemble((f"{step}: ", "bold"), ("ok", "green")))
        else:
            out.print(Text.assemble((f"{step}: ", "bold"), (verdict["reason"], "yellow"), f": {verdict['detail']}"))


def price(usd: float | None) -> str:
    """`$0.0012`, `no cost`, `cost not known`"""
    if usd is None:
        return "cost not known"
    return dollars(usd) if usd else "no cost"
