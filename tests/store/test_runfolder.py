"""Run folders: made once, found again, and honest about a process that is gone."""

import hashlib
import os
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path

import orjson
import pytest

from sdspec.errors import SpecError, StoreError
from sdspec.store.runfolder import LARGE_BYTES, SILENT_S, RunFolder, find_run, list_runs

NOW = datetime(2026, 3, 4, 5, 6, 7)
RUNNER = """
import sys
from datetime import datetime
from pathlib import Path
from sdspec.store.runfolder import RunFolder

print(RunFolder.create(Path(sys.argv[1]), "n", "abcd1234", datetime.now()).path, flush=True)
sys.stdin.read()
"""


def create(outputs: Path, plan_id: str = "abcd1234", second: int = 7, name: str = "n") -> RunFolder:
    return RunFolder.create(outputs, name, plan_id, NOW.replace(second=second))


def test_made_exclusively(tmp_path: Path) -> None:
    """Runs of one plan in one second have folders of their own, also below a sweep."""
    paths = [create(tmp_path).path for _ in range(3)]
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "n/2026-03-04_05-06-07-abcd1234",
        "n/2026-03-04_05-06-07-abcd1234-2",
        "n/2026-03-04_05-06-07-abcd1234-3",
    ]
    swept = RunFolder.create(tmp_path, "n", "abcd1234", NOW, sweep="2026-03-04_05-00-00-sweep")
    assert swept.path.parent == tmp_path / "n" / "2026-03-04_05-00-00-sweep"
    assert swept.id == "2026-03-04_05-06-07-abcd1234"


def test_record(tmp_path: Path) -> None:
    """run.json says what was begun and how it ended; fields add up."""
    run = create(tmp_path)
    assert {k: run.read_run()[k] for k in ("id", "name", "plan", "status")} == {
        "id": run.id,
        "name": "n",
        "plan": "abcd1234",
        "status": "running",
    }
    run.begin({"versions": {"sdspec": "0"}})
    run.end("done", {"counts": {"kept": 1}})
    found = RunFolder.open(run.path).read_run()
    assert (found["status"], found["versions"], found["counts"]) == ("done", {"sdspec": "0"}, {"kept": 1})
    assert found["started_at"] < found["ended_at"]
    with pytest.raises(ValueError, match="finished"):
        run.end("finished", {})


def test_files_are_whole(tmp_path: Path) -> None:
    """Text and JSON are written with the folders on their way, and leave nothing else behind."""
    run = create(tmp_path)
    run.write_text(".hydra/config.yaml", "a: é\n")
    run.write_json("plan.json", {"a": {1: "é"}})
    run.write_json("plan.json", {"a": {2: "é"}})
    assert (run.path / ".hydra/config.yaml").read_text(encoding="utf-8") == "a: é\n"
    assert (run.path / "plan.json").read_text(encoding="utf-8") == '{\n  "a": {\n    "2": "é"\n  }\n}\n'
    assert sorted(path.name for path in run.path.iterdir()) == [".hydra", "plan.json", "run.json"]


