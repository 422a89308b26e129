"""What the README shows works as it stands."""

import re
import subprocess
import sys
from pathlib import Path

from tests.recipes import cli

README = (Path(__file__).parents[2] / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The code blocks of a language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_the_first_spec_is_checked_planned_and_run(tmp_path: Path) -> None:
    """The spec of the README passes each of the commands below it, and the Python block."""
    (tmp_path / "specs").mkdir()
    (tmp_path / "specs" / "bridges.yaml").write_text(blocks("yaml")[0])
    for words in (["check", "bridges"], ["plan", "bridges", "provider=fake"], ["run", "bridges", "provider=fake"]):
        done = cli(tmp_path, *words)
        assert done.returncode == 0, done.stderr
        assert done.stdout
    python = subprocess.run(
        [sys.executable, "-c", blocks("python")[0]], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert python.returncode == 0, python.stderr
    assert "12 rows wanted over 3 seeds" in python.stdout


def test_the_table_of_options_is_that_of_conf() -> None:
    """Each group's options in the README are the files of conf/, but for those whose provider is still to come."""
    conf = Path(__file__).parents[2] / "conf"
    shown = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", README, re.MULTILINE))
    for group in (folder for folder in conf.iterdir() if folder.is_dir()):
        options = {path.stem for path in group.glob("*.yaml")} - {"bedrock"}
        assert options == set(re.findall(r"`(\w+)`", shown[group.name])), group.name
