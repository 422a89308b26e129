"""`sdspec explain`: a key's value, and every file, line and override on the way to it."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict

from rich.text import Text

from sdspec import api
from sdspec.cli.as_json import print_json
from sdspec.cli.flow import flow
from sdspec.cli.screen import NARROW, Cell, Column, Screen, table
from sdspec.cli.words import split_words
from sdspec.plan.explain import NOWHERE, Choice, Explanation, Step
from sdspec.plan.keys import Known

MARKS = {"won": ("*", "green"), "set": (" ", ""), "wrong": ("!", "red"), "dropped": ("-", "")}
FATES = {"wrong": ("cannot be used", "red"), "dropped": ("dropped", "yellow")}
IN_A_FILE = 120
"""Columns of a line in a file or a pipe; `--json` has every value whole."""
SHOWN = 60
"""Keys or items below the one explained that are shown, each on its line."""
SHORT = 48
"""A mapping whose values take more is shown in the chain by its keys alone."""


def main(args: argparse.Namespace) -> int:
    """The explanation on stdout."""
    target, overrides = split_words([*([args.spec] if args.spec else []), *args.words])
    found = api.explain(args.key, target, overrides)
    if args.json:
        print_json(asdict(found))
        return 0
    screen = Screen()
    _print_value(screen, found)
    if found.known is not None:
        _print_known(screen, found.known, mapping=bool(found.children))
    if found.choice is not None:
        _print_choice(screen, found.choice)
    if found.children:
        _print_children(screen, found)
    _print_chain(screen, found)
    for problem in found.problems:
        screen.print()
        screen.show([Text(str(problem), style="red")])
    return 0


def _room(screen: Screen) -> int:
    return screen.room or IN_A_FILE


def _narrow(screen: Screen) -> bool:
    return _room(screen) < NARROW


def _print_value(screen: Screen, found: Explanation) -> None:
    name, value = Text(found.key, style="bold"), found.value
    if isinstance(value, Mapping | list | tuple):
        thing = "key" if isinstance(value, Mapping) else "item"
        screen.print(Text.assemble(name, f": {len(value)} {thing}{'' if len(value) == 1 else 's'}"))
    elif isinstance(value, str) and "\n" in value:
        screen.print(Text.assemble(name, ":"))
        screen.show([*(f"  {line}".rstrip() for line in value.rstrip("\n").split("\n")), ""])
    elif not found.is_set and (found.known is None or found.known.required):
        screen.print(Text.assemble(name, " is not set"))
    else:
        screen.show([Text.assemble(name, ": ", flow(value))])
    if found.written is not None:
        screen.show([f"  written as {flow(found.written)}"])


def _print_known(screen: Screen, known: Known, *, mapping: bool) -> None:
    kind = " | ".join(known.allowed) or ", ".join(part for part in (known.type, known.bounds) if part)
    default = "; must be set" if known.required else f"; default {flow(known.default)}" if known.named else ""
    facts = "" if mapping or kind + default == "anything" else kind + default
    for line in (known.description, facts):
        if line:
            for part in Text(line, style="dim").wrap(screen, max(20, screen.width - 2)):
                part.rstrip()
                screen.show([Text.assemble("  ", part)])


def _print_choice(screen: Screen, choice: Choice) -> None:
    screen.print()
    screen.print(Text.assemble("option ", (choice.option, "bold"), f", chosen by {choice.where}"))
    chosen = choice.option.split(",")
    own = any(not one.packaged for one in choice.options)
    rows: list[tuple[Cell, ...]] = []
    for one in choice.options:
        mark = Text(*MARKS["won"]) if one.name in chosen else Text(" ")
        rows.append((mark, one.name, "packaged" if one.packaged else one.file, one.about))
    about = Column("about", least=8, spare=1)
    if own:
        columns = [Column(""), Column("options"), Column("from", least=8, spare=2), about]
    else:
        columns, rows = [Column(""), Column("options"), about], [(row[0], row[1], row[3]) for row in rows]
    screen.show(table(columns, rows, _room(screen)))


def _print_children(screen: Screen, found: Explanation) -> None:
    screen.print()
    shown = found.children[:SHOWN]
    rows = [(one.name, flow(one.value), Text(one.where, style="dim" * (one.where == NOWHERE))) for one in shown]
    if _narrow(screen):
        for name, value, where in rows:
            screen.show([_cut(screen, Text.assemble((name, "bold"), f": {value}")), Text.assemble("  ", where)])
    else:
        title = "item" if isinstance(found.value, list | tuple) else "key"
        columns = [Column(title), Column("value", least=16), Column("from", least=44)]
        screen.show(table(columns, rows, _room(screen)))
    if len(found.children) > len(shown):
        screen.print(f"and {len(found.children) - len(shown):,} more")


def _cut(screen: Screen, line: Text) -> Text:
    line.truncate(_room(screen), overflow="ellipsis")
    return line


def _print_chain(screen: Screen, found: Explanation) -> None:
    screen.print()
    if not found.chain:
        screen.print("nothing sets it")
        return
    screen.print(Text("set by, the lowest layer first", style="bold"))
    steps = [(Text(*MARKS[one.state]), one.where, _value(one, found.key)) for one in found.chain]
    widest = max(len(where) for _, where, _ in steps)
    if _narrow(screen) or widest + SHORT // 2 > _room(screen):
        lines = [
            [Text.assemble(mark, "  ", where), _cut(screen, Text.assemble("     ", value))]
            for mark, where, value in steps
        ]
    else:
        lines = [[line] for line in table([Column(""), Column(""), Column("", least=8)], steps, _room(screen))[1:]]
    for some, one in zip(lines, found.chain, strict=True):
        screen.show(some)
        if fate := _fate(one):
            screen.show(Text.assemble("   ", part) for part in fate.wrap(screen, max(20, screen.width - 3)))


def _fate(step: Step) -> Text:
    word, style = FATES.get(step.state, ("", ""))
    return Text(": ".join(part for part in (word, step.why) if part), style=style)


def _value(step: Step, key: str) -> str:
    shown = flow(step.value)
    if isinstance(step.value, Mapping) and len(shown) > SHORT:
        shown = f"its {', '.join(map(str, step.value))}"
    return shown if step.key == key else f"{step.key}: {shown}"