def test_process_gone_reads_as_interrupted(tmp_path: Path) -> None:
    """A run is running while its process lives, cannot be claimed meanwhile, and reads as interrupted after a kill."""
    process = subprocess.Popen(
        [sys.executable, "-c", RUNNER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout
    with process:
        run = RunFolder.open(Path(process.stdout.readline().strip()))
        assert run.read_run()["status"] == "running"
        with pytest.raises(StoreError, match=f"still running, as process {process.pid} on "), run.claimed():
            pass
        process.kill()
    assert run.read_run()["status"] == "interrupted"
    with run.claimed():
        run.begin({})
    assert run.read_run()["status"] == "running"


def test_claimed_by_one_at_a_time(tmp_path: Path) -> None:
    """Of two that would go on with a run at once one does, whatever run.json says, and the other is told."""
    run = create(tmp_path)
    run.end("interrupted", {})
    with run.claimed(), pytest.raises(StoreError, match=f"still running, as process {os.getpid()} on "), run.claimed():
        pass
    with run.claimed():
        pass


def test_what_a_kill_left_behind_is_gone(tmp_path: Path) -> None:
    """Begun files of processes that are gone are removed by who goes on with the run; those of others are not."""
    run = create(tmp_path)
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        pass
    (run.path / "export").mkdir()
    theirs = [f".rows.parquet.{gone.pid}.tmp", f"export/.train.jsonl.{gone.pid}.tmp"]
    ours = [f"export/.train.jsonl.{os.getpid()}.tmp", ".hydra"]
    for name in (*theirs, *ours):
        (run.path / name).touch()
    (run.path / f"export/.train.{gone.pid}.old").mkdir()
    with run.claimed():
        pass
    assert sorted(["export", "run.json", *ours]) == sorted(str(p.relative_to(run.path)) for p in run.path.rglob("*"))


@pytest.mark.parametrize(
    ("process", "silent_s", "status"),
    [
        ({"started": "earlier"}, 0.0, "interrupted"),
        ({"host": "elsewhere", "started": "earlier"}, SILENT_S / 2, "running"),
        ({"host": "elsewhere", "started": "earlier"}, SILENT_S * 2, "interrupted"),
        ({}, SILENT_S * 2, "running"),
    ],
)
def test_number_used_again(tmp_path: Path, process: dict[str, str], silent_s: float, status: str) -> None:
    """Another process with the same number is not the run's; one of another host is there while it is heard of."""
    run = create(tmp_path)
    record = run.read_run()
    run.write_json("run.json", {**record, "process": {**record["process"], **process}})
    written = time.time() - silent_s
    os.utime(run.path / "run.json", (written, written))
    assert run.read_run()["status"] == status


def test_no_run_folder(tmp_path: Path) -> None:
    """A folder without run.json, and a damaged one, are said so."""
    with pytest.raises(StoreError, match="is not a run folder"):
        RunFolder.open(tmp_path)
    run = create(tmp_path)
    (run.path / "run.json").write_text("{")
    with pytest.raises(StoreError, match=r"run\.json is damaged"):
        run.read_run()


def test_inputs_are_copied(tmp_path: Path) -> None:
    """Inputs lie in the run folder, equal ones once, different ones of one name apart; a changed one is refused."""
    run = create(tmp_path / "outputs")
    kept = []
    for folder, text in (("a", "one"), ("b", "two"), ("c", "one")):
        source = tmp_path / folder / "seeds.txt"
        source.parent.mkdir()
        source.write_text(text)
        kept.append(run.keep_input(source, hashlib.sha256(text.encode()).hexdigest()))
    assert kept[0] == kept[2] == "inputs/seeds.txt"
    assert [(run.path / name).read_text() for name in kept] == ["one", "two", "one"]
    with pytest.raises(StoreError, match="has changed since the spec was read"):
        run.keep_input(tmp_path / "a" / "seeds.txt", "0" * 64)
    assert len(list((run.path / "inputs").iterdir())) == 2
    with pytest.raises(StoreError, match="no such file"):
        run.keep_input(tmp_path / "missing", "0" * 64)


def test_large_inputs_are_hashed(tmp_path: Path) -> None:
    """A file above the limit stays where it is, and its hash is kept."""
    source = tmp_path / "large.jsonl"
    with source.open("wb") as file:
        file.truncate(LARGE_BYTES + 1)
    run = create(tmp_path / "outputs")
    assert run.keep_input(source, "ab" * 32) == str(source)
    assert (run.path / "inputs/large.jsonl.sha256").read_text() == f"{'ab' * 32}  {source}\n"


def test_runs_newest_first(tmp_path: Path) -> None:
    """All runs of all names and sweeps, the newest first, also within one second; nothing else counts as a run."""
    assert list_runs(tmp_path / "none") == []
    old, new = create(tmp_path, second=1), create(tmp_path, "00000000", second=9, name="other")
    first, second = create(tmp_path, "ffff0000"), create(tmp_path, "aaaa0000", name="z")
    for run, at in ((first, 1), (second, 2)):
        run.write_json("run.json", {**run.read_run(), "started_at": f"2026-03-04T05:06:07.00000{at}+00:00"})
    swept = RunFolder.create(tmp_path, "n", "abcd1234", NOW.replace(second=8), sweep="sweep")
    (tmp_path / "n" / "no run").mkdir()
    (tmp_path / "journal.sqlite").touch()
    assert list_runs(tmp_path) == [new, swept, second, first, old]
    assert find_run(tmp_path, "last") == new


def test_found_by_what_a_user_types(tmp_path: Path) -> None:
    """A folder, an id, or a prefix of one; an id that begins another run's is meant itself."""
    first, again = create(tmp_path), create(tmp_path)
    other = create(tmp_path, second=9)
    assert find_run(tmp_path, str(first.path)) == first
    assert find_run(tmp_path, first.id) == first
    assert find_run(tmp_path, again.id) == again
    assert find_run(tmp_path, "2026-03-04_05-06-09") == other


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-03-04_05-06-07", "2026-03-04_05-06-07: 2 runs begin like this. Say more of one:"),
        ("2026-03-04_05-06-07-abcd12344", "no run of this name in .* Did you mean '2026-03-04_05-06-07-abcd1234'?"),
        ("", "no run of this name"),
        ("zzz", "no run of this name"),
    ],
)
def test_not_found(tmp_path: Path, text: str, words: str) -> None:
    """An unknown or ambiguous name is a problem that names the runs there are."""
    create(tmp_path, "abcd1234")
    create(tmp_path, "ffff1234")
    with pytest.raises(SpecError, match=words):
        find_run(tmp_path, text)


