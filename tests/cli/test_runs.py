"""`sdspec runs`: newest first, sweeps together, whole lines, whatever the width, the number and the state of runs."""

import json
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from sdspec.cli.main import main
from sdspec.store.runfolder import RunFolder
from sdspec.store.tables import RejectsWriter, RowsWriter

NOON = datetime(2026, 3, 1, 12, 0, 0)


def made(outputs: Path, number: int) -> None:
    """So many runs, as quick to make as a file: without the care for power cuts."""
    for minute in range(number):
        began = NOON + timedelta(minutes=minute)
        path = outputs / "colours" / f"{began:%Y-%m-%d_%H-%M-%S}-{minute:08x}"
        path.mkdir(parents=True)
        body = {"id": path.name, "name": "colours", "status": "done", "started_at": f"{began.isoformat()}+00:00"}
        (path / "run.json").write_text(json.dumps({**body, "counts": {"kept": 1, "wanted": 1}, "cost_usd": 0.0}))


def make_run(outputs: Path, minute: int, status: str = "done", name: str = "colours", sweep: str | None = None) -> Path:
    """The folder of a run that began so many minutes after noon."""
    folder = RunFolder.create(outputs, name, f"{minute:08x}", NOON + timedelta(minutes=minute), sweep)
    counts = {"kept": minute % 10, "wanted": 10, "attempted": 10}
    folder.end(status, {"counts": counts, "cost_usd": 0.25})
    return folder.path


def listed(capsys: pytest.CaptureFixture[str], *words: str) -> list[str]:
    """The lines of `sdspec runs`."""
    assert main(["runs", *words]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.fixture
def outputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`outputs/` of the folder that we are in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS")
    return Path("outputs")


def test_runs_are_lines_the_newest_first(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Id, name, status, kept of wanted, age and cost; a file gets all of them, whole."""
    make_run(outputs, 1)
    make_run(outputs, 2, "short", name="a-name-that-goes-on-and-on-and-never-seems-to-find-an-end-anywhere")
    title, newest, oldest = listed(capsys)
    assert ["run", "name", "status", "kept", "age", "USD"] == title.split()
    assert newest.startswith("2026-03-01_12-02-00-00000002  a-name-that-goes-on-and-on-and-never-seems-to-find-an-end")
    assert ["short", "2/10"] == newest.split()[2:4]
    assert oldest.endswith("0.25")


@pytest.mark.parametrize(
    ("columns", "kept"),
    [("80", "run name status kept age USD"), ("56", "run name status kept"), ("40", "run status kept")],
)
def test_a_narrow_terminal_gets_fewer_columns(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str, kept: str
) -> None:
    """What is least needed goes first, names are cut, and what is left of an id still names the run."""
    monkeypatch.setenv("COLUMNS", columns)
    make_run(outputs, 1, "interrupted", name="colours-of-the-rainbow")
    make_run(outputs, 2)
    lines = listed(capsys)
    assert max(map(len, lines)) <= int(columns)
    assert kept.split() == lines[0].split()
    for line in lines[1:]:
        assert main(["show", line.split()[0]]) == 1
        assert "ended before its first row" in capsys.readouterr().err


def test_a_sweep_stands_together(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for the sweep with the sum of its runs, and each run below it, also where another run came between."""
    for minute, status in ((1, "done"), (3, "done"), (4, "failed")):
        make_run(outputs, minute, status, sweep="2026-03-01_12-01-00-sweep")
    make_run(outputs, 2)
    lines = listed(capsys)[1:]
    assert ["2026-03-01_12-01-00-sweep", "colours", "2", "done,", "1", "failed", "8/30"] == lines[0].split()[:7]
    assert all(line.startswith("  2026-03-01_12-0") for line in lines[1:4])
    assert lines[4].split()[:3] == ["2026-03-01_12-02-00-00000002", "colours", "done"]


def test_a_sweep_on_a_narrow_terminal(
    outputs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At 40 columns a sweep is its time, and its runs stand one column in."""
    monkeypatch.setenv("COLUMNS", "40")
    for minute, status in ((3, "interrupted"), (4, "failed"), (5, "done")):
        make_run(outputs, minute, status, sweep="2026-03-01_12-01-00-sweep")
    lines = listed(capsys)
    assert max(map(len, lines)) <= 40
    assert lines[1].startswith("2026-03-01_12-01-00 ")
    assert lines[2].startswith(" 2026-03-01_12-05-00 ")


def test_a_run_that_was_killed_shows_what_it_kept(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without totals, the rows that can be read are counted."""
    folder = RunFolder.create(outputs, "colours", "1", NOON)
    folder.write_json("plan.json", {"size": 30})
    writer = RowsWriter(folder.path, {"question": "str"})
    writer.add({"question": "?"}, row_id="a", index=0, seed="", lineage={})
    writer.flush().result()
    assert ["running", "1/30"] == listed(capsys)[1].split()[2:4]


def test_five_hundred_runs(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file gets all of them, -n the newest; what is left out is said."""
    made(outputs, 500)
    assert len(listed(capsys)) == 501
    lines = listed(capsys, "-n", "3")
    assert lines[1].startswith("2026-03-01_20-19-00")
    assert lines[-1] == "and 497 older: sdspec runs -n 500"
    main(["runs", "--json"])
    assert len(json.loads(capsys.readouterr().out)) == 500


def test_a_damaged_run_hides_no_other(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run.json that cannot be read is a line that says so, also beside a run of the same second."""
    make_run(outputs, 1)
    path = make_run(outputs, 2)
    (path / "run.json").write_text("{")
    _, damaged, whole = listed(capsys)
    assert main(["runs", "--json"]) == 0
    assert ["damaged", "done"] == [run["status"] for run in json.loads(capsys.readouterr().out)]
    shutil.copytree(path, path.with_name(f"{path.name}-2"))
    assert len(listed(capsys)) == 4
    assert ["2026-03-01_12-02-00-00000002", "colours", "damaged"] == damaged.split()[:3]
    assert "done" in whole


def test_no_runs(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder says how to begin."""
    assert ["no runs in outputs; `sdspec run` makes one"] == listed(capsys)


def test_a_run_without_a_row(outputs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that attempted nothing has no shares of its rows."""
    folder = RunFolder.create(outputs, "colours", "0" * 8, NOON)
    folder.end("failed", {})
    path = folder.path
    (path / "plan.json").write_text('{"steps": []}')
    for writer in (RowsWriter(path, {"text": "str"}), RejectsWriter(path)):
        writer.finish()
    main(["show", path.name])
    shown = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["attempted", "0"] in shown
    assert "%" not in str(shown)
