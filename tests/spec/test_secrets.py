"""Secrets stay in the environment."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdspec.spec.secrets import find_secrets, secret_name
from tests.spec.conftest import Project

KEYS = [
    "sk-proj-Zx81kQpLm0aBcDeFgH",
    "AKIAIOSFODNN7EXAMPLE",
    "hf_AbCdEfGhIjKlMnOpQrStUv",
    "gsk_AbCdEfGhIjKlMnOpQrStUvWx12",
    "xai-AbCdEfGhIjKlMnOpQrStUvWx12",
    "ABSKQmVkcm9ja0FQSUtleS1hYmNkZWZn",
    "AIzaSyA1234567890abcdefghijklmnopq",
    "ghp_0123456789abcdefghijABCDEFGHIJ012345",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
]


@pytest.mark.parametrize("name", ["api_key", "token", "AWS_SECRET_ACCESS_KEY", "password", "hf_token", "apiKey"])
def test_secret_names(name: str):
    """Names of secrets are known."""
    assert secret_name(name)


@pytest.mark.parametrize(
    "name", ["api_key_env", "token_file", "token_env", "max_tokens", "eos_token", "tokens", "secretary", "key", "id"]
)
def test_names_of_no_secret(name: str):
    """Names that name where a secret is, and names that only sound like one, are not."""
    assert not secret_name(name)


@pytest.mark.parametrize("value", KEYS)
@pytest.mark.parametrize("key", ["provider.base_url", "template.variables.note", "model.id", "template.prompt"])
def test_shapes_are_refused(project: Project, key: str, value: str):
    """What is shaped like a key is refused at any key, in a file and on the command line, and never repeated."""
    first, second = key.split(".", 1)
    nested = f"{{variables: {{note: '{value}'}}}}" if "variables" in key else f"{{{second}: 'a {value}'}}"
    for spec in (
        project.load(project.spec(f"name: a\n{first}: {nested}\n")),
        project.load(project.spec("name: a\n"), f"++{key}='{value}'"),
    ):
        (problem,) = spec.problems
        assert "looks like a secret" in str(problem)
        assert value[:6] not in repr(spec)


@pytest.mark.parametrize("name", ["api_key", "aws_secret_access_key", "token", "password"])
def test_names_are_refused(project: Project, name: str):
    """A literal under a secret's name is refused, located, and kept nowhere."""
    for spec, where in (
        (project.load(project.spec(f"name: a\nprovider:\n  {name}: hunter2\n")), "specs/x.yaml:8:3"),
        (project.load(project.spec("name: a\n"), f"provider.{name}=hunter2"), f"override 'provider.{name}=...'"),
        (
            project.load(project.spec("name: a\n"), f"provider={{kind: local, {name}: hunter2}}"),
            "override 'provider=...'",
        ),
    ):
        (problem,) = spec.problems
        assert where == problem.where
        assert f"{name}_env: VARIABLE" in problem.hint
        assert "hunter2" not in repr(spec)


def test_unreadable_overrides_are_not_repeated(project: Project):
    """Not even an override that cannot be parsed shows its secret."""
    spec = project.load(project.spec("name: a\n"), f"provider.key={KEYS[0]} {{", "api_key=hunter2 {", KEYS[1])
    assert 3 == len(spec.problems)
    assert not any(secret in repr(spec) for secret in ("hunter2", KEYS[0][:6], KEYS[1][:6]))


def test_columns_may_be_called_like_secrets(project: Project):
    """A dataset about accounts has a password column."""
    project.right(
        project.spec(
            "template:\n  output: {password: str}\n  fake: {password: x}\n  examples: [{password: hunter2}]\n"
            "  variables: {token: {choice: [a, b]}}\n"
        )
    )


def test_environment_stays_unresolved(project: Project, monkeypatch: pytest.MonkeyPatch):
    """`${oc.env:...}` is resolved in the config alone; nothing that is written down has its value."""
    monkeypatch.setenv("SDSPEC_TEST_URL", "http://inner.example/v1")
    monkeypatch.setenv("SDSPEC_TEST_KEY", "k-value")
    name = project.spec(
        "provider:\n  kind: fake\n  base_url: ${oc.env:SDSPEC_TEST_URL}\n  api_key: ${oc.env:SDSPEC_TEST_KEY}\n"
        "  copy: ${provider.api_key}/x\n  kept: ${oc.env:SDSPEC_TEST_NONE,fall back}\n  plain: ${name}\n"
    )
    spec = project.right(name)
    assert "http://inner.example/v1" == spec.config.provider.options["base_url"]
    assert "${oc.env:SDSPEC_TEST_KEY}" == spec.config.provider.options["api_key"]
    assert "fall back" == spec.config.provider.options["kept"]
    assert "k-value" not in repr(spec)
    assert {
        "kind": "fake",
        "base_url": "${oc.env:SDSPEC_TEST_URL}",
        "api_key": "${oc.env:SDSPEC_TEST_KEY}",
        "copy": "${oc.env:SDSPEC_TEST_KEY}/x",
        "kept": "${oc.env:SDSPEC_TEST_NONE,fall back}",
        "plain": "dataset",
    } == spec.raw["provider"]
    assert not any("inner.example" in text for text in spec.hydra.values())


def test_a_secret_from_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch):
    """A key read into a plain setting is refused without showing it."""
    monkeypatch.setenv("SDSPEC_TEST_KEY", KEYS[0])
    spec = project.load(project.spec("provider: {kind: fake, base_url: '${oc.env:SDSPEC_TEST_KEY}'}\n"))
    (problem,) = spec.problems
    assert "provider.base_url: ${oc.env:SDSPEC_TEST_KEY} holds what looks like a secret." == problem.what
    assert KEYS[0][:6] not in repr(spec)


@given(st.text(alphabet="abcdefghij klmnop-_.:/ASK0", max_size=40))
def test_prose_is_no_secret(text: str):
    """Plain words are not taken for keys."""
    assert [] == list(
        find_secrets({"prompt": f"ask-{text[:8]} risk-taking {text[:5]}", "model": "task-oriented-7b-v2"})
    )
