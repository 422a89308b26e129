"""Interpolations, and what is written down of a spec."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec.spec.load import load_spec
from sdspec.spec.record import run_spec_text
from tests.spec.conftest import Project


def test_interpolations(project: Project):
    """Other keys can be referred to; an escaped one is plain text."""
    name = project.spec(
        "template:\n  variables: {who: staff, both: '${template.variables.who} of ${name}', all: '${template.output}',"
        " shell: '\\${HOME}'}\n"
    )
    spec = project.right(name, "name=n")
    assert {
        "who": "staff",
        "both": "staff of n",
        "all": {"question": "str", "answer": "str"},
        "shell": "${HOME}",
    }.items() <= spec.config.template.variables.items()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${nothing}", "'${nothing}' refers to a key that is not there. Write \\${ for a plain '${'."),
        ("a ${oc.env:SDSPEC_TEST_NONE}", "environment variable SDSPEC_TEST_NONE is not set. Set it (export"),
        ("${now:%Y}", "'${now:%Y}' names an unknown resolver."),
        ("${not closed", "a '${' that starts no interpolation."),
        ("function {${ x: 1 }}", "'${ x: 1 }}' names an unknown resolver."),
        ("${template.variables.a}", "'${template.variables.a}' cannot be resolved."),
    ],
)
def test_unresolvable(project: Project, text: str, expected: str):
    """What cannot be resolved is a problem where it stands."""
    name = project.spec(f"template:\n  variables:\n    a: '{text}'\n")
    (problem,) = project.problems(name)
    assert problem.startswith(f"specs/x.yaml:8:5: template.variables.a: {expected}")


def test_hydra_record(project: Project):
    """`.hydra/` holds what Hydra writes itself: the config, the overrides, Hydra's own config."""
    name = project.spec("workflow: {size: 4}\nprovider: {kind: fake, url: '${oc.env:HOME}'}\n")
    spec = project.right(name, "model.temperature=0.3", "export=parquet")
    record = {key: yaml.safe_load(text) for key, text in spec.hydra.items()}
    assert (4, 0.3) == (record["config"]["workflow"]["size"], record["config"]["model"]["temperature"])
    assert "${oc.env:HOME}" == record["config"]["provider"]["url"]
    assert ["model.temperature=0.3", "export=parquet"] == record["overrides"]
    hydra = record["hydra"]["hydra"]
    assert ("x", "parquet") == (hydra["job"]["config_name"], hydra["runtime"]["choices"]["export"])
    assert ["model.temperature=0.3", "export=parquet"] == hydra["overrides"]["task"]
    assert "hydra" not in record["config"]


def test_hydra_keys(project: Project):
    """A spec may set Hydra's own config; it is no part of the spec's."""
    name = project.spec("hydra: {sweep: {dir: swept}}\n")
    spec = project.right(name, "hydra.job.name=mine", "hydra/output=default")
    hydra = yaml.safe_load(spec.hydra["hydra"])["hydra"]
    assert ("swept", "mine") == (hydra["sweep"]["dir"], hydra["job"]["name"])
    assert "hydra" not in spec.raw
    (problem,) = project.problems(project.spec("name: a\nhydra: {swep: {dir: swept}}\n"))
    assert problem.startswith("specs/x.yaml:7:1: hydra: ")


def test_a_run_repeats(project: Project, monkeypatch: pytest.MonkeyPatch):
    """The spec.yaml of a run composes to the same config anywhere, with overrides and choices still possible."""
    monkeypatch.setenv("SDSPEC_TEST_NAME", "m7")
    name = project.spec(
        "provider: {kind: bedrock, region: r}\nmodel: {id: '${oc.env:SDSPEC_TEST_NAME}'}\n"
        "template:\n  variables: {a: '\\${x}', b: 1e3, c: '1e3', d: 'yes', e: yes, f: 2024-01-01}\n"
    )
    spec = project.right(name, "workflow.size=5")
    text = run_spec_text(spec.raw)
    project.write("far/away/spec.yaml", text)
    again = project.right("far/away/spec.yaml")
    assert (spec.config, spec.raw) == (again.config, again.raw)
    assert "id: ${oc.env:SDSPEC_TEST_NAME}" in text
    assert "  prompt: |\n    {{ examples }}\n    Write one new question" in text
    assert "fake" == project.right("far/away/spec.yaml", "provider=fake").config.provider.kind


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=30)
    | st.text(alphabet="${}\\ab.:\n\t '\"-#", max_size=20),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(st.from_regex(r"[a-z]{1,6}", fullmatch=True), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@cache
def packaged_custom():
    """The spec of the packaged template, in an empty folder."""
    with tempfile.TemporaryDirectory() as name:
        return load_spec(None, ["template=custom"], cwd=Path(name))


@settings(max_examples=50, deadline=None)
@given(st.dictionaries(st.from_regex(r"[a-z]{3,8}_v", fullmatch=True), VALUES, min_size=1, max_size=3))
def test_any_value_repeats(variables):
    """Whatever the values are, `${` and backslashes included, a run's spec.yaml gives them again."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        base = packaged_custom()
        raw = {**base.raw, "template": {**base.raw["template"], "variables": variables}}
        (folder / "spec.yaml").write_text(run_spec_text(raw), encoding="utf-8")
        again = load_spec("spec.yaml", cwd=folder)
    assert ((), variables) == (again.problems, again.raw["template"]["variables"])
