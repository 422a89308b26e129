"""The schema and the loader say the same of a spec: what one refuses for its form, the other refuses too."""

import copy
import re
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from sdspec import api
from sdspec.spec.load import load_spec

WHOLE: dict[str, Any] = {
    "defaults": ["/sdspec", {"override /template": "custom"}, {"override /provider": "fake"}, "_self_"],
    "name": "whole",
    "seed": 1,
    "provider": {
        "kind": "fake",
        "latency_s": 0.5,
        "p429": 0.25,
        "retry_after_s": None,
        "bad_request_every": None,
        "down": False,
        "limits": {"rpm": None, "concurrency": 4},
    },
    "providers": {"second": {"kind": "openai_compatible", "base_url": "http://127.0.0.1:1/v1", "structured": True}},
    "model": {"id": "m", "temperature": 0.5, "top_p": 0.9, "top_k": 5, "max_tokens": 64, "stop": ["END"]},
    "models": {"judge": {"id": "j", "provider": "second"}},
    "template": {
        "system": "You write {{ level }} questions.",
        "prompt": "{{ examples }} {{ seed }} {{ mood }} {{ number }}",
        "seeds": ["red", "green"],
        "examples": [{"question": "Which?", "answer": "This."}],
        "examples_per_row": 1,
        "style": "json",
        "variables": {"level": "easy", "mood": {"choice": {"calm": 3, "wild": 0.5}}, "number": {"range": [1, 9]}},
        "output": {"question": "str", "answer": "str"},
        "parse": {"kind": "json", "repair": True},
        "checks": [{"kind": "length", "column": "answer", "min": 1}],
        "fake": {"question": "{{ n }}?", "answer": "{{ n }}."},
    },
    "workflow": {
        "kind": "sft",
        "size": 4,
        "per_call": 1,
        "dedup": {"kind": "exact", "columns": ["question"], "normalize": "case"},
        "max_attempts": None,
        "reasks": 1,
    },
    "evaluation": None,
    "export": {
        "train": {"format": "jsonl", "packer": {"kind": "prompt_completion", "prompt": "{{ question }}"}},
        "table": {"format": "parquet", "packer": "raw"},
    },
    "engine": {"concurrency": 8, "timeout_s": 5, "max_tries": 2, "outage_s": 1, "journal": None, "outputs": "outputs"},
}
"""A right spec that sets keys of all types."""

VALUES = st.sampled_from(
    [
        *(None, True, 0, 1, 7, -1, 5000, 0.5, 1.5, "", "word", "json", "fake", [], ["word"], [1], {}, {"word": 1}),
        *({"kind": "word"}, {"kind": "json"}, {"choice": []}, {"range": [1]}),
    ]
)

FORM = re.compile(
    r"unknown key|is needed|must be (at|more|less)|no \w+ (of kind|for)|is no column type|required for kind"
    r"|input should|cannot be drawn from|no option|no group|set together|this name is taken|not allowed"
    r"|at least one column|must be a text|extra inputs|have at least"
)
"""What the loader says of a spec's form; its sense (Jinja, columns, a key that some layer must set) is not."""


@cache
def schema() -> Draft7Validator:
    """A validator with the schema of an empty folder."""
    with tempfile.TemporaryDirectory() as empty:
        return Draft7Validator(api.schema(Path(empty)))


def refused(spec: Any) -> list[str]:
    """What the schema says against a spec file."""
    return [f"{error.json_path}: {error.message}" for error in schema().iter_errors(spec)]


def problems(folder: Path, spec: Any) -> list[str]:
    """What `check` says against a spec file."""
    (folder / "specs").mkdir(exist_ok=True)
    (folder / "specs" / "x.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    return [str(problem) for problem in api.check(load_spec("x", cwd=folder))]


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every key and list item below a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [below for name, child in inside for below in [(*path, name), *paths(child, (*path, name))]]


def changed(spec: Any, path: tuple[Any, ...], change: Any) -> Any:
    """A copy of the spec after `change(parent, last part of the path)`."""
    made = copy.deepcopy(spec)
    at = made
    for part in path[:-1]:
        at = at[part]
    change(at, path[-1])
    return made


def converted(old: Any, new: Any) -> bool:
    """True for what pydantic converts and an editor underlines all the same: a truth value as a number, and back."""
    numbers = isinstance(old, int | float) or old is None
    return numbers and (isinstance(new, bool) or (isinstance(old, bool) and new in (0, 1)))


def test_the_whole_spec_is_right(tmp_path: Path) -> None:
    """Both take the spec that the changes below start from."""
    assert [] == problems(tmp_path, WHOLE)
    assert [] == refused(WHOLE)


@given(st.sampled_from([path for path in paths(WHOLE) if path[0] != "defaults"]), VALUES)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_another_value_is_refused_by_both_or_by_none(tmp_path: Path, path: tuple[Any, ...], value: Any) -> None:
    """Any key at any value: a red line is a problem, and a problem of form is a red line."""
    old: Any = WHOLE
    for part in path:
        old = old[part]
    assume(not converted(old, value))
    spec = changed(WHOLE, path, lambda parent, name: parent.__setitem__(name, value))
    agree(tmp_path, spec)


@given(st.sampled_from([path for path in paths(WHOLE) if isinstance(path[-1], str)]), st.sampled_from("xy_1"))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_another_name_is_refused_by_both_or_by_none(tmp_path: Path, path: tuple[Any, ...], more: str) -> None:
    """Any key with a typo in it."""
    spec = changed(WHOLE, path, lambda parent, name: parent.update({f"{name}{more}": parent.pop(name)}))
    agree(tmp_path, spec)


def agree(folder: Path, spec: Any) -> None:
    """The schema refuses what the loader refuses for its form, and nothing that the loader takes."""
    red, found = refused(spec), problems(folder, spec)
    form = [problem for problem in found if FORM.search(problem.lower())]
    assert not red or found, red
    assert not form or red, form
