"""Provider `local` without its model: ids, identities and limits; tests/embedded has it on the real one."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sdspec.embedded.weights import GGUF_SHA256, MODEL_ID
from sdspec.providers.local import Local


@pytest.mark.parametrize("model_id", [MODEL_ID, "hf:owner/repo", "hf:owner/repo/f.gguf@v1", "file:/x/y.gguf"])
def test_known_ids_are_no_problem(model_id: str) -> None:
    """The default model, hub ids and files are models of this provider."""
    assert [] == Local().model_problems(model_id)


def test_an_unknown_id_names_the_known_ones() -> None:
    """A typo gets a guess, the known ids, and model.path."""
    (problem,) = Local().model_problems("smollm2-135m")
    assert f"Did you mean '{MODEL_ID}'?" in problem
    assert "hf:OWNER/REPO/FILE.gguf" in problem and "model.path" in problem


def test_identities_are_the_weights_or_the_revision() -> None:
    """The default model is known by its weights' hash, a hub file by its revision."""
    local = Local()
    assert f"sha256:{GGUF_SHA256}" == local.model_identity(MODEL_ID)
    assert "hf:o/r/f.gguf@main" == local.model_identity("hf:o/r/f.gguf")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, 8),
        ({"slots": 1}, 2),
        ({"limits": {"rpm": 5}}, 8),
        ({"slots": 3, "limits": {"concurrency": None}}, 6),
        ({"limits": {"concurrency": 64}}, 64),
    ],
)
def test_calls_in_flight_follow_the_slots(settings: dict[str, object], expected: int) -> None:
    """Unless a limit is set, two calls per slot are in flight: the slots are full and the queue is short."""
    local = Local.model_validate(settings)
    assert (expected, Local.model_validate(settings).limits.rpm) == (local.limits.concurrency, local.limits.rpm)


def test_the_context_decides_and_slots_do_not() -> None:
    """A larger context answers what was too long before, so it is another endpoint; speed is not."""
    assert Local().endpoint_identity() == Local(slots=1, threads=1).endpoint_identity()
    assert Local().deciding() == Local(slots=1, threads=1).deciding()
    assert Local().endpoint_identity() != Local(context=8192).endpoint_identity()


@pytest.mark.parametrize("settings", [{"slots": 0}, {"context": 1}, {"slots": "many"}, {"port": 1}])
def test_settings_that_cannot_be_are_refused(settings: dict[str, object]) -> None:
    """Values out of range and unknown keys are problems of the spec."""
    with pytest.raises(ValidationError):
        Local.model_validate(settings)
