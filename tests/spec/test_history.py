"""What was written for each key, layer by layer."""

from __future__ import annotations

import pytest

from sdspec.spec.history import DROPPED, WON, History
from sdspec.spec.load import trace_spec
from sdspec.spec.settings import find, plain, walk
from sdspec.spec.spec import Spec
from tests.spec.conftest import Project

BODY = """
name: bridges
model: {temperature: 0.2}
template:
  output: {question: str}
  variables: {audience: child}
workflow: {size: 7, dedup: {kind: exact, columns: [question]}}
"""
OVERRIDES = (
    (),
    ("model.temperature=0.5", "+template.variables.place=here", "~workflow.dedup.columns"),
    ("template=text2sql", "provider=fake", "export=[jsonl,parquet]"),
)


def traced(project: Project, *overrides: str) -> tuple[Spec, History]:
    return trace_spec(project.spec(BODY), overrides, cwd=project.path)


@pytest.mark.parametrize("overrides", OVERRIDES, ids=["none", "keys", "groups"])
def test_the_winner_is_what_is_used(project: Project, overrides: tuple[str, ...]) -> None:
    """Of every key without interpolations: the last value that counts is the one in use, at the place of its origin."""
    spec, history = traced(project, *overrides)
    looked_at = 0
    for key, setting in walk(history.used):
        if key and not isinstance(setting.value, dict):
            won = [written for written in history.of(key) if written.state == WON]
            assert [plain(setting)] == [written.value for written in won]
            assert [spec.origins.of(key)] == [written.origin for written in won]
            looked_at += 1
    assert looked_at > 40


@pytest.mark.parametrize("overrides", OVERRIDES, ids=["none", "keys", "groups"])
def test_every_layer_is_there(project: Project, overrides: tuple[str, ...]) -> None:
    """The places of a key are those of its origins, in order; of a `kind` also the one that it replaced."""
    spec, history = traced(project, *overrides)
    for key, chain in spec.origins.chains.items():
        setting = find(history.used, key)
        if setting is not None and not isinstance(setting.value, dict) and key[-1] != "kind":
            written = [one.origin for one in history.of(key) if one.state != DROPPED]
            assert list(chain) == written, key


def test_a_mapping_has_what_each_layer_set_of_it(project: Project) -> None:
    """Layers that only add keys all count; an override of a key below is one of them."""
    _, history = traced(project, "model.top_p=0.9")
    written = history.of(("model",))
    assert [WON, WON, WON] == [one.state for one in written]
    assert [{"temperature": 0.2}, {"top_p": 0.9}] == [one.value for one in written[1:]]


def test_the_choice_of_each_group_has_a_place(project: Project) -> None:
    """A line of a defaults list, of the spec's or of the packaged root's, or an override."""
    _, history = traced(project, "provider=fake", "+model@models.judge=default")
    chosen = {group: str(origin) for group, origin in history.chosen.items()}
    assert "specs/x.yaml:3:5" == chosen["template"]
    assert "conf/sdspec.yaml:7:5" == chosen["workflow"]
    assert "override 'provider=fake'" == chosen["provider"]
    assert "override '+model@models.judge=default'" == chosen["model@models.judge"]


def test_a_secret_is_in_no_history(project: Project) -> None:
    """What looks like a secret is taken out before anything is kept."""
    key = "sk-1234567890abcdef"
    name = project.spec(f"provider: {{api_key: {key}}}\nmodel: {{id: {key}}}\n")
    spec, history = trace_spec(name, [f"model.path={key}"], cwd=project.path)
    assert spec.problems
    assert key not in repr(history)
