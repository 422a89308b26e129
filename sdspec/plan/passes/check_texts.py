"""Checks every Jinja text of the template: {{ topik }} that nothing provides is a problem with a did-you-mean."""

from __future__ import annotations

import re

from sdspec.errors import did_you_mean
from sdspec.plan.draft import Draft
from sdspec.prompts import TextError, compile_text, text_problems
from sdspec.spec.spec import Key

DOUBLE_TAGS = re.compile(r"<examples>\s*\{\{-?\s*examples\s*-?\}\}")
"""A prompt carried over from the prompt engineering guide (seed 001), whose base template writes the tags itself."""


def check_texts(draft: Draft) -> None:
    """Every text compiles, and every variable in it has a value when it is rendered."""
    template = draft.spec.config.template
    known = {"seed", "examples", "per_call", *template.variables}
    if not draft.seeds and not any(draft.spec.is_bad("template", name) for name in ("seeds", "seeds_file")):
        known.discard("seed")
    _check(draft, ("template", "prompt"), template.prompt, known)
    if template.system is not None:
        _check(draft, ("template", "system"), template.system, known)
    _check_fake(draft, (known - {"examples", "per_call"}) | {"draw", "n"})
    _check_unused(draft)
    if DOUBLE_TAGS.search(template.prompt):
        hint = "Leave out the tags around it."
        draft.problem(("template", "prompt"), "{{ examples }} brings its own <examples> tags.", hint)


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
    if draft.spec.config.workflow.per_call > 1 and template.style == "seed001" and "per_call" not in used:
        what = "style seed001 adds nothing to the prompt, and the prompt asks for one row."
        draft.problem(("workflow", "per_call"), what, "Write in the prompt that {{ per_call }} are wanted, and how.")
