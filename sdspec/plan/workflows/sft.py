"""Workflow `sft`: pairs of prompt and completion, varied by seeds. vary -> generate -> checks -> dedup -> quota."""

from __future__ import annotations

from sdspec.blocks.generate import Generate
from sdspec.blocks.vary import Vary
from sdspec.contracts import Block, Check, Dedup
from sdspec.plan.draft import Draft
from sdspec.plan.plan import Item, Step
from sdspec.prompts import TextError, compile_text

PROVIDED = frozenset({"seed"})


def sft(draft: Draft) -> None:
    """One item per seed (one in all without seeds), then the template's steps."""
    draft.items = _items(draft)
    _note_leftover(draft)
    varied = Vary(
        choices=draft.choices,
        ranges=draft.ranges,
        examples=len(draft.examples),
        shown=_shown(draft),
    )
    if varied.writes() or varied.shown:
        _add(draft, "vary", varied, "row")
    if generate := _generate(draft):
        _add(draft, "generate", generate, "row")
    for position, check in draft.checks:
        _add_check(draft, position, check)
    if draft.dedup is not None:
        _add(draft, "dedup", draft.dedup, "commit")
    draft.columns = {**draft.output, **varied.writes()}


def _items(draft: Draft) -> tuple[Item, ...]:
    workflow = draft.spec.config.workflow
    starts = [{"seed": seed} for seed in draft.seeds] or [{}]
    if workflow.size_per_seed is not None:
        return tuple(Item(start, workflow.size_per_seed) for start in starts)
    if workflow.size is None:
        draft.problem(("workflow", "size"), "not set, and seeds never run out.", "Set workflow.size=100, say.")
        return ()
    share, rest = divmod(workflow.size, len(starts))
    return tuple(Item(start, share + (position < rest)) for position, start in enumerate(starts))


def _note_leftover(draft: Draft) -> None:
    """Says where answers hold more rows than are wanted of their seed."""
    most, per_call = max((item.quota for item in draft.items), default=0), draft.spec.config.workflow.per_call
    if 0 < most < per_call:
        draft.notes.append(
            f"workflow.per_call: an answer makes {per_call} rows of one seed, and no seed wants more than {most}; "
            "the rest of each answer is not used."
        )


def _shown(draft: Draft) -> int:
    shown = draft.spec.config.template.examples_per_row
    return len(draft.examples) if shown is None else shown


def _generate(draft: Draft) -> Generate | None:
    model = draft.models.get("model")
    if model is None or draft.parser is None or draft.schema is None:
        return None
    template = draft.spec.config.template
    return Generate(
        model="model",
        call=model.call,
        system=template.system,
        prompt=template.prompt,
        constants=draft.constants,
        examples=draft.examples if _shown(draft) else (),
        style=template.style,
        parser=draft.parser,
        output=draft.schema,
        columns=draft.output,
        needs=_needs(draft),
        per_call=draft.spec.config.workflow.per_call,
        reasks=draft.spec.config.workflow.reasks,
        native_schema=model.provider.native_schema_for(model.call.known_as),
        fake=(template.fake or {}) if model.provider.reads_hints else None,
    )


def _needs(draft: Draft) -> tuple[str, ...]:
    template = draft.spec.config.template
    try:
        used = compile_text(template.prompt).variables | compile_text(template.system or "").variables
    except TextError:
        return ()
    return tuple(sorted(used & (PROVIDED | draft.choices.keys() | draft.ranges.keys())))


def _add_check(draft: Draft, position: int, check: Check) -> None:
    key = ("template", "checks", position)
    texts = check.problems(draft.constants)
    for text in texts:
        draft.problem(key, text)
    if not texts:
        kind = draft.spec.config.template.checks[position].kind
        taken = [step.name for step in draft.steps]
        name = kind if kind not in taken else f"{kind}_{position + 1}"
        _add(draft, name, check.bound(draft.constants), "row")


def _add(draft: Draft, name: str, part: Block | Check | Dedup, order: str) -> None:
    reads = part.columns if isinstance(part, Dedup) else tuple(sorted(part.reads()))
    writes = dict(part.writes()) if isinstance(part, Block) else {}
    draft.steps.append(Step(name, part, order, tuple(reads), writes, fingerprint=""))
