"""Problems for people: on a terminal wrapped at words below each other, elsewhere one line each, for grep."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterable
from functools import partial

from sdspec.errors import Problem

INDENT = "  "
WRAP = partial(textwrap.fill, subsequent_indent=INDENT, break_long_words=False, break_on_hyphens=False)
"""Paths and commands stay whole, to be copied."""


def print_problems(problems: Iterable[Problem]) -> None:
    """Every problem is on stderr, one block each."""
    if not sys.stderr.isatty():
        tell("\n".join(map(str, problems)))
        return
    for problem in problems:
        _print_block(f"{problem.where}: {problem.what}", problem.hint)


def tell(text: str) -> None:
    """The text is on stderr, if anybody still reads it."""
    try:
        if sys.stderr.isatty():
            for line in text.splitlines():
                _print_block(line)
        else:
            print(text, file=sys.stderr, flush=True)
    except OSError:  # what is left of it goes nowhere; else Python's own last flush changes the exit code
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


def _print_block(text: str, hint: str = "") -> None:
    for words, first in ((text, ""), (hint, INDENT)):
        if words:
            print(WRAP(words, max(20, _width() - 1), initial_indent=first), file=sys.stderr)


def _width() -> int:
    named = os.environ.get("COLUMNS", "")
    return int(named) if named.isdecimal() else os.get_terminal_size(sys.stderr.fileno()).columns or 80
