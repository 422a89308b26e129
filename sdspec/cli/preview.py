"""`sdspec preview`: the exact messages of the first rows; with --call the answers too, parsed and checked."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Console

from sdspec import api
from sdspec.cli.as_json import print_json
from sdspec.cli.problems import tell
from sdspec.cli.talk import console, price, print_heading, print_messages, print_said, print_values, print_verdicts
from sdspec.cli.words import split_words
from sdspec.plan.plan import Plan
from sdspec.plan.preview import FirstAsk
from sdspec.rows import Row

if TYPE_CHECKING:
    from sdspec.engine.preview import Previewed
    from sdspec.engine.walk import CallLine


def main(args: argparse.Namespace) -> int:
    """The messages on stdout; nothing is asked without --call."""
    target, overrides = split_words(args.words)
    plan = api.compile(api.load(target, overrides))
    for note in plan.notes:
        tell(f"note: {note}")
    first = api.preview(plan, args.n)
    if not args.call:
        _print(plan, first, args.json)
        return 0
    from sdspec.cli.waiting import waiting  # the engine; without --call a preview starts light

    with waiting() as observer:
        called = api.call_first(plan, args.n, observer)
    _print_called(plan, called, args.json)
    return 3 if any(one.reject is not None and one.reject.reason == "budget" for one in called) else 0


def _print(plan: Plan, first: list[FirstAsk], as_json: bool) -> None:
    if as_json:
        print_json([_row(one.row) | {"messages": one.ask.messages, "schema": one.ask.schema} for one in first])
        return
    out = console()
    for number, one in enumerate(first, 1):
        _print_row(out, plan, number, one.row)
        print_messages(out, one.ask.messages)
        out.print()
    out.print(_sent_with(plan, first))


def _print_called(plan: Plan, called: list[Previewed], as_json: bool) -> None:
    if as_json:
        print_json([_called_row(one) for one in called])
        return
    out = console()
    for number, one in enumerate(called, 1):
        _print_row(out, plan, number, one.row)
        for position, line in enumerate(one.calls):
            new = line.ask.messages if position == 0 else line.ask.messages[-1:]
            print_messages(out, new)
            _print_answer(out, line)
        _print_end(out, plan, one)
        out.print()
    kept = sum(one.reject is None for one in called)
    passing = "row passes" if len(called) == 1 else "rows pass"
    out.print(
        f"{kept} of {len(called)} {passing}. A run takes these answers from the journal, and looks for repeats too."
    )


def _print_row(out: Console, plan: Plan, number: int, row: Row) -> None:
    varied = [f"{name}: {row.values[name]}" for name in plan.columns if name in row.values and name not in plan.output]
    shown = row.notes.get("examples")
    if shown is not None:
        varied.append("examples " + ", ".join(str(position + 1) for position in shown))
    print_heading(out, f"row {number}  {row.values.get('seed', '')}".rstrip(), "  ".join([row.id, *varied]))


def _print_answer(out: Console, line: CallLine) -> None:
    record = line.bought.record if line.bought else None
    if record is None or record.answer is None:
        error = line.error or (record.error if record else None)
        print_said(out, "no answer", f"{error.code}: {error.message}" if error else "")
        return
    answer = record.answer
    about = [f"{answer.output_tokens} tokens", f"{record.latency_s:.1f} s", price(record.cost_usd)]
    if line.bought and line.bought.from_journal:
        about.append("from the journal")
    print_said(out, "answer", answer.text, ", ".join(about))


def _print_end(out: Console, plan: Plan, one: Previewed) -> None:
    parsed = {name: one.row.values[name] for name in plan.output if name in one.row.values}
    if parsed:
        print_said(out, "parsed", "repaired JSON" if one.row.notes.get("repaired") else "")
        print_values(out, parsed)
    print_verdicts(out, one.row.notes.get("checks", {}))
    if one.reject is not None and one.reject.step not in one.row.notes.get("checks", {}):
        print_verdicts(out, {one.reject.step: {"ok": False, "reason": one.reject.reason, "detail": one.reject.detail}})


def _sent_with(plan: Plan, first: list[FirstAsk]) -> str:
    schema = "with the output schema, which the provider enforces" if first and first[0].ask.schema else "as text alone"
    return "\n".join(f"{model.name}: {model}; sent {schema}" for model in plan.models.values())


def _row(row: Row) -> dict[str, Any]:
    return {"row": row.id, "values": row.values, "notes": {k: v for k, v in row.notes.items() if k != "calls"}}


def _called_row(one: Previewed) -> Mapping[str, Any]:
    calls = []
    for line in one.calls:
        record = line.bought.record if line.bought else None
        error = line.error or (record.error if record else None)
        calls.append(
            {
                "purpose": line.purpose,
                "messages": line.ask.messages,
                "answer": record.answer if record else None,
                "error": f"{error.code}: {error.message}" if error else None,
                "from_journal": bool(line.bought and line.bought.from_journal),
            }
        )
    return _row(one.row) | {"calls": calls, "reject": one.reject}