def test_no_runs_at_all(tmp_path: Path) -> None:
    """Without any run, `last` says how to make one."""
    with pytest.raises(SpecError, match=r"there are no runs in .* `sdspec run` makes one"):
        find_run(tmp_path, "last")


def test_read_only_outputs(read_only: Path) -> None:
    """An outputs folder that cannot be written is said so, and nothing is left behind."""
    with pytest.raises(StoreError, match=r"cannot make .*: permission denied\."):
        create(read_only)


def test_outputs_that_are_a_file(tmp_path: Path) -> None:
    """A file where the outputs folder should be is said so."""
    (tmp_path / "outputs").write_text("")
    with pytest.raises(StoreError, match=r"a part of the path is a file"):
        create(tmp_path / "outputs")


FULL = """
import resource, sys
from datetime import datetime
from pathlib import Path
from sdspec.errors import StoreError
from sdspec.store.runfolder import RunFolder
from sdspec.store.tables import RowsWriter, read_rows

run = RunFolder.create(Path(sys.argv[1]), "n", "abcd1234", datetime.now())
writer = RowsWriter(run.path, {"text": "str"})
writer.add({"text": "kept"}, row_id="00", index=0, seed="s", lineage={})
writer.flush().result()
resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))
failures = []
for work in (
    lambda: run.write_text("report.html", "x" * 10000),
    lambda: [writer.add({"text": str(n * n)}, row_id="00", index=n, seed="s", lineage={}) for n in range(1, 2000)],
    lambda: writer.flush().result(),
):
    try:
        work()
    except StoreError as error:
        failures.append(str(error))
print(*failures, read_rows(run.path).num_rows, run.read_run()["status"], sep="\\n")
"""


def test_full_disk(tmp_path: Path) -> None:
    """When nothing more can be written each writer says so in a sentence, and what was there before still reads."""
    told = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert len(told) == 4
    assert told[0].endswith("report.html: the file would grow beyond the allowed size.")
    assert told[1].endswith("00000.parquet: the file would grow beyond the allowed size.")
    assert told[2:] == ["1", "running"]
    assert not list(tmp_path.rglob("*.tmp"))
    assert orjson.loads(next(tmp_path.rglob("run.json")).read_bytes())["plan"] == "abcd1234"
