"""The check `python` without running: where the code is, that it compiles, what ruff finds, and what settings mean."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sdspec.checks.python import Python
from sdspec.engine.workers import Workers
from sdspec.errors import PrerequisiteError

GOOD = 'def add(a, b):\n    """The sum."""\n    return a + b\n'


def said(value, **options):
    """`ok`, or `reason: detail`."""
    verdict = Python(column="solution", **options).examine(value)
    return "ok" if verdict.ok else f"{verdict.reason}: {verdict.detail}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (GOOD, "ok"),
        ("def f(:\n    pass", "python_syntax: line 1: invalid syntax"),
        ("def f():\nreturn 1", "python_syntax: line 2: expected an indented block after function definition on line 1"),
        ("x = 1\nreturn x", "python_syntax: line 2: 'return' outside function"),
        ("x = '\0'", "python_syntax: source code string cannot contain null bytes"),
        ("Sure, here is the code.", "python_syntax: line 1: invalid syntax"),
        ("(" * 300, "python_syntax: line 1: too many nested parentheses"),
        ("-" * 200_000 + "1", "python_syntax: nested too deeply"),
        (
            "\udc80",
            "python_syntax: 'utf-8' codec can't encode character '\\udc80' in position 0: surrogates not allowed",
        ),
        ("print('\\d')", "ok"),
        ("", "python_no_code: no statement"),
        ("# only a comment", "python_no_code: no statement"),
        (None, "python_not_text: NoneType instead of text"),
        ([GOOD], "python_not_text: list instead of text"),
    ],
    ids=repr,
)
def test_code_compiles_or_the_line_is_named(text, expected):
    """What Python itself says of it, with the line; a warning is no error."""
    assert said(text).startswith(expected)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sure:\n\n```python\nx = 1\nprint(x)\n```\nDone.", "ok"),
        ("```py\r\nx = 1\r\n```\r\n", "ok"),
        ("~~~~Python3 title='a'\nx = 1\n~~~~", "ok"),
        ("1. First\n\n   ```python\n   def f():\n       return 1\n   ```\n", "ok"),
        ("```\nx = 1\n```", "ok"),
        ("```python\nx = 1\n```\nthen\n```python\nprint(x)\n```", "ok"),
        ("```python\nx = 1", "ok"),
        ("```python\nx = 1\n```\n```\n$ pip install x\n```", "ok"),
        ("Text\n```python\nx = 1\nprint(y)\n```", "python_lint: F821 line 4: Undefined name `y`"),
        ("Text\n```python\nif x\n```", "python_syntax: line 3: expected ':'"),
        ("```sql\nSELECT 1\n```", "python_syntax: line 1: invalid syntax"),
        ("```python\n```", "python_no_code: no statement"),
        ('def f():\n    """Use:\n\n    ```python\n    g(1)\n    ```\n    """\n    return 1\n', "ok"),
    ],
    ids=repr,
)
def test_markdown_is_read_as_its_code_blocks(text, expected):
    """Blocks that are Python are one program; what is said of it counts the lines of the whole text."""
    assert said(text) == expected


def test_where_the_code_is_can_be_said():
    """extract: code takes no block, fences nothing else."""
    fenced = f"```python\n{GOOD}```"
    assert said(fenced, extract="code") == "python_syntax: line 1: invalid syntax"
    assert said(fenced, extract="fences") == "ok"
    assert said(GOOD, extract="fences") == "python_no_code: no Python code block"
    assert said("```sql\nSELECT 1\n```", extract="fences") == "python_no_code: no Python code block"


def test_findings_of_ruff():
    """The first finding is the detail, all are evidence; by default only what fails when it is run."""
    check = Python(column="solution")
    verdict = check.examine("import os\nl = 1\nprint(name, other)\nif l is 'x': pass\n")
    assert (verdict.reason, verdict.detail) == ("python_lint", "F821 line 3: Undefined name `name` (and 2 more)")
    assert [finding.split(":")[0] for finding in verdict.evidence["findings"]] == [
        "F821 line 3",
        "F821 line 3",
        "F632 line 4",
    ]
    assert check.examine(GOOD).evidence == {"lines": 3, "functions": 1, "classes": 0}


def test_rules_can_be_chosen():
    """Any rules of ruff's, or none; what a text says of its own findings does not count."""
    assert said("import os\n", lint=["F"]) == "python_lint: F401 line 1: `os` imported but unused"
    assert said("import os  # noqa\n", lint=["F401"]) == "python_lint: F401 line 1: `os` imported but unused"
    assert said("# ruff: noqa\nprint(x)\n").startswith("python_lint: F821 line 2")
    assert said("print(x)", lint=None) == said("print(x)", lint=[]) == "ok"


