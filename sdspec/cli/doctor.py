"""`sdspec doctor`: what would stop a run, found in seconds, and what to do about it."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict

from rich.text import Text

from sdspec import api
from sdspec.cli.as_json import print_json
from sdspec.cli.problems import tell
from sdspec.cli.screen import NARROW, Screen
from sdspec.cli.words import split_words
from sdspec.diagnosis import FAIL, OK, SKIP, WARN, Diagnosis
from sdspec.engine.checkup import Section, Watch

COLOURS = {OK: "green", WARN: "yellow", FAIL: "bold red", SKIP: "dim"}
LABEL = 20
"""Columns of a check's state and name."""
NARROW_INDENT = 4


def main(args: argparse.Namespace) -> int:
    """A line for each check, as it is done; 1 where one failed."""
    target, overrides = split_words(args.words)
    plan = api.compile(api.load(target, overrides))
    if args.json:
        sections = api.doctor(plan, calls=not args.no_call, timeout_s=args.timeout)
        _print_json(sections)
    else:
        for note in plan.notes:
            tell(f"note: {note}")
        with _watching() as watch:
            sections = api.doctor(plan, watch, calls=not args.no_call, timeout_s=args.timeout)
        Screen().say(f"\n{_summary(_states(sections))}")
    return 1 if _states(sections)[FAIL] else 0


def _states(sections: tuple[Section, ...]) -> Counter[str]:
    return Counter(found.state for section in sections for found in section.findings)


def _print_json(sections: tuple[Section, ...]) -> None:
    states = _states(sections)
    body = [{"name": one.name, "about": one.about, "checks": list(map(asdict, one.findings))} for one in sections]
    print_json({"ok": not states[FAIL], "failed": states[FAIL], "warned": states[WARN], "sections": body})


def _summary(states: Counter[str]) -> str:
    if states[FAIL]:
        checks = "1 check" if states[FAIL] == 1 else f"{states[FAIL]} checks"
        return f"{checks} failed: a run would stop."
    return "All is well." if not states[WARN] else f"Nothing stops a run; {states[WARN]} to look at."


@contextmanager
def _watching() -> Iterator[Watch]:
    """Prints what is found; what is being looked at stands beside a spinner, on a terminal."""
    screen = Screen()
    if not screen.is_terminal:
        yield _Printed(screen)
        return
    with screen.status("looking") as status:  # by the same screen: another would print over the spinner
        yield _Printed(screen, lambda text: status.update(Text(text)))


class _Printed(Watch):
    """Each finding on its line."""

    def __init__(self, screen: Screen, shows: Callable[[str], None] | None = None) -> None:
        self._screen = screen
        self._shows = shows
        self._sections = 0

    def section(self, name: str, about: str) -> None:
        if self._sections:
            self._screen.print()
        self._sections += 1
        self._screen.print(Text.assemble((name, "bold"), f": {about}"))

    def begins(self, text: str) -> None:
        if self._shows:
            self._shows(text)

    def found(self, diagnosis: Diagnosis) -> None:
        label = Text.assemble("  ", (f"{diagnosis.state:<5}", COLOURS[diagnosis.state]), diagnosis.what)
        said = Text(diagnosis.said, style="dim" if diagnosis.state == SKIP else "")
        hint = Text(f"-> {diagnosis.hint}" if diagnosis.hint else "")
        room = self._screen.room
        if room is None:
            self._screen.show([Text.assemble(label, ": ", said, "  " if hint else "", hint)])
        elif room < NARROW:
            self._screen.show([label])
            self._screen.block(said, NARROW_INDENT)
        else:
            label.pad_right(LABEL - label.cell_len)
            self._screen.block(said, LABEL, label)
        if hint and room is not None:
            self._screen.block(hint, NARROW_INDENT if room < NARROW else LABEL)
