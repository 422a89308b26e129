"""What the README and the pages of docs/ show works as it stands: specs, commands, and the table of options."""

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sdspec.registry import SHELVES, kinds
from tests.recipes import cli_here
from tests.servers.openai import Behaviour, openai_server_in_thread

ROOT = Path(__file__).parents[2]
PATH = ROOT / "README.md"
PAGES = sorted([PATH, *(ROOT / "docs").glob("*.md")])
TABLE = re.compile(r"(?<=<!-- options: written from conf/ by tests/cli/test_readme.py -->\n).*?(?=\n\n)", re.DOTALL)
SERVED = "http://localhost:8000/v1"
"""Where the README takes a server to be."""
ELSEWHERE = ("python3 -m venv", ".venv/bin/")
"""Beginnings of commands that .ci/run and the slow tests run, since they install, or need the embedded model."""
LASTING = "eval "
"""Commands for a shell's start-up file."""


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)


def commands(page: Path) -> list[str]:
    """The lines of all shell blocks, without their comments."""
    lines = [re.split(r"\s#\s", line)[0].strip() for block in blocks(page, "bash") for line in block.splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def write_specs(page: Path, folder: Path) -> None:
    """Each spec of the page is where its first line says."""
    for text in blocks(page, "yaml"):
        path = folder / text.removeprefix("# ").partition(":")[0]
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_works_in_its_order(tmp_path: Path, page: Path) -> None:
    """Each `sdspec` command of a page ends with exit code 0 and says something, one after the other."""
    folder, ran, said = tmp_path, [], itertools.count()
    write_specs(page, folder)

    def answer(body: dict[str, Any]) -> str:
        return json.dumps({"question": f"What of no. {next(said)}?", "answer": "It holds."})

    with openai_server_in_thread(Behaviour(answer=answer)) as server:
        for line in commands(page):
            if line.startswith((*ELSEWHERE, LASTING)):
                continue
            words = shlex.split(line.replace(SERVED, server.base_url))
            assert words[0] == "sdspec", line
            words = [row_of(folder) if word == "ROW_ID" else word for word in words]
            done = cli_here(folder, *words[1:])
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
            assert done.stdout
            ran.append(words[1])
    assert "run" in ran
    if page == PATH:
        rest = {"new", "check", "preview", "explain", "plan", "show", "row", "runs", "export", "schema"}
        assert rest <= set(ran)


def row_of(folder: Path) -> str:
    """The id of a row of the last run."""
    import pyarrow.parquet as pq

    last = max(folder.glob("outputs/*/**/rows.parquet"), key=os.path.getmtime)
    return str(pq.read_table(last)["_row_id"][0])


def test_the_python_block_works(tmp_path: Path) -> None:
    """The Python of the README runs beside its first spec."""
    write_specs(PATH, tmp_path)
    python = subprocess.run(
        [sys.executable, "-c", blocks(PATH, "python")[0]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert python.returncode == 0, python.stderr
    assert "12 rows wanted over 3 seeds" in python.stdout


def test_the_table_of_options_is_that_of_conf() -> None:
    """Each option stands in the README with the first line of its file; SDSPEC_UPDATE_GOLDENS writes the table."""
    wanted = "\n".join(["| group | option | |", "|---|---|---|", *option_lines()])
    if os.environ.get("SDSPEC_UPDATE_GOLDENS"):
        PATH.write_text(TABLE.sub(lambda _: wanted, PATH.read_text()))
    found = TABLE.search(PATH.read_text())
    assert found is not None
    assert found.group() == wanted


def option_lines() -> Iterator[str]:
    """A line of the table for each option whose parts are there, in the order of the root's defaults list."""
    root = yaml.safe_load((ROOT / "conf" / "sdspec.yaml").read_text())["defaults"]
    for group in [name for entry in root if isinstance(entry, dict) for name in entry]:
        shelf = f"{group}s"
        default = next(entry[group] for entry in root if isinstance(entry, dict) and group in entry)
        options = sorted((ROOT / "conf" / group).glob("*.yaml"), key=lambda path: (path.stem != default, path.stem))
        for path in options:
            kind = (yaml.safe_load(path.read_text()) or {}).get("kind")
            if shelf in SHELVES and kind is not None and kind not in kinds(shelf):
                continue  # its part is still to come
            shown = f"**`{path.stem}`**" if path.stem == default else f"`{path.stem}`"
            yield f"| `{group}` | {shown} | {first_sentence(path)} |"


def first_sentence(path: Path) -> str:
    """What an option's file says first of itself."""
    lines = [line for line in path.read_text().splitlines() if not line.startswith("# @package")]
    header = itertools.takewhile(lambda line: line.startswith("# ") and not line.startswith("#   "), lines)
    return re.split(r"(?<=\.)\s", " ".join(line.removeprefix("# ") for line in header))[0]