def test_a_project_around_does_not_matter(tmp_path, monkeypatch):
    """No ruff.toml, .gitignore or RUFF variable of where it is started changes a verdict."""
    (tmp_path / "ruff.toml").write_text('lint.ignore = ["F821"]\nexclude = ["*.py"]\n')
    (tmp_path / ".gitignore").write_text("*\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert said("print(x)").startswith("python_lint: F821")


def test_what_the_code_must_hold():
    """A function, a class, a docstring on each of them at the top level; all that is missing is named."""
    assert said(GOOD, require=["function", "docstring"]) == "ok"
    assert said("x = 1", require=["function", "class"]) == "python_missing: no function and no class"
    assert said("def f(): pass", require=["docstring"]) == "python_missing: no docstring"
    assert said("class A:\n    'A.'\n    def f(self): pass", require=["function", "class", "docstring"]) == "ok"


TEXTS = st.sampled_from([GOOD, "print(x)", "if", "", "```python\nprint(y)\n```", "import os", "x = 1", None])


@settings(max_examples=20)
@given(st.lists(TEXTS, max_size=12))
def test_a_batch_says_what_each_would_hear_alone(values):
    """Law 5: verdicts do not depend on what is examined with them."""
    check = Python(column="solution")
    alone = {repr(value): check.examine(value) for value in set(values)}
    assert check.examine_many(values) == [alone[repr(value)] for value in values]


async def test_in_a_worker():
    """Workers give it what waits, together."""
    workers = Workers(1)
    try:
        check = Python(column="solution")
        found = [await workers.examine(check, text) for text in (GOOD, "print(x)")]
    finally:
        await workers.close()
    assert [verdict.reason for verdict in found] == ["", "python_lint"]


def test_a_rule_that_ruff_does_not_know_ends_the_run():
    """By its form it may be one, so that only ruff can tell: with an error that names it, not row by row."""
    check = Python(column="solution", lint=("F", "QQQ1"))
    assert check.problems({}) == []
    with pytest.raises(PrerequisiteError, match=r"ruff [\d.]+ does not take these rules for lint: .*`QQQ1`"):
        check.examine(GOOD)


def test_problems_of_settings():
    """What cannot be a rule is found before a run."""
    assert Python(column="solution", lint=("ASYNC210", "ALL", "C4")).problems({}) == []
    assert Python(column="solution", lint=("undefined-name", "F82")).problems({}) == [
        "lint: 'undefined-name' is no rule of ruff's: F821 is one, F82 and F are prefixes of it."
    ]


@pytest.mark.parametrize(
    "options", [{"extract": "markdown"}, {"require": ["tests"]}, {"timeout_s": 60}, {"memory_mb": 1}, {"lints": []}]
)
def test_settings_are_checked(options):
    """A value that cannot be meant, or a key that there is not, is an error."""
    with pytest.raises(ValidationError):
        Python(column="solution", **options)


def test_versions_decide():
    """Another ruff or Python may see it otherwise; ruff's version counts only where ruff is asked."""
    assert {"ruff", "python"} <= Python(column="x").deciding().keys()
    assert "ruff" not in Python(column="x", lint=None).deciding()
