"""Where the command line writes: a console that a closed pipe ends quietly, and tables that give way to its width."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

GAP = "  "
NARROW = 60
"""Below so many columns, what stands side by side stands one below the other."""


class Screen(Console):
    """A rich console; colours only where wanted (a terminal, NO_COLOR, FORCE_COLOR)."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False)
        self.soft_wrap = soft_wrap or not (stderr or sys.stdout.isatty())
        self._begun = False

    def on_broken_pipe(self) -> NoReturn:
        """Left to `main`, which knows the exit code; rich would end the process with 1."""
        raise BrokenPipeError

    @property
    def room(self) -> int | None:
        """Columns that a table may take; None for a file or a pipe, which has no edge unless COLUMNS gives it one."""
        return self.width if sys.stdout.isatty() or "COLUMNS" in os.environ else None

    def print(self, *objects: Any, **options: Any) -> None:
        """As rich prints."""
        self._begun = True
        super().print(*objects, **options)

    def gap(self) -> None:
        """An empty line between two parts; a file or a pipe does not begin with one."""
        if self._begun or self.is_terminal:
            self.print()

    def show(self, lines: Iterable[Text | str]) -> None:
        """The lines, each on one line whatever its length."""
        for line in lines:
            self.print(line, soft_wrap=True)

    def say(self, text: str) -> None:
        """The text, on a terminal wrapped at words."""
        self.print(text)

    def block(self, body: Text | str, indent: int, label: Text | None = None) -> None:
        """The body, wrapped at words and indented; a label takes the indent's place on its first line."""
        text = Text(body) if isinstance(body, str) else body
        for line in text.wrap(self, max(1, self.width - indent)):
            line.rstrip()
            first = label or Text()
            self.print(Text.assemble(first, " " * (indent - first.cell_len if line else 0), line), soft_wrap=True)
            label = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    right: bool = False
    least: int | None = None
    """It may be cut to so many cells, the cut marked by an ellipsis; None: never."""
    spare: int = 0
    """Where cutting does not do, the column with the highest number goes first; 0 stays."""
    at_last: int | None = None
    """It may be cut to so many cells once no further column can go."""
    style: str = ""


Cell = str | Text


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], width: int | None) -> list[Text]:
    """A line of titles and one for each row; none is longer than the width, and no cell takes a second line."""
    cells = [[_text(cell) for cell in row] for row in rows]
    natural = [max([cell_len(column.title), *(row[at].cell_len for row in cells)]) for at, column in enumerate(columns)]
    widths = _fitted(columns, natural, width)
    lines = [[Text(column.title, style="bold") for column in columns], *cells]
    return [_line(columns, line, widths) for line in lines]


def _text(cell: Cell) -> Text:
    return cell.copy() if isinstance(cell, Text) else Text(" ".join(cell.split("\n")))


def _fitted(columns: Sequence[Column], natural: Sequence[int], width: int | None) -> dict[int, int]:
    """Position -> width of the columns that are shown."""
    widths = dict(enumerate(natural))
    while width is not None and (over := _total(widths.values()) - width) > 0:
        spare = max(widths, key=lambda at: columns[at].spare)
        none_left = not columns[spare].spare
        floors = {at: _floor(columns[at], natural[at], none_left) for at in widths}
        slack = sum(widths[at] - floors[at] for at in widths)
        if slack < over and not none_left:
            del widths[spare]
            continue
        for _ in range(min(over, slack)):
            widest = max((at for at in widths if widths[at] > floors[at]), key=lambda at: widths[at])
            widths[widest] -= 1
        break
    return widths


def _floor(column: Column, natural: int, none_left: bool) -> int:
    least = column.at_last if none_left and column.at_last is not None else column.least
    return min(natural, least or natural)


def _total(widths: Iterable[int]) -> int:
    all_of_them = list(widths)
    return sum(all_of_them) + len(GAP) * (len(all_of_them) - 1)


def _line(columns: Sequence[Column], cells: Sequence[Text], widths: dict[int, int]) -> Text:
    line = Text()
    for at, width in widths.items():
        cell = cells[at]
        cell.truncate(width, overflow="ellipsis")
        if columns[at].style and not cell.style:
            cell.stylize(columns[at].style)
        padding = " " * (width - cell.cell_len)
        line.append_text(Text.assemble(padding, cell, GAP) if columns[at].right else Text.assemble(cell, padding, GAP))
    line.rstrip()
    return line
