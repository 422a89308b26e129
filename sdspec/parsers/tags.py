"""Each column stands between its own pair of tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from sdspec.conform import Fault, conform, from_text, type_words, unusable
from sdspec.contracts import Parsed, Parser, Several, Unparseable
from sdspec.errors import did_you_mean
from sdspec.rows import valid_text


class Tags(Parser):
    """Takes each column from between its tags, `<question>...</question>`; text around them is ignored."""

    start: str = Field("<{column}>", description="The tag before a value; {column} stands for the column's name.")
    end: str = Field("</{column}>", description='The tag behind a value; "" is the next start tag or the end.')
    tags: Mapping[str, tuple[str, str]] = Field(
        default_factory=dict, description="Other tags for single columns: {column: [start, end]}."
    )

    def problems(self, schema: Mapping[str, Any]) -> list[str]:
        """Tags of no column, empty start tags, two columns with the same start tag."""
        columns = schema["properties"]
        found = [
            f"tags: {name!r} is no output column. {did_you_mean(name, columns)}" for name in self.tags.keys() - columns
        ]
        starts = [self._pair(name)[0] for name in columns]
        if "" in starts:
            found.append("start: a value needs a tag before it.")
        if len(set(starts)) < len(starts):
            found.append("start: two columns have the same tag; write {column} in it.")
        return found

    def parse(self, text: str, schema: Mapping[str, Any]) -> Parsed | Unparseable:
        """What stands between the tags; values of other types than str are read as JSON."""
        text = valid_text(text)
        pieces: dict[str, Any] = {}
        faults = [] if text.strip() else [Fault("empty", "It is empty.", "the answer is empty")]
        for name, column in schema["properties"].items():
            found = self._between(text, name, schema["properties"])
            if isinstance(found, Fault):
                faults.append(found)
            elif found is not None:
                pieces[name] = from_text(found, column)
        values = faults or conform(pieces, schema)
        if isinstance(values, dict):
            return Parsed(values)
        return unusable(values, self.how_to_answer(schema))

    def how_to_answer(self, schema: Mapping[str, Any]) -> str:
        """Shows the tags, with the types between them."""
        layout = "\n".join(
            f"{self._pair(name)[0]}{type_words(column)}{self._pair(name)[1]}"
            for name, column in schema["properties"].items()
        )
        return f"Answer in this form and write nothing else:\n{layout}"

    def layout(self, texts: Mapping[str, str]) -> str:
        """Each text between its tags."""
        return "\n".join(f"{self._pair(name)[0]}{text}{self._pair(name)[1]}" for name, text in texts.items())

    def several(self, schema: Mapping[str, Any], count: int) -> Several:
        """One row below the other: a row begins where the first column's tag does."""
        return TagRows(self, schema, count)

    def rows(self, text: str, schema: Mapping[str, Any]) -> list[str]:
        """The text cut before each start tag of the first column; empty where there is none."""
        start = self._pair(next(iter(schema["properties"])))[0]
        _, *pieces = valid_text(text).split(start)
        return [start + piece for piece in pieces]

    def _pair(self, name: str) -> tuple[str, str]:
        start, end = self.tags.get(name, (self.start, self.end))
        return start.replace("{column}", name), end.replace("{column}", name)

    def _between(self, text: str, name: str, columns: Mapping[str, Any]) -> str | Fault | None:
        """What stands between a column's tags; None where it has none."""
        start, end = self._pair(name)
        ends = [end] if end else [self._pair(other)[0] for other in columns]
        found: list[str] = []
        at = text.find(start)
        while at >= 0:
            rest = text[at + len(start) :]
            cuts = [cut for tag in ends if (cut := rest.find(tag)) >= 0]
            if end and not cuts:
                return Fault("cut_off", f"It has no {end} behind {name!r}.", f"{name} has no {end}")
            value = rest[: min(cuts, default=len(rest))]
            found.append(value.strip())
            at = text.find(start, at + len(start) + len(value))
        if len(set(found)) > 1:
            return Fault(
                "several_values", f"It has {name!r} more than once.", f"{name} stands there {len(found)} times"
            )
        return found[0] if found else None


@dataclass(frozen=True)
class TagRows(Several):
    """Rows one below the other."""

    parser: Tags
    schema: Mapping[str, Any]
    """Of one row."""
    count: int

    def parse(self, text: str) -> list[Parsed | Unparseable] | Unparseable:
        """Each row as the parser reads it alone; of an answer that was cut off the last one is cut off."""
        rows = [self.parser.parse(row, self.schema) for row in self.parser.rows(text, self.schema)]
        return rows or unusable((Fault("no_rows", "It holds no row.", "no row found"),), self.how_to_answer())

    def how_to_answer(self) -> str:
        """Shows the tags of a row, and says how many rows."""
        one = self.parser.how_to_answer(self.schema)
        return f"{one}\nDo so {self.count} times, with different contents, one below the other."

    def native_schema(self) -> None:
        """None: the answer is not JSON."""
