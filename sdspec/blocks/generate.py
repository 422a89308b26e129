"""Asks a model for the output columns of a row: renders, asks, parses, asks again when the answer cannot be used."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdspec.calls import Ask, Message, ModelCall
from sdspec.contracts import Block, Parsed, Parser, StepContext, Unparseable
from sdspec.prompts import compile_text, examples_block
from sdspec.rows import Reject, Row, draw

RAW_IN_REASK = 4000
"""Characters of a refused answer that a re-ask repeats: enough to mend it, without filling the context with noise."""


class Generate(Block):
    """One answer of one model, parsed into columns."""

    model: str
    """Name of the model in the plan."""
    call: ModelCall
    system: str | None = None
    prompt: str
    constants: Mapping[str, Any] = {}
    examples: tuple[Mapping[str, Any], ...] = ()
    parser: Parser
    output: Mapping[str, Any]
    """JSON Schema of the answer, an object."""
    columns: Mapping[str, str]
    """Output columns with their types."""
    needs: tuple[str, ...] = ()
    """Row columns that the prompt reads."""
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
        return self._ask(row, self.messages(row), draw(row.id, step, "answer", spec_seed))

    def messages(self, row: Row) -> tuple[Message, ...]:
        """The messages as rendered for a row."""
        shown = row.notes.get("examples")
        examples = self.examples if shown is None else tuple(self.examples[i] for i in shown)
        values = {**self.constants, **row.values, "examples": examples_block(examples)}
        prompt = compile_text(self.prompt).render(values)
        user = Message(role="user", content=f"{prompt.strip()}\n\n{self.parser.how_to_answer(self.output)}".strip())
        if self.system is None:
            return (user,)
        return (Message(role="system", content=compile_text(self.system).render(values).strip()), user)

    async def apply(self, row: Row, context: StepContext) -> Row | Reject:
        """The row with its output columns; a reject `unparseable` after the last re-ask."""
        ask = self.first_ask(row, context.name, context.spec_seed)
        first = ask.messages
        attempt = 0
        while True:
            answer = await context.ask(row, ask, "answer" if attempt == 0 else f"reask {attempt}")
            parsed = self.parser.parse(answer.text, self.output)
            if isinstance(parsed, Parsed):
                row.values.update(parsed.values)
                self._note(row, attempt, parsed.repaired)
                return row
            if answer.finish_reason == "length":
                parsed = _cut_off(parsed, answer.output_tokens)
            if attempt == self.reasks:
                self._note(row, attempt, repaired=False)
                return Reject(context.name, "unparseable", f"{parsed.code}: {parsed.detail}", answer.text)
            attempt += 1
            drawn = draw(row.id, context.name, f"reask {attempt}", context.spec_seed)
            ask = self._ask(row, (*first, *_reask(answer.text, parsed)), drawn)

    def _ask(self, row: Row, messages: tuple[Message, ...], drawn: str) -> Ask:
        schema = self.parser.native_schema(self.output) if self.native_schema else None
        hints = {} if self.fake is None else {"fake": self.fake, "columns": dict(row.values), "schema": self.output}
        return Ask(model=self.call, messages=messages, draw=drawn, schema=schema, hints=hints)

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
