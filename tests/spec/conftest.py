"""A project folder with files written by a test, and specs loaded as a user there would."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from sdspec.spec.load import load_spec
from sdspec.spec.spec import Spec


class Project:
    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    def spec(self, body: str, defaults: str = "", name: str = "x") -> str:
        """Writes specs/<name>.yaml on the custom template and says its name; the body begins in line 6."""
        lines = ["defaults:", "  - /sdspec", "  - override /template: custom", *defaults.splitlines(), "  - _self_"]
        lines += [""] * (5 - len(lines))
        self.write(f"specs/{name}.yaml", "\n".join(lines) + "\n" + textwrap.dedent(body).lstrip("\n"))
        return name

    def load(self, target: str | None = None, *overrides: str) -> Spec:
        return load_spec(target, overrides, cwd=self.path)

    def problems(self, target: str | None = None, *overrides: str) -> list[str]:
        return [str(problem) for problem in self.load(target, *overrides).problems]

    def right(self, target: str | None = None, *overrides: str) -> Spec:
        """The spec, which must be without problems."""
        spec = self.load(target, *overrides)
        assert [] == [str(problem) for problem in spec.problems]
        return spec


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)
