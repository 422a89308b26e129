"""`sdspec export`: a run's rows in any format, at any time, and what it says where it cannot."""

import json
import os
from pathlib import Path

import orjson
import pytest

from sdspec.api import Run, open_run
from sdspec.cli.main import main
from tests.recipes import cli, run_spec, write_spec

CHANGES = {"template": {"checks": []}}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run of 20 rows, `last` from where the test stands."""
    monkeypatch.chdir(tmp_path)
    return run_spec(write_spec(tmp_path, CHANGES))


def export(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[str], list[str]]:
    """(exit code, lines of stdout, lines of stderr)"""
    code = main(["export", "last", *words])
    out, err = capsys.readouterr()
    return code, out.splitlines(), err.splitlines()


def test_several_formats_at_once(tmp_path: Path) -> None:
    """Paths on stdout, one each; rows and card on stderr, and nothing else; nothing below the home folder."""
    write_spec(tmp_path, CHANGES)
    home = tmp_path / "home"
    home.mkdir()
    folder = cli(tmp_path, "run", "colours", "--quiet", HOME=str(home)).stdout.strip()
    done = cli(tmp_path, "export", "last", "export=[csv,hf,alpaca,sharegpt]", HOME=str(home))
    names = ["sheet.csv", "dataset.hf", "alpaca.json", "sharegpt.jsonl"]
    assert done.stdout.splitlines() == [f"{folder}/export/{name}" for name in names]
    assert done.stderr == f"20 rows; the card: {folder}/export/README.md\n"
    there = {path.name for path in (tmp_path / folder / "export").iterdir()}
    assert there == {*names, "train.jsonl", "README.md", ".exports.json"}
    assert list(home.iterdir()) == []


def test_another_name(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A dataset that the spec does not have, with columns under names of one's own."""
    code, out, _ = export(
        capsys, "+export.studio={format: json, packer: {kind: raw, columns: {Seeds: _seed, Prompt: question}}}"
    )
    assert (0, [".jsonl", ".json"]) == (code, [Path(path).suffix for path in out])
    rows = json.loads(Path(out[1]).read_text())
    assert [list(row) for row in rows] == [["Seeds", "Prompt"]] * 20
    assert [row["Seeds"] for row in rows] == run.rows()["_seed"].to_pylist()


def test_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """`--json` says what was written, with hashes."""
    code, out, err = export(capsys, "export=parquet", "--json")
    said = json.loads("\n".join(out))
    (file,) = said.pop("files")
    assert (0, []) == (code, err)
    card = os.path.relpath(run.path / "export" / "README.md")
    assert said == {"run": run.path.name, "status": "done", "rows": 20, "card": card}
    assert ("table", "parquet", {"kind": "raw"}, 20) == (file["name"], file["format"], file["packer"], file["rows"])
    assert Path(file["path"]).stat().st_size == file["size_bytes"]


