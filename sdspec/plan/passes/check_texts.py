"""Checks every Jinja text of the template: {{ topik }} that nothing provides is a problem with a did-you-mean."""

from __future__ import annotations

from sdspec.errors import did_you_mean
from sdspec.plan.draft import Draft
from sdspec.prompts import TextError, compile_text, text_problems
from sdspec.spec.spec import Key


def check_texts(draft: Draft) -> None:
    """Every text compiles, and every variable in it has a value when it is rendered."""
    template = draft.spec.config.template
    known = {"seed", "examples", *template.variables}
    if not draft.seeds:
        known.discard("seed")
    _check(draft, ("template", "prompt"), template.prompt, known)
    if template.system is not None:
        _check(draft, ("template", "system"), template.system, known)
    _check_fake(draft, (known - {"examples"}) | {"draw", "n"})
    _check_unused(draft)


def _check(draft: Draft, key: Key, text: str, known: set[str]) -> None:
    if draft.spec.is_bad(*key):
        return
    for problem in text_problems(text, known):
        draft.problem(key, problem)


def _check_fake(draft: Draft, known: set[str]) -> None:
    fake = draft.spec.config.template.fake
    for name, text in (fake or {}).items():
        key = ("template", "fake", name)
        if draft.output and name not in draft.output:
            draft.problem(key, f"the output has no column {name!r}.", did_you_mean(name, draft.output))
        elif isinstance(text, str):
            _check(draft, key, text, known)
    if fake and draft.output:
        for name in draft.output:
            if name not in fake:
                hint = "Provider fake needs one per column."
                draft.problem(("template", "fake"), f"column {name!r} has no answer.", hint)


def _check_unused(draft: Draft) -> None:
    """A seed or an example that no prompt shows would be ignored in silence."""
    template = draft.spec.config.template
    used: set[str] = set()
    for text in (template.prompt, template.system or ""):
        try:
            used |= compile_text(text).variables
        except TextError:
            return
    if draft.examples and "examples" not in used:
        draft.problem(("template", "examples"), "the prompt never shows them.", "Write {{ examples }} in the prompt.")
    if draft.seeds and "seed" not in used:
        draft.problem(("template", "seeds"), "the prompt never shows them.", "Write {{ seed }} in the prompt.")
