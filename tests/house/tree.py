"""The repository as the house tests see it: its files, its modules, their syntax trees."""

import ast
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def files() -> tuple[Path, ...]:
    """Every file that is committed or would be, relative to the repository; needs git."""
    listed = subprocess.run(
        # a checkout may belong to another user than the one who runs the tests
        ["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    names = {Path(name) for name in listed.stdout.split("\0") if name}
    return tuple(sorted(name for name in names if (ROOT / name).is_file()))


def modules(*folders: str) -> list[str]:
    """The Python files below these folders, relative to the repository."""
    return [path.as_posix() for path in files() if path.suffix == ".py" and path.parts[0] in folders]


@cache
def syntax(module: str) -> ast.Module:
    """The syntax tree of a Python file."""
    return ast.parse((ROOT / module).read_text(encoding="utf-8"), module)


def functions(module: str) -> Iterator[tuple[str, Function]]:
    """Every function of a module, methods and inner ones too, by its dotted name."""

    def walk(node: ast.AST, name: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            named = isinstance(child, Function | ast.ClassDef)
            inner = f"{name}.{child.name}".lstrip(".") if named else name
            if isinstance(child, Function):
                yield inner, child
            yield from walk(child, inner)

    return walk(syntax(module), "")
