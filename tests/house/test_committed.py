"""What is committed works on another machine: it names no package registry and no place of this one."""

import re
import tomllib
from pathlib import Path

import pytest

from tests.house.test_owners import normal
from tests.house.tree import ROOT, files

REGISTRY = re.compile(
    r"(?:pypi[.]org|pythonhosted[.]org|registry[.]npmjs|https?://[^\s\"'<>]+/simple\b|--(?:extra-)?index-url|find[-]links)"
)
HOME = re.compile(r"(?:/(?:home|Users)/|[A-Z]:\\+Users\\+)\w+|/(?:root)/\w")

HERE = re.compile(re.escape(f"{ROOT}/"))

PINNED = re.compile(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.+!]*")


@pytest.mark.parametrize("pattern", [REGISTRY, HOME, HERE], ids=["registry", "home", "here"])
def test_no_file_names_a_machine(pattern: re.Pattern[str]) -> None:
    """No file holds a registry's address, a home folder's path, or the path of this checkout."""
    found = []
    for path in files():
        text = (ROOT / path).read_bytes().decode("utf-8", "replace")
        found += [f"{path}: {match.group()}" for match in pattern.finditer(text)]
    assert [] == found


def pins() -> list[str]:
    """The lines of constraints.txt without its comments."""
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_constraints_only_pin() -> None:
    """constraints.txt holds `name==version` lines, each name once, in order: no address, no hash, no path."""
    names = [normal(pin.partition("==")[0]) for pin in pins()]
    assert [] == [pin for pin in pins() if not PINNED.fullmatch(pin)]
    assert sorted(set(names)) == sorted(names)


def test_constraints_pin_every_dependency() -> None:
    """Each dependency of pyproject.toml, the extras' and the build's too, has its version in constraints.txt."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text())
    lines = [*data["project"]["dependencies"], *data["build-system"]["requires"]]
    for extra in data["project"]["optional-dependencies"].values():
        lines += extra
    wanted = {normal(re.split(r"[<>=!~\[; ]", line)[0]) for line in lines}
    # pip is left to the environment: constraints.txt says why
    assert {"pip"} == wanted - {normal(pin.partition("==")[0]) for pin in pins()}


def options() -> list[Path]:
    """Every YAML file that users read first: the options of each group, and the example specs."""
    return [path for path in files() if path.suffix == ".yaml" and path.parts[0] in ("conf", "specs")]


@pytest.mark.parametrize("path", options(), ids=str)
def test_an_option_says_what_it_is_for(path: Path) -> None:
    """A YAML option starts with a comment: its purpose, then a command that uses it."""
    header = []
    for line in (ROOT / path).read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# @package"):
            header.append(line.lstrip("# "))
    assert len(header) >= 2, "purpose and command"
    assert [] != [line for line in header[1:] if line.startswith("sdspec ")]
