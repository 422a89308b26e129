"""Asks a model for the output columns of a row: renders, asks, parses, asks again when the answer cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from sdspec.calls import Ask, Message, ModelCall
from sdspec.contracts import Block, Parsed, Parser, Several, StepContext, Unparseable
from sdspec.prompts import compile_text, example_text, examples_block
from sdspec.rows import Reject, Row, draw

RAW_IN_REASK = 4000
"""Characters of a refused answer that a re-ask repeats: enough to mend it, without filling the context with noise."""


class Generate(Block):
    """One answer of one model, parsed into columns; with `per_call` one answer for that many rows.

    The rows of one answer ask the same, so that it is bought once, and each takes its own part. A part that is wrong or
    missing is the reject of that row alone; the answer is asked for again only when no part of it can be used.
    """

    model: str
    """Name of the model in the plan."""
    call: ModelCall
    system: str | None = None
    prompt: str
    constants: Mapping[str, Any] = {}
    examples: tuple[Mapping[str, Any] | str, ...] = ()
    style: str = "json"
    """`json`, or `seed001`: examples as raw text, and the prompt to the letter, without how to answer."""
    parser: Parser
    output: Mapping[str, Any]
    """JSON Schema of the answer, an object."""
    columns: Mapping[str, str]
    """Output columns with their types."""
    needs: tuple[str, ...] = ()
    """Row columns that the prompt reads."""
    per_call: int = 1
    """Rows made from one answer."""
    reasks: int = 2
    native_schema: bool = True
    """The provider constrains decoding to the schema."""
    fake: Mapping[str, Any] | None = None
    """For provider `fake` alone: what it answers; None for every other provider."""

    def reads(self) -> frozenset[str]:
        return frozenset(self.needs)

    def writes(self) -> Mapping[str, str]:
        return self.columns

    def asks(self) -> str | None:
        return self.model

    def deciding(self) -> dict[str, Any]:
        """The settings that decide results; the model enters as what decides its answers."""
        plain = self.model_dump(mode="json", exclude={"model", "call", "parser"})
        parser = {"kind": type(self.parser).__name__, "version": self.parser.version, **self.parser.deciding()}
        return {**plain, "call": self.call.deciding(), "parser": parser}

    def first_ask(self, row: Row, step: str, spec_seed: int) -> Ask:
        """What a row asks first; it needs no answer, so a plan can count and price it."""
        return self._ask(row, self.messages(row), draw(self._drawn_by(row), step, "answer", spec_seed))

    def messages(self, row: Row) -> tuple[Message, ...]:
        """The messages as rendered for a row."""
        shown = row.notes.get("examples")
        block = self.all_examples if shown is None else examples_block([self.example_texts[i] for i in shown])
        values = {**self.constants, **row.values, "examples": block, "per_call": self.per_call}
        prompt = compile_text(self.prompt).render(values)
        system = None if self.system is None else compile_text(self.system).render(values)
        if self.style == "json":
            prompt = f"{prompt.strip()}\n\n{self.how_to_answer}".strip()
            system = None if system is None else system.strip()
        user = Message(role="user", content=prompt)
        return (user,) if system is None else (Message(role="system", content=system), user)

    async def apply(self, row: Row, context: StepContext) -> Row | Reject:
        """The row with its output columns; a reject `unparseable` after the last re-ask."""
        if self.per_call > 1:
            row.notes["slot"] = row.slot
        ask = self.first_ask(row, context.name, context.spec_seed)
        first = ask.messages
        attempt = 0
        while True:
            answer = await context.ask(row, ask, "answer" if attempt == 0 else f"reask {attempt}")
            parsed = self._part(answer.text, row, context.name)
            if isinstance(parsed, Parsed):
                row.values.update(parsed.values)
                self._note(row, attempt, parsed.repaired)
                return row
            if isinstance(parsed, Reject):
                self._note(row, attempt, repaired=False)
                return parsed
            if answer.finish_reason == "length":
                parsed = _cut_off(parsed, answer.output_tokens)
            if attempt == self.reasks:
                self._note(row, attempt, repaired=False)
                return Reject(context.name, "unparseable", f"{parsed.code}: {parsed.detail}", answer.text)
            attempt += 1
            drawn = draw(self._drawn_by(row), context.name, f"reask {attempt}", context.spec_seed)
            ask = self._ask(row, (*first, *_reask(answer.text, parsed)), drawn)

    def parts(self, text: str) -> list[Parsed | Unparseable] | Unparseable:
        """The rows that stand in an answer, usable or not; Unparseable where none of them can be used."""
        if (several := self.several) is None:
            parsed = self.parser.parse(text, self.output)
            return [parsed] if isinstance(parsed, Parsed) else parsed
        found = several.parse(text)
        if isinstance(found, Unparseable) or any(isinstance(part, Parsed) for part in found):
            return found
        return next(part for part in found if isinstance(part, Unparseable))

    def _part(self, text: str, row: Row, step: str) -> Parsed | Unparseable | Reject:
        """The row's own part of an answer; a Reject where others can be used, and this one cannot."""
        parts = self.parts(text)
        if isinstance(parts, Unparseable):
            return parts
        if len(parts) > self.per_call:
            row.notes["beyond"] = len(parts) - self.per_call  # of the answer's rows, nobody asked for these
        slot = row.slot if self.per_call > 1 else 0
        if slot >= len(parts):
            held = f"the answer holds {len(parts)} of the {self.per_call} rows asked for"
            return Reject(step, "missing_row", held, text)
        part = parts[slot]
        if isinstance(part, Unparseable):
            return Reject(step, "unparseable", f"row {slot + 1}: {part.code}: {part.detail}", text)
        return part

    def _drawn_by(self, row: Row) -> str:
        """Whose draw it is: that of all rows of one answer, or the row's own where each has its own answer."""
        return row.call if self.per_call > 1 else row.id

    @cached_property
    def several(self) -> Several | None:
        """How the rows of one answer stand in it; None where it is one row."""
        return self.parser.several(self.output, self.per_call) if self.per_call > 1 else None

    @cached_property
    def how_to_answer(self) -> str:
        """The sentence that ends every prompt."""
        return self.several.how_to_answer() if self.several else self.parser.how_to_answer(self.output)

    @cached_property
    def schema_sent(self) -> Mapping[str, Any] | None:
        """The schema that constrains decoding; None where none does."""
        if not self.native_schema:
            return None
        return self.several.native_schema() if self.several else self.parser.native_schema(self.output)

    @cached_property
    def example_texts(self) -> tuple[str, ...]:
        """Each example as prompts show it."""
        return tuple(example_text(one, self.style) for one in self.examples)

    @cached_property
    def all_examples(self) -> str:
        """The block of examples of a row that has drawn none of its own."""
        return examples_block(self.example_texts)

    def _ask(self, row: Row, messages: tuple[Message, ...], drawn: str) -> Ask:
        hints: Mapping[str, Any] = {}
        if self.fake is not None:
            hints = {"fake": self.faked, "columns": {**self.constants, **row.values}, "rows": self.per_call}
        return Ask(model=self.call, messages=messages, draw=drawn, schema=self.schema_sent, hints=hints)

    @cached_property
    def faked(self) -> Mapping[str, Any]:
        """The template's answers, in the form that the parser reads."""
        texts = {name: text for name, text in (self.fake or {}).items() if isinstance(text, str)}
        laid_out = self.parser.layout(texts) if texts and texts.keys() == (self.fake or {}).keys() else None
        return self.fake or {} if laid_out is None else {"answer": laid_out}

    @staticmethod
    def _note(row: Row, reasks: int, repaired: bool) -> None:
        if reasks:
            row.notes["reasks"] = row.notes.get("reasks", 0) + reasks
        if repaired:
            row.notes["repaired"] = row.notes.get("repaired", 0) + 1


def _cut_off(found: Unparseable, output_tokens: int) -> Unparseable:
    return Unparseable(
        code="cut_off",
        ask="Your answer was cut off before its end. Answer again, shorter.",
        detail=f"the answer ended at max_tokens ({output_tokens} tokens): {found.detail}",
    )


def _reask(said: str, found: Unparseable) -> tuple[Message, ...]:
    """What is added to the first messages; only our own words, since it is part of the journal's key."""
    asked = Message(role="user", content=found.ask)
    if not said.strip():
        return (asked,)
    return (Message(role="assistant", content=said[:RAW_IN_REASK]), asked)
