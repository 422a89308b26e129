"""Whatever is written, loading answers with problems."""

from __future__ import annotations

import tempfile
from pathlib import Path

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec.errors import SpecError
from sdspec.spec.load import load_spec

WORDS = (
    "name seed provider model providers models template workflow evaluation export engine kind id path output prompt "
    "parse checks seeds seeds_file examples variables size size_per_seed dedup train packer format temperature stop "
    "limits hydra defaults _replace_ api_key fake x"
)
NAMES = st.sampled_from(WORDS.split())
LEAVES = (
    st.sampled_from(["", "???", "${name}", "${x", "${model}", "${oc.env:HOME}", "${oc.env:NONE_X}", "\\${a}", "json"])
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
)
KEYS = NAMES | st.integers(0, 2) | st.booleans() | st.none()
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12
)
OVERRIDES = st.text(max_size=12) | st.builds(
    lambda sign, keys, value: f"{sign}{'.'.join(keys)}{value}",
    st.sampled_from(["", "+", "++", "~"]),
    st.lists(NAMES | st.just("0"), min_size=1, max_size=4),
    st.sampled_from(["", "=", "=1", "=abc", "=[1,2]", "={kind: x}", "=null", "=1,2", "=${name}", "=[{a: b}]", "=???"]),
)


@settings(max_examples=60, deadline=None)
@given(body=st.dictionaries(KEYS, VALUES, max_size=5), overrides=st.lists(OVERRIDES, max_size=4))
def test_never_breaks(body, overrides):
    """Any YAML mapping with any overrides gives a checked config and located problems, or a SpecError."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "s.yaml").write_text(yaml.safe_dump(body), encoding="utf-8")
        try:
            spec = load_spec("s.yaml", overrides, cwd=Path(folder))
        except SpecError as error:
            problems, config = error.problems, None
        else:
            problems, config = spec.problems, spec.config
    assert config is not None or problems
    assert all(problem.where and problem.what for problem in problems)
