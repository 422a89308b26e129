"""Check `python`: a column's text is Python that compiles, that ruff has nothing to say of, and that runs, if asked to.

`run` executes what a model wrote: in a process of its own, under limits, as far apart from this machine as it allows.
How far that is stands in each verdict's evidence, under `isolation`.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar, Literal

import orjson
from pydantic import Field

from sdspec.contracts import Check, Verdict
from sdspec.errors import PrerequisiteError

Thing = Literal["function", "class", "docstring"]

RUFF_TIMEOUT_S = 30.0
SHOWN_FINDINGS = 20
"""Of ruff's findings, in a verdict's evidence."""
SHOWN_OUTPUT = 1000
"""Characters of what the code prints, in a verdict's evidence."""

_SELECTOR = re.compile(r"ALL|[A-Z]{1,5}[0-9]{0,4}")
_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})[ \t]*(?P<language>[\w+-]*)[^`\n]*$")
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_DEFINITIONS = (*_FUNCTIONS, ast.ClassDef)
_PYTHON = {"python", "py", "python3", "py3"}


class Python(Check):
    """Compiles, lints and, if asked to, runs the code; line numbers are those of the column's text."""

    in_process: ClassVar[bool] = False
    batch: ClassVar[int] = 8
    """One call of ruff costs 8 ms, whatever it is given; eight runs to their time limit are less than a worker may."""

    extract: Literal["auto", "code", "fences"] = Field(
        "auto",
        description="Where the code is. code: the whole text. fences: the Python code blocks of a Markdown text, as "
        "one program. auto: the whole text if it is Python, else its code blocks.",
    )
    require: tuple[Thing, ...] = Field(
        (),
        description="What the code must hold: function, class, docstring (one on each of them at the top level).",
    )
    lint: tuple[str, ...] | None = Field(
        ("E9", "F63", "F7", "F82"),
        description="ruff's rules or prefixes of them; a finding is a reject. The default finds what fails when it is "
        "run, undefined names above all. null: none.",
    )
    run: bool = Field(
        False,
        description="true: the code is executed, in a process of its own without network, files and keys, as far as "
        "the machine allows; an uncaught exception is a reject.",
    )
    timeout_s: float = Field(3.0, gt=0, le=6, description="Time that the code may take when it runs, in seconds.")
    memory_mb: int = Field(512, ge=64, le=16384, description="Memory that the code may take when it runs.")

    def deciding(self) -> dict[str, Any]:
        """With the versions of Python and ruff: others may see an error where these see none."""
        linted = {"ruff": _ruff_version()} if self.lint else {}
        return {**super().deciding(), **linted, "python": f"{sys.version_info.major}.{sys.version_info.minor}"}

    def problems(self, constants: Mapping[str, Any]) -> list[str]:
        """Rules that cannot be ruff's by their form; one that ruff does not know ends the run at its first row."""
        found = [
            f"lint: {rule!r} is no rule of ruff's: F821 is one, F82 and F are prefixes of it."
            for rule in self.lint or ()
            if not _SELECTOR.fullmatch(rule)
        ]
        if self.run and sys.platform == "win32":
            found.append("run: code cannot be executed on Windows: its process could not be limited.")
        return found

    def examine(self, value: Any) -> Verdict:
        return self.examine_many([value])[0]

    def examine_many(self, values: Sequence[Any]) -> list[Verdict]:
        """Those that compile are linted in one call of ruff; those without a finding run, one after the other."""
        read = [self._read(value) for value in values]
        sound = [one for one in read if isinstance(one, _Code)]
        findings = iter(_linted([one.text for one in sound], self.lint or ()))
        return [one if isinstance(one, Verdict) else self._verdict(one, next(findings)) for one in read]

    def _read(self, value: Any) -> _Code | Verdict:
        """The code, or why there is none."""
        if not isinstance(value, str):
            return Verdict(False, "python_not_text", f"{type(value).__name__} instead of text")
        tree = _parsed(value) if self.extract != "fences" else None
        text = value
        if not isinstance(tree, ast.Module) and self.extract != "code":
            fenced = _fenced(value)
            if fenced is None and tree is None:
                return Verdict(False, "python_no_code", "no Python code block")
            if fenced is not None:
                text, tree = fenced, _parsed(fenced)
        if not isinstance(tree, ast.Module):
            return Verdict(False, "python_syntax", tree or "")
        code = _Code(text, tree)
        if not tree.body:
            return Verdict(False, "python_no_code", "no statement", code.evidence())
        if missing := [thing for thing in self.require if not code.has(thing)]:
            return Verdict(False, "python_missing", f"no {' and no '.join(missing)}", code.evidence())
        return code

    def _verdict(self, code: _Code, findings: list[str]) -> Verdict:
        evidence = code.evidence()
        if findings:
            evidence["findings"] = findings[:SHOWN_FINDINGS]
            more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
            return Verdict(False, "python_lint", findings[0] + more, evidence)
        if not self.run:
            return Verdict(True, evidence=evidence)
        from sdspec.sandbox.child import Limits
        from sdspec.sandbox.execute import execute, strongest
        from sdspec.sandbox.outcome import failure

        limits, isolation = Limits(self.timeout_s, self.memory_mb), strongest()
        ended = execute(code.text.encode(), limits, isolation)
        evidence["output"] = ended.output.decode("utf-8", "replace")[:SHOWN_OUTPUT]
        evidence["isolation"] = isolation.words()
        failed = failure(ended, limits)
        if failed is None:
            return Verdict(True, evidence=evidence)
        return Verdict(False, f"python_{failed.reason}", failed.detail, evidence)


@dataclass(frozen=True, slots=True)
class _Code:
    """Code that compiles; its lines are where they are in the column's text."""

    text: str
    tree: ast.Module

    def evidence(self) -> dict[str, Any]:
        lines = sum(1 for line in self.text.splitlines() if line.strip())
        return {"lines": lines, "functions": self._count(*_FUNCTIONS), "classes": self._count(ast.ClassDef)}

    def has(self, thing: Thing) -> bool:
        if thing == "docstring":
            defined = [one for one in self.tree.body if isinstance(one, _DEFINITIONS)]
            return all(ast.get_docstring(one) for one in defined)
        return bool(self._count(*_FUNCTIONS) if thing == "function" else self._count(ast.ClassDef))

    def _count(self, *types: type[ast.stmt]) -> int:
        return sum(isinstance(node, types) for node in ast.walk(self.tree))


def _parsed(text: str) -> ast.Module | str:
    """The tree of a text that compiles as a program, or what is wrong with it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
            compile(tree, "answer", "exec", dont_inherit=True)  # sees more than parsing: `return` outside of a function
    except SyntaxError as error:
        return f"line {error.lineno}: {error.msg}" if error.lineno else error.msg
    except (ValueError, RecursionError, MemoryError, OverflowError) as error:
        return str(error) or "nested too deeply"
    return tree


def _fenced(text: str) -> str | None:
    """The Python code blocks of a Markdown text, all else blank: every line keeps its number. None without a block.

    Blocks without a language count where no block names Python; one that is not closed goes on to the end.
    """
    all_lines = text.replace("\r\n", "\n").split("\n")
    blocks: dict[bool, list[tuple[int, str]]] = {True: [], False: []}
    fence = indent = ""
    inside: list[tuple[int, str]] | None = None
    found = False
    for number, line in enumerate(all_lines):
        if not fence:
            if opening := _FENCE.match(line):
                fence, indent = opening["fence"], opening["indent"]
                language = opening["language"].lower()
                inside = blocks[language in _PYTHON] if not language or language in _PYTHON else None
                found |= inside is not None
        elif line.strip().startswith(fence) and not line.strip().strip(fence[0]):
            fence = ""
        elif inside is not None:
            inside.append((number, line.removeprefix(indent)))
    if not found:
        return None
    lines = [""] * len(all_lines)
    for number, line in blocks[True] or blocks[False]:
        lines[number] = line
    return "\n".join(lines)


def _linted(texts: Sequence[str], rules: Sequence[str]) -> list[list[str]]:
    """What ruff finds in each text: `F821 line 3: Undefined name x`."""
    found: list[list[str]] = [[] for _ in texts]
    if not texts or not rules:
        return found
    with tempfile.TemporaryDirectory(prefix="sdspec-") as folder:
        names = [f"answer_{number}.py" for number in range(len(texts))]
        for name, text in zip(names, texts, strict=True):
            (Path(folder) / name).write_text(text, encoding="utf-8", newline="\n")
        for finding in _ruff(folder, names, rules):
            where = names.index(Path(finding["filename"]).name)
            found[where].append(f"{finding['code']} line {finding['location']['row']}: {finding['message']}")
    return found


def _ruff(folder: str, names: Sequence[str], rules: Sequence[str]) -> list[dict[str, Any]]:
    """The answers' own `noqa` does not count, nor does any configuration."""
    target = f"py{sys.version_info.major}{sys.version_info.minor}"
    words = ["check", "--isolated", "--no-cache", "--no-respect-gitignore", "--ignore-noqa", "--exit-zero", "--quiet"]
    words += ["--output-format", "json", "--target-version", target, "--select", ",".join(rules), *names]
    done = subprocess.run(
        [_ruff_program(), *words], cwd=folder, capture_output=True, timeout=RUFF_TIMEOUT_S, check=False
    )
    if done.returncode == 0:
        findings: list[dict[str, Any]] = orjson.loads(done.stdout)
        return findings
    said = done.stderr.decode("utf-8", "replace").strip()
    if unknown := re.search(r"Unknown rule selector.*", said):
        what = f"ruff {_ruff_version()} does not take these rules for lint: {unknown.group()}"
        raise PrerequisiteError(f"check python: {what}. `ruff rule --all` lists them.")
    raise RuntimeError(f"ruff failed: {said}")


@cache
def _ruff_program() -> str:
    try:
        from ruff.__main__ import find_ruff_bin

        return str(find_ruff_bin())
    except (ImportError, FileNotFoundError) as missing:
        raise _no_ruff() from missing


@cache
def _ruff_version() -> str:
    try:
        return version("ruff")
    except PackageNotFoundError as missing:
        raise _no_ruff() from missing


def _no_ruff() -> PrerequisiteError:
    return PrerequisiteError(
        "check python: ruff is not installed as it should be. `pip install --force-reinstall ruff` mends that; "
        "`lint: null` does without."
    )
