"""SQL text to syntax trees, one per statement, in any dialect; every failure has its line, column and text."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from functools import lru_cache

from sqlglot import Dialect, Token, TokenType
from sqlglot import expressions as exp
from sqlglot.errors import ParseError, SqlglotError, TokenError

from sdspec.errors import did_you_mean

# A statement that sqlglot cannot read becomes a `Command`, which callers refuse; its warning would go to the terminal.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

NEAR = 40
"""Characters of the text that a message shows."""


class SqlSyntaxError(ValueError):
    """A text that is not SQL of its dialect."""

    def __init__(self, line: int, column: int, message: str) -> None:
        super().__init__(f"line {line}, column {column}: {message}")
        self.line = line
        """Counted from 1."""
        self.column = column
        """Counted from 1."""


@dataclass(frozen=True)
class Parsed:
    """One statement of a text."""

    tree: exp.Expr
    text: str
    """As written, without the semicolon."""
    start: int
    """Where in the text it starts."""
    line: int
    column: int


@lru_cache(maxsize=32)
def _dialect(name: str) -> Dialect:
    return Dialect.get_or_raise(name)


def dialect_problem(name: str) -> str | None:
    """Why there is no such dialect, with a did-you-mean; None when there is one."""
    if name and Dialect.get(name) is not None:
        return None
    known = sorted(key for key in Dialect.classes if key)  # imports all of them, which takes 0.2 s
    return f"no SQL dialect {name!r}. {did_you_mean(name, known)}"


def parse_statements(text: str, dialect: str) -> list[Parsed]:
    """The statements of a text; raises SqlSyntaxError for the first that cannot be read."""
    reader = _dialect(dialect)
    try:
        tokens = reader.tokenize(text)
    except TokenError as error:
        raise _bad_token(text, str(error.__cause__ or error)) from error
    return [_parse(reader, text, group) for group in _groups(tokens)]


def _groups(tokens: list[Token]) -> list[list[Token]]:
    groups: list[list[Token]] = [[]]
    for token in tokens:
        if token.token_type is TokenType.SEMICOLON:
            groups.append([])
        else:
            groups[-1].append(token)
    return [group for group in groups if group]


def _parse(reader: Dialect, text: str, tokens: list[Token]) -> Parsed:
    first, last = tokens[0], tokens[-1]
    column = first.start - text.rfind("\n", 0, first.start)
    try:
        trees = [tree for tree in reader.parser().parse(tokens, text) if tree is not None]
    except ParseError as error:
        raise _bad_parse(text, error, first.line, column) from error
    except SqlglotError as error:
        raise SqlSyntaxError(first.line, column, one_line(str(error))) from error
    except RecursionError as error:
        raise SqlSyntaxError(first.line, column, "nested too deeply to be read") from error
    if not trees:
        raise SqlSyntaxError(first.line, column, "no statement")
    return Parsed(trees[0], text[first.start : last.end + 1], first.start, first.line, column)


def _bad_parse(text: str, error: ParseError, line: int, column: int) -> SqlSyntaxError:
    found = error.errors[0] if error.errors else {}
    word = str(found.get("highlight") or "")
    line = int(found.get("line") or line)
    at = max(1, int(found["col"]) - len(word) + 1) if found.get("col") else column
    said = str(found.get("description") or "")
    wanted = said.removeprefix("Expecting ") if said.startswith("Expecting ") else ""
    what = f"expected {wanted!r}, found {word!r}" if wanted else f"unexpected {word!r}"
    before, after = (str(found.get(side) or "") for side in ("start_context", "end_context"))
    shown = one_line(before[-NEAR:] + word + after[:NEAR])
    return SqlSyntaxError(line, at, f"{what} near {shown!r}" if word else f"cannot be read: {one_line(text)[:NEAR]!r}")


def _bad_token(text: str, said: str) -> SqlSyntaxError:
    found = re.search(r"Missing (\S+) from (\d+):", said)  # the column in this message counts from elsewhere
    opener, line = (found[1], int(found[2])) if found else ("/*", text.count("\n", 0, text.rfind("/*")) + 1)
    lines = text.split("\n")
    shown = lines[min(line, len(lines)) - 1]
    column = max(0, shown.rfind(opener))
    return SqlSyntaxError(line, column + 1, f"{opener} is opened and never closed near {shown[column:][:NEAR]!r}")


def word_set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def one_line(text: str) -> str:
    """The text with every run of white space as one space."""
    return " ".join(text.split())
