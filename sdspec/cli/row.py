"""`sdspec row`: the whole life of one row: seed, examples, messages, answers, verdicts, cost, and what became of it."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.text import Text

from sdspec import api
from sdspec.catalog.life import Life, LifeCall
from sdspec.cli.as_json import print_json
from sdspec.cli.talk import console, price, print_heading, print_messages, print_said, print_values, print_verdicts


def main(args: argparse.Namespace) -> int:
    """The row's life on stdout, in the order in which it happened."""
    run = api.open_run(args.run, Path(args.outputs))
    found = api.life(run, args.row)
    if args.json:
        print_json(asdict(found))
    else:
        print_life(console(), found, [step["name"] for step in run.plan_record()["steps"]])
    return 0


def print_life(out: Console, life: Life, steps: Sequence[str]) -> None:
    """All of it; the verdicts in the order of the steps."""
    place = "" if life.index is None else f"index {life.index}"
    print_heading(out, life.id, place)
    out.print(_fate(life))
    if life.seed:
        out.print(Text.assemble(("seed: ", "bold"), life.seed))
    if (shown := life.notes.get("examples")) is not None:
        out.print(Text.assemble(("examples drawn: ", "bold"), ", ".join(str(position + 1) for position in shown)))
    if (slot := life.notes.get("slot")) is not None:
        out.print(Text.assemble(("part of its answer: ", "bold"), str(slot + 1)))
    out.print()
    for call in life.calls:
        _print_call(out, call)
    if life.values:
        print_said(out, "columns", "", _mended(life))
        print_values(out, life.values)
        out.print()
    verdicts = life.notes.get("checks", {})
    print_verdicts(out, {step: verdicts[step] for step in steps if step in verdicts})
    if life.step and life.step not in verdicts:
        print_verdicts(out, {life.step: {"ok": False, "reason": life.reason, "detail": life.detail or ""}})
    if life.calls:
        out.print(_bill(life.calls))


def _fate(life: Life) -> Text:
    if life.fate == "rejected":
        return Text.assemble((f"rejected at step {life.step}", "yellow"), f": {life.reason}")
    if life.fate == "surplus":
        return Text("surplus: started ahead of its turn, and all wanted rows were kept without it", "dim")
    return Text("kept", "green")


def _mended(life: Life) -> str:
    said = [
        f"{life.notes[name]} {what}"
        for name, what in (("reasks", "re-asks"), ("repaired", "repairs of its JSON"))
        if life.notes.get(name)
    ]
    return ", ".join(said)


def _bill(calls: Sequence[LifeCall]) -> str:
    """`2 calls, $0.0012`; what got no answer is counted where the provider says what it charges for that."""
    answered = [call for call in calls if call.answer is not None]
    costs = [call.cost_usd for call in calls if call.answer is not None or call.cost_usd]
    said = f"{len(calls)} call{'' if len(calls) == 1 else 's'}"
    if costs:
        said += f", {price(None if None in costs else sum(cost for cost in costs if cost is not None))}"
    return said if len(answered) == len(calls) else f"{said}, {len(calls) - len(answered)} without an answer"


def _print_call(out: Console, call: LifeCall) -> None:
    source = "from the journal" if call.from_journal else f"{call.tries} tries" if (call.tries or 1) > 1 else ""
    print_heading(out, f"{call.step}: {call.purpose}", "  ".join(filter(None, [call.model, source])))
    if call.messages is None and call.outcome == "failed":
        out.print(Text("(no try got an answer, so nothing is in the journal: the next run asks again)", "dim"))
    elif call.messages is None:
        out.print(Text("(the journal no longer holds what was asked)", "dim"))
    else:
        print_messages(out, call.messages if call.purpose == "answer" else call.messages[-1:])
    if call.answer is None:
        print_said(out, "refused" if call.outcome == "row_fatal" else "no answer", call.error or "")
    else:
        took = "" if call.latency_s is None else f", {call.latency_s:.1f} s"
        about = f"{call.input_tokens} tokens in, {call.output_tokens} out{took}, {price(call.cost_usd)}"
        print_said(out, "answer", call.answer, about)
    out.print()
