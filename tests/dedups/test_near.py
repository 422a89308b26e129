"""Near deduplication: which rows repeat each other, and that nothing but the rows decides it."""

import os
import random
import subprocess
import sys
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sdspec
from sdspec import api
from sdspec.dedups.exact import Exact
from sdspec.dedups.near import Lanes, Near, band_rows
from sdspec.rows import row_id
from sdspec.spec.load import load_spec
from tests.recipes import counts, run_spec, write_spec

TEXT = "A river carries water from the hills to the sea, and what it carries it lays down where it slows."


def repeats(dedup, rows):
    """For each row the position of the earlier row that it repeats."""
    names = [row_id("item", number) for number in range(len(rows))]
    index = dedup.index()
    found = [index.seen(row, name) for row, name in zip(rows, names, strict=True)]
    return [None if one is None else names.index(one.row) for one in found]


def texts(*values):
    return [{"q": value} for value in values]


def planted(words, changed, seed=0):
    """A text of so many made-up words, and the same with so many of them replaced."""
    draw = random.Random(seed)
    text = ["".join(draw.choices("abcdefghijklmnop", k=7)) for _ in range(words)]
    other = list(text)
    for place in draw.sample(range(words), changed):
        other[place] = "".join(draw.choices("qrstuvwxyz", k=7))
    return " ".join(text), " ".join(other)


def similarity(one, other, ngram=5):
    """The Jaccard similarity of the shingles of two texts, computed from the sets."""
    a, b = ({text[at : at + ngram] for at in range(len(text) - ngram + 1)} for text in (one, other))
    return len(a & b) / len(a | b)


def test_small_changes_repeat_and_others_do_not():
    """Case, spaces and a word here or there make no new row; another text does."""
    changed = TEXT.replace("hills", "mountains")
    rows = texts(TEXT, f"  {TEXT.upper()}\n", changed, "Copper is soft, and carries heat and current well.", TEXT)
    assert repeats(Near(columns=("q",), threshold=0.7), rows) == [None, 0, 0, None, 0]


def test_a_repeat_names_the_row_and_the_similarity():
    """The detail has the earlier row's id, how similar it is and the threshold; the reason is its own."""
    index = Near(columns=("q", "a"), threshold=0.7).index()
    first = row_id("item", 0)
    assert index.seen({"q": TEXT, "a": "yes"}, first) is None
    repeat = index.seen({"q": TEXT, "a": "yes"}, row_id("item", 1))
    assert (first, "near_duplicate") == (repeat.row, repeat.reason)
    assert repeat.detail == f"row {first} is 1.00 similar in q, a (threshold 0.7)"


def test_the_most_similar_row_is_named_and_the_first_of_equals():
    """Of several rows that are similar enough the nearest is named."""
    far, near = TEXT.replace("water", "sand"), TEXT + " So"
    index = Near(columns=("q",), threshold=0.95).index()
    names = [row_id("item", number) for number in range(4)]
    assert [index.seen({"q": text}, name) for text, name in zip((far, TEXT), names, strict=False)] == [None, None]
    low = Near(columns=("q",), threshold=0.5)
    assert repeats(low, texts(far, "something else entirely", near)) == [None, None, 0]
    assert index.seen({"q": near}, names[2]).row == names[1]


@pytest.mark.parametrize(
    ("unit", "values", "expected"),
    [
        ("chars", ["", "  ", None, "a", "A ", "b"], [None, 0, 0, None, 3, None]),
        ("words", ["", "one", "one two", "One  Two", "one two three"], [None, None, None, 2, None]),
        ("chars", [7, "7", 7.0, True, "true"], [None, 0, None, None, 3]),
        ("words", [["a b", "c"], ["a  B", "c"], '["a b","c"]', {"k": 1}, {"k": 1}], [None, 0, 0, None, 3]),
    ],
)
def test_short_texts_and_other_values(unit, values, expected):
    """A text shorter than a shingle is one; null is the empty text, other values are their JSON text."""
    assert repeats(Near(columns=("q",), unit=unit), texts(*values)) == expected


