"""Reads a template's examples: [{question: q, answr: a}] -> a problem; a record of a CSV -> values of their types."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sdspec.conform import conform, from_cell
from sdspec.errors import did_you_mean
from sdspec.plan.draft import Draft
from sdspec.spec.spec import InputFile, Key

INLINE: Key = ("template", "examples")
FILE: Key = ("template", "examples_file")
MISSING = "missing_column"
"""conform's code of a column that is not there; a misspelt one has been reported as unknown."""
SAYS_ENOUGH = (MISSING, "empty_value")
"""Codes of conform whose `detail` says what is wanted, too."""
MOST_WRONG = 20
"""Wrong examples of a file that are shown; a file of thousands that are alike would hide the rest."""

Fault = tuple[Key, str, str]
"""Key, what is wrong, hint."""


@dataclass(frozen=True, slots=True)
class _Example:
    key: Key
    name: str
    """How a message calls it: `example 3`, or its place in a file."""
    value: Any


def read_examples(draft: Draft) -> None:
    """`examples` is there: each has just the output's columns, with values of their types, or is a text to be shown."""
    template = draft.spec.config.template
    read = draft.spec.inputs.get(FILE)
    found = list(_inline(template.examples) if read is None else _in_file(draft, read))
    kept, wrong = [], 0
    for example in found:
        faults = list(_faults(draft, example))
        if not faults:
            kept.append(example.value)
            continue
        wrong += 1
        for fault in faults if read is None or wrong <= MOST_WRONG else ():
            draft.problem(*fault)
    if read is not None and wrong > MOST_WRONG:
        draft.problem(FILE, f"{read.path.name}: {wrong - MOST_WRONG} more examples are wrong.")
    draft.examples = tuple(kept)
    _note_too_few(draft, len(found))


def _note_too_few(draft: Draft, count: int) -> None:
    """That more examples are asked for than there are is said to the one who asks, not to those who use an option."""
    wanted, origins = draft.spec.config.template.examples_per_row, draft.spec.origins
    origin = origins.of(("template", "examples_per_row"))
    if wanted is not None and wanted > count > 0 and (origin.override is not None or origin.file == origins.spec):
        there = f"there are {count} examples" if count > 1 else "there is 1 example"
        draft.notes.append(f"template.examples_per_row ({origin}): {wanted}, but {there}; every row sees all of them.")


def _inline(examples: tuple[Any, ...]) -> Iterator[_Example]:
    for position, value in enumerate(examples):
        yield _Example((*INLINE, position), f"example {position + 1}", value)


def _in_file(draft: Draft, read: InputFile) -> Iterator[_Example]:
    """The examples of a file; none of a CSV whose header is wrong, which is said once instead of for every line."""
    table = read.header is not None and draft.schema is not None
    if table and not _header_fits(draft, read):
        return
    for place, value in zip(read.places, read.data, strict=True):
        yield _Example(FILE, place, _typed(value, draft.schema) if table and draft.schema else value)


def _header_fits(draft: Draft, read: InputFile) -> bool:
    assert draft.schema is not None
    properties = draft.schema["properties"]
    names = list(read.data[0])
    unknown = [name for name in names if name not in properties]
    missing = [name for name in draft.schema.get("required", ()) if name not in names]
    for name in unknown:
        draft.problem(FILE, f"{read.header}: the output has no column {name!r}.", did_you_mean(name, properties))
    for name in missing if not _misspelt(unknown, properties) else ():
        draft.problem(FILE, f"{read.header}: column {name!r} is missing.")
    return not unknown and not missing


def _typed(record: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, Any]:
    """A record of a CSV with its cells as values, without the empty ones that need not, or cannot, be one."""
    properties, required = schema["properties"], schema.get("required", ())
    cells = {name: from_cell(text, properties[name]) for name, text in record.items()}
    return {
        name: value
        for name, value in cells.items()
        if value not in ("", None) or (name in required and (value == "" or "null" in properties[name].get("type", ())))
    }


def _faults(draft: Draft, example: _Example) -> Iterator[Fault]:
    value = example.value
    if isinstance(value, str):
        if draft.spec.config.template.style != "seed001":
            hint = "Write its columns, or set template.style to seed001, which shows texts as they are."
            yield example.key, f"{example.name}: a text, and not the output's columns.", hint
    elif draft.schema is not None:
        yield from _misfits(value, draft.schema, example)


def _misfits(value: Mapping[str, Any], schema: Mapping[str, Any], example: _Example) -> Iterator[Fault]:
    properties = schema["properties"]
    unknown = [name for name in value if name not in properties]
    for name in unknown:
        key = (*example.key, name) if example.key != FILE else FILE
        yield key, f"{example.name}: the output has no column {name!r}.", did_you_mean(name, properties)
    found = conform(value, schema)  # what an answer must be, an example must be too
    for fault in found if isinstance(found, tuple) else ():
        if fault.code != MISSING or not _misspelt(unknown, properties):
            yield example.key, f"{example.name}: {fault.detail}.", "" if fault.code in SAYS_ENOUGH else fault.ask


def _misspelt(unknown: Sequence[str], known: Iterable[str]) -> bool:
    """True when an unknown column may well be the one that is missing: it has been reported, with that guess."""
    names = list(known)
    return any(difflib.get_close_matches(name, names) for name in unknown)
