"""A prompt longer than the model's context is found before the run, where the context is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdspec.plan.compile import PASSES, compile_all
from sdspec.plan.draft import Draft
from sdspec.plan.passes.check_context import check_context, least_tokens
from sdspec.prices import window_of
from sdspec.providers.fake import Fake
from sdspec.spec.load import load_spec
from tests.recipes import write_spec

LONG = "many small words of one seed " * 500
LOCAL = ["provider=local", "provider.context=512"]
PRICED = "gpt-4o-mini"
"""A model whose row the price map has had for long: 128,000 tokens in, 16,384 out."""


class Priced(Fake):
    """Answers like `fake`, and is known to the price map."""

    def price_id(self, model_id: str) -> str | None:
        return PRICED


def problems(folder: Path, changes: dict[str, Any], overrides: Sequence[str] = LOCAL) -> list[str]:
    """What is wrong with COLOURS on a small local model, with some keys changed."""
    path = write_spec(folder, {**changes, "template": {"examples_per_row": 1, **changes.get("template", {})}})
    return [str(problem) for problem in compile_all(load_spec(str(path), overrides, cwd=folder)).problems]


def test_what_fits_is_no_problem(tmp_path: Path) -> None:
    """The spec as it stands."""
    assert [] == problems(tmp_path, {})


def test_a_long_seed_is_blamed_where_it_stands(tmp_path: Path) -> None:
    """Of three seeds the one that is too long, with its numbers and what to do; the others are not touched."""
    (problem,) = problems(tmp_path, {"template": {"seeds": ["red", LONG, "blue"]}})
    assert problem.startswith("specs/colours.yaml:")
    assert "template.seeds[1]: with seed 2 a prompt has at least 3,0" in problem
    assert "smollm2-135m-instruct on local has room for 512, its answer included." in problem
    assert problem.endswith("Shorten it, or raise provider.context.")


def test_a_prompt_beyond_the_tokens_of_a_minute_is_a_problem(tmp_path: Path) -> None:
    """No minute would ever have room for it; the limit is named where it is set, once."""
    long = {"template": {"seeds": ["red", LONG, LONG + "again"]}}
    (problem,) = problems(tmp_path, long, ["provider=fake", "provider.limits.itpm=2000"])
    assert problem.startswith("override 'provider.limits.itpm=2000': provider.limits.itpm: 2,000, and a prompt has at")
    assert problem.endswith("tokens: no minute has room for it. Raise it, or shorten the prompt.")
    assert [] == problems(tmp_path, long, ["provider=fake", "provider.limits.itpm=20000"])


def test_a_long_seed_of_a_file_is_named_by_its_line(tmp_path: Path) -> None:
    """`seeds.txt:2`"""
    (tmp_path / "seeds.txt").write_text(f"red\n{LONG}\n")
    (problem,) = problems(tmp_path, {"template": {"seeds": None, "seeds_file": "../seeds.txt"}})
    assert "template.seeds_file: with ../seeds.txt:2 a prompt has" in problem


def test_many_long_seeds_are_counted(tmp_path: Path) -> None:
    """Five are named one by one, the others in one line; and among 10,000 short ones a long one is found."""
    found = problems(tmp_path, {"template": {"seeds": [f"{number} {LONG}" for number in range(20)]}})
    assert 6 == len(found)
    assert sum("15 more like this make a prompt too long." in problem for problem in found) == 1
    many = [f"topic {number}" for number in range(10_000)]
    many[7_777] = LONG
    (problem,) = problems(tmp_path, {"template": {"seeds": many}, "workflow": {"size": 10_000}})
    assert "template.seeds[7777]" in problem


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("template.prompt", {"prompt": f"{{{{ examples }}}} {{{{ seed }}}} {{{{ mood }}}} {LONG}"}),
        ("template.system", {"system": LONG}),
        ("template.examples", {"examples": [{"question": LONG, "answer": "Green."}]}),
        ("template.variables.mood", {"variables": {"mood": LONG}}),
        ("template.variables.mood", {"variables": {"mood": {"choice": [LONG, "calm"]}}}),
    ],
)
def test_the_longest_part_is_blamed(tmp_path: Path, key: str, changes: dict[str, Any]) -> None:
    """The prompt itself, the system message, the examples, a variable: what most of the tokens come from."""
    (problem,) = problems(tmp_path, {"template": changes})
    assert f": {key}: with " in problem


def test_what_may_not_fit_is_a_note(tmp_path: Path) -> None:
    """A prompt that leaves too little for the longest answer is allowed, and told."""
    path = write_spec(tmp_path, {"template": {"seeds": ["seed " * 300], "examples_per_row": 1}})
    compiled = compile_all(load_spec(str(path), LOCAL, cwd=tmp_path))
    assert () == compiled.problems
    assert compiled.plan is not None
    (note,) = [note for note in compiled.plan.notes if "has room for" in note]
    assert "with seed 1 a prompt has about" in note
    assert "and max_tokens 256" in note


def test_an_unknown_context_is_not_guessed(tmp_path: Path) -> None:
    """Provider `fake` takes prompts of any length."""
    assert [] == problems(tmp_path, {"template": {"seeds": [LONG]}}, ["provider=fake"])


def draft_of(folder: Path, *overrides: str) -> Draft:
    """The draft up to the check, its model one that the price map knows."""
    draft = Draft(load_spec(str(write_spec(folder, {"template": {"examples_per_row": 1}})), overrides, cwd=folder))
    for run_pass in PASSES[: PASSES.index(check_context)]:
        run_pass(draft)
    draft.models = {name: replace(model, provider=Priced()) for name, model in draft.models.items()}
    return draft


def test_the_price_map_knows_other_models(tmp_path: Path) -> None:
    """Where a provider names a row of the price map, its limits hold for prompts and for max_tokens."""
    window = window_of(PRICED)
    assert window is not None
    assert (128_000, 16_384) == (window.input_tokens, window.output_tokens)
    draft = draft_of(tmp_path, "model.max_tokens=20000", f"template.system='{'word ' * 130_000}'")
    check_context(draft)
    longest, prompt = [str(problem) for problem in draft.problems]
    assert "model.max_tokens: 20,000, and smollm2-135m-instruct answers with 16,384 tokens at most (litellm" in longest
    assert "template.system: with the system message a prompt has at least 130,0" in prompt
    assert prompt.endswith("Shorten it, or choose a model with a larger context.")


def test_a_model_that_the_map_lacks_has_no_window() -> None:
    """No row, no limits."""
    assert window_of("no-such-model") is None
    assert window_of(None) is None


@given(st.lists(st.text("abcdefghij", min_size=1, max_size=12), max_size=40))
def test_least_tokens_is_a_lower_bound(words: list[str]) -> None:
    """Each word is a token at least, and no text has more tokens than bytes."""
    text = " ".join(words)
    assert len(words) == least_tokens(text) <= len(text.encode()) or not words


@given(st.text(max_size=200), st.text(max_size=200))
def test_least_tokens_grows_with_the_text(one: str, other: str) -> None:
    """A longer text needs no fewer tokens."""
    assert least_tokens(f"{one} {other}") == least_tokens(one) + least_tokens(other)