def test_elsewhere(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """`-o` writes into another folder, with a card, and leaves the run's own as it is."""
    before = sorted((run.path / "export").iterdir())
    code, out, err = export(capsys, "-o", "there/deep")
    assert (0, ["there/deep/train.jsonl"]) == (code, out)
    assert err == ["20 rows; the card: there/deep/README.md"]
    assert sorted((run.path / "export").iterdir()) == before


def test_while_the_run_goes_on(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """What is kept so far is written, and both the command and the card say that it is not all."""
    run.folder.begin({})
    code, out, err = export(capsys, "export=[jsonl,csv]")
    assert (0, 2) == (code, len(out))
    assert err[0].startswith("the run goes on: 20 rows so far; the card: ")
    assert "**Not all of it**: the run goes on" in (run.path / "export" / "README.md").read_text()


def test_an_interrupted_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The rows of a run whose process is gone, with how to go on."""
    monkeypatch.chdir(tmp_path)
    write_spec(tmp_path, CHANGES)
    cli(tmp_path, "run", "colours", "--quiet")
    run = open_run("last")
    run.folder.write_json("run.json", {**run.record(), "status": "running"})
    code, _, err = export(capsys)
    assert code == 0
    assert err[0].startswith(
        f"the run was interrupted: 20 rows so far, and more after `sdspec resume {run.path.name}`; the card: "
    )


def test_no_kept_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing to export is exit 1, and nothing is written."""
    monkeypatch.chdir(tmp_path)
    run = run_spec(
        write_spec(tmp_path, CHANGES), "provider.pnonsense=1", "workflow.reasks=0", "workflow.max_attempts=3"
    )
    code, out, err = export(capsys)
    assert (1, []) == (code, out)
    assert "has no kept rows, so there is nothing to export." in err[0]
    assert not (run.path / "export").exists()


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("export=parket", "export: no option 'parket'. Did you mean 'parquet'?"),
        ("export.train.format=jsn", "export.train.format: no exporter for 'jsn'. Did you mean 'json'?"),
        ("export.train.packer=alpacca", "no packer of kind 'alpacca'. Did you mean 'alpaca'?"),
        ("export.train.packer={kind: raw, columns: {a: qestion}}", "Did you mean 'question'?"),
        ("+export.Train.format=csv", "export.Train: some file systems take 'Train' and 'train' for one name."),
        ("export=none", "export: no dataset is asked for."),
        ("model.temperature=1", "override 'model.temperature=1': the rows are made already;"),
        ("exports=csv", "override 'exports=csv': the rows are made already;"),
    ],
)
def test_mistakes(word: str, expected: str, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A mistake is located, says what to write instead, exits with 2 and writes nothing."""
    before = {path: path.stat().st_mtime_ns for path in (run.path / "export").iterdir()}
    code, out, err = export(capsys, word)
    assert (2, []) == (code, out)
    assert expected in "\n".join(err)
    assert before == {path: path.stat().st_mtime_ns for path in (run.path / "export").iterdir()}


@pytest.mark.parametrize("name", ["a/b", "..", "../x", "", ".hidden", "a b", "x" * 101])
def test_names_that_are_no_file(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that leads elsewhere, or cannot be a file's, is a problem of the spec, before any row is bought."""
    spec = write_spec(tmp_path, {**CHANGES, "export": {name: {"format": "csv"}}})
    assert main(["check", str(spec)]) == 2
    said = capsys.readouterr()
    assert f"{name!r} cannot name a file." in said.out + said.err


def test_one_export_fails(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """An export that cannot be packed is a located problem; the others are written, and the card lists them alone."""
    bad = "+export.bad={format: csv, packer: {kind: prompt_completion, prompt: '{{ question.nothing }}'}}"
    code, _, err = export(capsys, bad, "+export.good.format=json")
    assert code == 2
    assert f"override '{bad}'" in err[0]
    assert "export.bad.packer: line 1:" in err[0]
    card = (run.path / "export" / "README.md").read_text()
    assert "`good.json`" in card
    assert "bad.csv" not in card


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A read-only folder is said in a sentence, with exit 1."""
    (run.path / "export").chmod(0o500)
    code, _, err = export(capsys)
    (run.path / "export").chmod(0o700)
    assert code == 1
    assert "permission denied" in err[0]


def test_a_path_that_is_a_file(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """So is a target that is no folder."""
    Path("there").write_text("")
    code, _, err = export(capsys, "-o", "there/deep")
    assert (1, ["sdspec: cannot make there/deep: a part of the path is a file, not a folder."]) == (code, err)


def test_without_a_call(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """No model and no journal is asked: the run's folder is all it needs."""
    for file in Path("outputs").glob("journal.sqlite*"):
        file.unlink()
    assert export(capsys, "export=csv")[0] == 0
    assert not list(Path("outputs").glob("journal.sqlite*"))
    assert orjson.loads((run.path / "export" / ".exports.json").read_bytes())["exports"][-1]["run"] == run.path.name
