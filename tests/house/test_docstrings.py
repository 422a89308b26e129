"""What is public says what it does; what is tested says what it promises."""

import ast
import importlib
import inspect
import types
from collections.abc import Iterator

import pytest

from tests.house.tree import functions, modules, syntax

METHODS = (types.FunctionType, classmethod, staticmethod)


def dotted(module: str) -> str:
    """`sdspec/cli/run.py` -> `sdspec.cli.run`"""
    return module.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def public(module: types.ModuleType) -> Iterator[tuple[str, object]]:
    """The public classes and functions that a module defines, and the public methods of those classes.

    The fields that a protocol asks for are left out: they are described where they are.
    """
    for name, value in vars(module).items():
        if name.startswith("_") or getattr(value, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value
        if inspect.isclass(value):
            kinds = METHODS if getattr(value, "_is_protocol", False) else (*METHODS, property)
            for inner, member in vars(value).items():
                if not inner.startswith("_") and isinstance(member, kinds):
                    yield f"{name}.{inner}", getattr(value, inner)


@pytest.mark.parametrize("path", [path for path in modules("sdspec") if not path.endswith("__main__.py")])
def test_public_things_are_documented(path: str) -> None:
    """A public class, function or method has a docstring, its own or that of the contract it fulfils."""
    module = importlib.import_module(dotted(path))
    assert [] == [name for name, value in public(module) if not inspect.getdoc(value)]


@pytest.mark.parametrize("path", [path for path in modules("tests") if path.rpartition("/")[2].startswith("test_")])
def test_tests_say_their_promise(path: str) -> None:
    """A test module says what it is about, and each test the promise it holds, on the first line."""
    tests = [(name, node) for name, node in functions(path) if node.name.startswith("test_")]
    silent = [name for name, node in [*tests, (path, syntax(path))] if not ast.get_docstring(node)]
    assert [] == silent