@pytest.mark.parametrize(
    ("normalize", "expected"), [("none", [None, None, None]), ("space", [None, 0, None]), ("case", [None, 0, 0])]
)
def test_normalisation_is_that_of_exact(normalize, expected):
    """For texts of one shingle `near` and `exact` agree about what is equal."""
    rows = texts("a b", "a  b\n", "A b")
    assert repeats(Near(columns=("q",), normalize=normalize), rows) == expected
    assert repeats(Exact(columns=("q",), normalize=normalize), rows) == expected


def test_columns_have_shingles_of_their_own():
    """What stands in another column is not the same; columns that are not named do not count."""
    one, other = "What is a river for?", "It carries water to the sea."
    rows = [{"q": one, "a": other, "n": 1}, {"q": other, "a": one, "n": 1}, {"q": one, "a": other, "n": 2}]
    assert repeats(Near(columns=("q", "a")), rows) == [None, None, 0]


@given(st.lists(st.text(max_size=60), max_size=12), st.sampled_from(["chars", "words"]), st.integers(1, 8))
@settings(deadline=None)
def test_equal_texts_are_always_found(values, unit, ngram):
    """Whatever the texts, the second pass over the same rows finds each of them."""
    index = Near(columns=("q",), unit=unit, ngram=ngram, threshold=1.0).index()
    for number, value in enumerate(values):
        index.seen({"q": value}, row_id("item", number))
    assert all(index.seen({"q": value}, row_id("again", 0)) is not None for value in values)


@given(st.integers(1, 25), st.integers(0, 2**32))
@settings(max_examples=30, deadline=None)
def test_a_lower_threshold_refuses_more(changed, seed):
    """A pair that is refused at a threshold is refused at each lower one."""
    refused = [
        repeats(Near(columns=("q",), threshold=step / 20), texts(*planted(40, changed, seed)))[1] == 0
        for step in range(6, 21)
    ]
    assert all(low or not high for low, high in pairwise(refused))


@pytest.mark.parametrize("changed", [1, 3, 8])
def test_the_similarity_is_about_the_true_one(changed):
    """The mean estimate over many pairs is the Jaccard similarity of their shingles, within three standard errors."""
    pairs = [planted(60, changed, seed) for seed in range(40)]
    true = sum(similarity(*pair) for pair in pairs) / len(pairs)
    found = 0.0
    for one, other in pairs:
        index = Near(columns=("q",), threshold=0.2, num_perm=256).index()
        index.seen({"q": one}, row_id("item", 0))
        found += float(index.seen({"q": other}, row_id("item", 1)).detail.split()[3]) / len(pairs)
    assert found == pytest.approx(true, abs=3 * (0.25 / 256 / len(pairs)) ** 0.5)


def test_planted_repeats_are_found_among_thousands():
    """Rows well above the threshold are found, each with its own original, and no other row is refused."""
    pairs = [planted(60, 1, seed) for seed in range(1500)]
    originals, copies = zip(*pairs, strict=True)
    found = repeats(Near(columns=("q",)), texts(*originals, *copies))
    assert found == [None] * 1500 + list(range(1500))


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), max_size=40))
@settings(max_examples=40)
def test_segments_do_not_decide(rows):
    """However many segments the rows stand in, the same rows are refused for the same earlier ones."""
    same = texts(*(f"{planted(12, 1, seed)[0]} {'word ' * changed}" for seed, changed in rows))
    near = Near(columns=("q",), threshold=0.7)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("sdspec.dedups.near.FIRST_ROWS", 1)
        patched.setattr("sdspec.dedups.near.GROWTH", 1)
        in_many = repeats(near, same)
    assert in_many == repeats(near, same)


@pytest.mark.parametrize(("threshold", "width"), [(0.5, 4), (0.7, 4), (0.8, 8), (0.95, 16), (1.0, 32), (0.1, 1)])
def test_bands_follow_the_threshold(threshold, width):
    """The widest band is taken that still finds most pairs as similar as the threshold."""
    assert band_rows(threshold, 128) == width


