"""The entries of a file, each with its place in it: lines, a JSON list, JSON lines, the records of a CSV."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

Entry = tuple[str, Any]
"""A place behind the file's name (`:17`, or `[3]` in a JSON list), and what stands there."""

DELIMITERS = ",;\t"
"""What parts the cells of a CSV: RFC 4180's comma; what spreadsheets write where the comma is the decimal point."""

LONGEST_SHOWN = 40
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Where a file cannot be used, why, and what to do."""

    at: str
    why: str
    hint: str = ""


class UnusableError(Exception):
    """A file that cannot be used, for one or more faults."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(fault.why for fault in faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Table:
    """A CSV: each record a mapping of the header's names to texts."""

    header_at: str
    names: tuple[str, ...]
    entries: list[Entry]


def plain_text(content: bytes) -> str:
    """The text of a file in UTF-8, or in UTF-16 with a byte-order mark; every line ends with a line feed."""
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise UnusableError(Fault(f":{line}", "is not UTF-8 text.", _how_to_save(content))) from None
    if "\0" in text:  # no text has one: it is UTF-16 without a mark, or no text at all
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UnusableError(Fault(f":{line}", "is not UTF-8 text.", _how_to_save(content)))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _how_to_save(content: bytes) -> str:
    return "A workbook? Save the sheet as CSV (UTF-8)." if content.startswith(b"PK") else "Save it as UTF-8."


def text_lines(text: str) -> list[Entry]:
    """The lines that are not blank, without the blanks around them."""
    return [(f":{number}", line.strip()) for number, line in enumerate(text.split("\n"), 1) if line.strip()]


def json_list(text: str) -> list[Entry]:
    """The items of a JSON list."""
    try:
        data = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise UnusableError(Fault(f":{error.lineno}:{error.colno}", f"not JSON: {error.msg}.")) from None
    if not isinstance(data, list):
        raise UnusableError(Fault(":1:1", f"a JSON list is needed, got {brief(data)}."))
    return [(f"[{index}]", entry) for index, entry in enumerate(data)]


def json_lines(text: str) -> list[Entry]:
    """The values of the lines that are not blank."""
    found, faults = [], []
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                found.append((f":{number}", orjson.loads(line)))
            except orjson.JSONDecodeError as error:
                hint = "One JSON value per line, or a JSON list."
                faults.append(Fault(f":{number}:{error.colno}", f"not JSON: {error.msg}.", hint))
    if faults:
        raise UnusableError(*faults)
    return found


def csv_table(text: str) -> Table:
    """The records under a header (RFC 4180); the header says by which of DELIMITERS cells are parted."""
    records = _records(text)
    header_at, header = next(records, (":1", [""]))
    names = tuple(name.strip() for name in header)
    faults = list(_header_faults(header_at, names))
    entries = []
    for at, cells in records:
        if len(cells) == len(names):
            entries.append((at, dict(zip(names, cells, strict=True))))
        else:
            counted = f"{len(cells)} cell{'s' * (len(cells) != 1)}, and the header names {len(names)}."
            faults.append(Fault(at, counted, "Cells that hold the separator or a line break stand in double quotes."))
    if not faults and not entries:
        faults.append(Fault("", "holds a header only."))
    if faults:
        raise UnusableError(*faults)
    return Table(header_at, names, entries)


def _header_faults(at: str, names: tuple[str, ...]) -> Iterator[Fault]:
    for position, name in enumerate(names):
        if not name:
            hint = "The first line names the columns. Row numbers saved with the table? Save it without them."
            yield Fault(at, f"column {position + 1} has no name.", hint)
        elif name in names[:position]:
            yield Fault(at, f"column {name!r} comes twice.", "Remove one.")


def _records(text: str) -> Iterator[tuple[str, list[str]]]:
    """The records that are not blank, each with the line where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            hint = 'A double quote within a quoted cell is written twice: "so ""quoted"" it is".'
            raise UnusableError(Fault(f":{line}", f"not CSV: {error}.", hint)) from None
        if any(cell.strip() for cell in cells):
            yield f":{line}", cells


def _delimiter(text: str) -> str:
    """The one that makes most columns of the header; the first of equals."""
    head = text.lstrip("\n").partition("\n")[0]

    def columns(delimiter: str) -> int:
        return len(next(csv.reader([head], delimiter=delimiter), []))

    return max(DELIMITERS, key=columns)


def refuse(entries: list[Entry], wrong: Callable[[Any], bool], needed: str) -> None:
    """Raises UnusableError with every entry that is wrong; `needed`: what an entry must be."""
    faults = [Fault(at, f"{needed}, got {brief(entry)}.") for at, entry in entries if wrong(entry)]
    if faults:
        raise UnusableError(*faults)


def brief(value: Any) -> str:
    """A value as JSON, its beginning where it is long."""
    text = orjson.dumps(value).decode()
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."
