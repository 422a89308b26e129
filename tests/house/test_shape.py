"""The shape of the code: sizes, names, empty package files. What must differ says why, here."""

import pytest

from tests.house.tree import ROOT, functions, modules

MODULE_LINES = 400
FUNCTION_LINES = 60

LONG: dict[str, str] = {}
"""`path` or `path::Class.function` -> why it is longer than the rest."""

NOT_EMPTY = {"sdspec/__init__.py": "`sdspec.load` and its kin, imported when first used"}
"""Package files with something in them -> why."""

NAMELESS = {"base", "common", "handler", "handlers", "helper", "helpers", "manager", "misc", "service", "util", "utils"}
"""Names that say nothing of what is inside."""

MODULES = modules("sdspec", "tests")


def too_long() -> dict[str, int]:
    """Every module and function beyond the limits, with its lines."""
    found = {}
    for module in MODULES:
        lines = len((ROOT / module).read_text(encoding="utf-8").splitlines())
        if lines > MODULE_LINES:
            found[module] = lines
        for name, function in functions(module):
            lines = (function.end_lineno or function.lineno) - function.lineno + 1
            if lines > FUNCTION_LINES:
                found[f"{module}::{name}"] = lines
    return found


def test_long_modules_and_functions_are_listed_with_a_reason() -> None:
    """A module over 400 lines or a function over 60 needs a reason, and a reason that is no longer needed goes."""
    assert LONG.keys() == too_long().keys()


def test_package_files_are_empty() -> None:
    """`__init__.py` holds nothing: what a name means stands in one place."""
    full = {module for module in MODULES if module.endswith("__init__.py") and (ROOT / module).read_text().strip()}
    assert NOT_EMPTY.keys() == full


@pytest.mark.parametrize("module", MODULES)
def test_names_say_what_is_inside(module: str) -> None:
    """No module or folder is called utils, helpers, base or the like."""
    words = {word for part in module.removesuffix(".py").split("/") for word in part.split("_")}
    assert set() == words & NAMELESS