@given(st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 65535)), min_size=1, max_size=40))
def test_equal_numbers_are_counted(pairs):
    """All 16-bit numbers at once are compared as one by one."""
    one, other = (b"".join(number.to_bytes(2, "little") for number in side) for side in zip(*pairs, strict=True))
    assert Lanes(len(pairs)).equal(one, other) == sum(a == b for a, b in pairs)


SIGNATURES = """
from sdspec.dedups.near import Near
index = Near(columns=("q", "a")).index()
print([index.seen({"q": f"text {n % 7} of many", "a": ["x", n % 5]}, f"{n:016x}") for n in range(40)])
print(index._signature({"q": "Der Fluß trägt Wasser.", "a": None}).hex())
"""


def test_signatures_are_the_same_in_every_process():
    """Python's random hash seed has no part in it."""
    told = {
        subprocess.run(
            [sys.executable, "-c", SIGNATURES],
            env={**os.environ, "PYTHONHASHSEED": seed},
            cwd=Path(__file__).parents[2],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1
    assert "near_duplicate" in told.pop()


def test_the_library_and_the_seed_decide():
    """Another version of the library, or another seed, is another step."""
    assert Near().deciding()["rensa"] == version("rensa")
    assert Near(seed=1).deciding() != Near(seed=2).deciding()


CHANGES = {
    "template": {
        "checks": [],
        "fake": {
            "question": "What of {{ seed }} in a {{ mood }} mood, seen from the {{ ['north', 'south'][n % 2] }}?",
            "answer": "It is {{ mood }} {{ n % 3 }}.",
        },
    },
    "workflow": {"size": 14, "dedup": {"kind": "near", "columns": ["question"], "threshold": 0.7}},
}


def test_the_rows_do_not_depend_on_concurrency(tmp_path):
    """Law 5: one call at a time or many, the same rows are kept, and each reject names an earlier kept row."""
    runs = [
        run_spec(
            write_spec(tmp_path, CHANGES),
            f"engine.concurrency={concurrency}",
            "+provider.latency_s=0.002",
            outputs=tmp_path / str(concurrency),
        )
        for concurrency in (1, 16)
    ]
    one, many = ([row["_row_id"] for row in run.rows().to_pylist()] for run in runs)
    assert one == many
    assert counts(runs[0])["rejected"] == counts(runs[1])["rejected"]
    assert set(counts(runs[0])["rejected"]) == {"near_duplicate"}


def test_an_override_switches_exact_to_near(tmp_path):
    """Naming another kind on the command line replaces the spec's dedup, with the keys that follow."""
    path = write_spec(tmp_path, {"workflow": {"dedup": {"kind": "exact", "normalize": "none"}}})
    overrides = ["workflow.dedup.kind=near", "workflow.dedup.threshold=0.7"]
    plan = sdspec.compile(sdspec.load(path, overrides, cwd=tmp_path))
    assert plan.steps[-1].part == Near(columns=("question", "answer"), threshold=0.7)


@pytest.mark.parametrize(
    ("dedup", "said"),
    [
        ("{kind: near, treshold: 0.7}", "unknown key for kind 'near'. Did you mean 'threshold'?"),
        ("{kind: near, threshold: 70}", "70 is not valid: input should be less than or equal to 1."),
        ("{kind: near, num_perm: 100}", "100 is not valid: input should be a multiple of 32."),
        ("{kind: near, columns: [questoin]}", "no step writes column 'questoin'. Did you mean 'question'?"),
    ],
)
def test_mistakes_are_told_with_their_line(tmp_path, dedup, said):
    """A wrong key of the dedup is a problem at its line."""
    (tmp_path / "s.yaml").write_text(
        "defaults: [/sdspec, {override /template: custom}, {override /provider: fake}, _self_]\n"
        f"name: s\nworkflow:\n  dedup: {dedup}\n"
    )
    (problem,) = api.check(load_spec("s.yaml", cwd=tmp_path))
    assert problem.where.startswith("s.yaml:4:")
    assert said in str(problem)
