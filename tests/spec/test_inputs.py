"""The files that a spec names."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sdspec import digests
from tests.spec.conftest import Project

SEEDS = ("template", "seeds_file")
EXAMPLES = ("template", "examples_file")


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("seeds.txt", "joins\n\n  window functions \r\n[dates]\n"),
        ("seeds.txt", "\ufeffjoins\nwindow functions\n[dates]"),
        ("seeds.json", '["joins", "window functions", "[dates]"]'),
        ("seeds.txt", '["joins", "window functions", "[dates]"]'),
        ("seeds.jsonl", '"joins"\n"window functions"\n\n"[dates]"\n'),
        ("seeds.csv", 'seed\njoins\n"window functions"\n[dates]\n'),
        ("seeds.csv", "\ufeffnote;seed\n1,5;joins\n;window functions\n\n;[dates]\n"),
    ],
)
def test_seeds(project: Project, file: str, text: str):
    """Seeds come one per line, as JSON or as column `seed` of a CSV; with their hash; inline seeds give way."""
    project.write(f"specs/data/{file}", text)
    spec = project.right(project.spec(f"template: {{seeds_file: data/{file}}}\n"))
    read = spec.inputs[SEEDS]
    assert ["joins", "window functions", "[dates]"] == read.data
    content = read.path.read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (read.sha256, read.size_bytes)
    assert () == spec.config.template.seeds


@pytest.mark.parametrize("text", ['[{"q": 1}, {"q": 2}]', '{"q": 1}\n\n{"q": 2}\n'])
def test_examples(project: Project, text: str):
    """Examples come as a JSON list or as JSON lines, each with its place."""
    file = "examples.json" if text.startswith("[") else "examples.jsonl"
    project.write(f"specs/{file}", text)
    read = project.right(project.spec(f"template: {{examples_file: {file}}}\n")).inputs[EXAMPLES]
    assert [{"q": 1}, {"q": 2}] == read.data
    at = ("[0]", "[1]") if text.startswith("[") else (":1", ":3")
    assert tuple(f"{file}{place}" for place in at) == read.places


TABLE = [{"q": "a, b", "a": "1\n2"}, {"q": 'say "hi"', "a": ""}, {"q": "c", "a": "3"}]
TABLE_TEXT = 'q,a\n"a, b","1\n2"\n"say ""hi""",\n\nc,3\n,\n'


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("ex.csv", TABLE_TEXT.encode()),
        ("ex.CSV", TABLE_TEXT.encode("utf-8-sig")),
        ("ex.csv", TABLE_TEXT.encode("utf-16")),
        ("ex.csv", b"\xfe\xff" + TABLE_TEXT.encode("utf-16-be")),
        ("ex.csv", TABLE_TEXT.replace("\n", "\r\n").encode()),
        ("ex.csv", b' q ;"a"\na, b;"1\n2"\n"say ""hi""";\n\nc;3\n;\n'),
        ("ex.tsv", b'q\ta\na, b\t"1\n2"\n"say ""hi"""\t\n\nc\t3\n\t\n'),
    ],
    ids=["plain", "mark", "utf-16", "utf-16-be", "windows", "semicolons", "tabs"],
)
def test_examples_of_a_table(project: Project, file: str, content: bytes):
    """A CSV's header names the columns; quoted cells hold separators, quotes and line breaks; places are lines."""
    project.write(f"specs/{file}", "")
    (project.path / "specs" / file).write_bytes(content)
    read = project.right(project.spec(f"template: {{examples_file: {file}}}\n")).inputs[EXAMPLES]
    assert TABLE == read.data
    assert (f"{file}:2", f"{file}:4", f"{file}:6") == read.places
    assert f"{file}:1" == read.header
    assert hashlib.sha256(content).hexdigest() == read.sha256


def test_a_text_file_is_one_example(project: Project):
    """A .txt is one example as it stands, its lines ending as on every machine."""
    project.write("specs/ex.txt", "")
    (project.path / "specs" / "ex.txt").write_bytes(b"\xef\xbb\xbf{\r\n   raw\r\n}\r\n")
    read = project.right(project.spec("template: {examples_file: ex.txt, style: seed001}\n")).inputs[EXAMPLES]
    assert ["{\n   raw\n}\n"] == read.data


def test_ten_thousand_seeds(project: Project):
    """So many seeds are read and keep their places."""
    project.write("specs/seeds.txt", "".join(f"topic {number}\n" for number in range(10_000)))
    read = project.right(project.spec("template: {seeds_file: seeds.txt}\n")).inputs[SEEDS]
    assert (10_000, "seeds.txt:10000") == (len(read.data), read.places[-1])


def test_paths_are_relative_to_what_names_them(project: Project):
    """To the spec, to the option file, or for an override to where one stands."""
    for place in ("specs", "conf/template", "."):
        project.write(f"{place}/seeds.txt", place)
    project.write("conf/template/mine.yaml", "prompt: p\noutput: {a: str}\nseeds_file: seeds.txt\n")
    name = project.spec("name: a\n")
    assert ["conf/template"] == project.right(name, "template=mine").inputs[SEEDS].data
    assert ["."] == project.right(name, "template.seeds_file=seeds.txt").inputs[SEEDS].data
    name = project.spec("template: {seeds_file: seeds.txt}\n")
    assert ["specs"] == project.right(name).inputs[SEEDS].data


@pytest.mark.parametrize(
    ("key", "file", "content", "expected"),
    [
        ("seeds_file", "seeds.txt", None, "seeds.txt: no such file in "),
        ("seeds_file", "seeds.txt", b" \n\n", "seeds.txt: is empty."),
        ("seeds_file", "seeds.json", b"[]", "seeds.json: holds an empty list."),
        ("seeds_file", "seeds.json", b'["a",\n 3]', "seeds.json[1]: a seed is a text, got 3."),
        ("seeds_file", "seeds.json", b'["a",\n "b"', "seeds.json:2:5: not JSON: "),
        ("seeds_file", "seeds.json", b'{"a": 1}', "seeds.json:1:1: a JSON list is needed, got "),
        ("seeds_file", "seeds.txt", b"a\nb\n\xff", "seeds.txt:3: is not UTF-8 text. Save it as UTF-8."),
        ("examples_file", "ex.json", b'[\n  {"q": "a" "b"}\n]', "ex.json:2:13: not JSON: "),
        ("examples_file", "ex.json", b"[3]", "ex.json[0]: an example is a JSON object, got 3."),
        ("seeds_file", "seeds.txt", b"a\n\0b\0", "seeds.txt:2: is not UTF-8 text. Save it as UTF-8."),
        (
            "seeds_file",
            "seeds.xlsx",
            b"PK\3\4\0\xff",
            "seeds.xlsx:1: is not UTF-8 text. A workbook? Save the sheet as",
        ),
        ("seeds_file", "s.csv", b"topic\njoins\n", "s.csv:1: the header names no column 'seed', but 'topic'. Name one"),
        ("seeds_file", "s.csv", b"seed,n\na,1\n ,2\n", 's.csv:3: a seed is a text, got "".'),
        ("seeds_file", "s.csv", b"seed\n", "s.csv: holds a header only."),
        ("examples_file", "ex.csv", b"q,a\n1,2\n3\n", "ex.csv:3: 1 cell, and the header names 2. Cells that hold the"),
        ("examples_file", "ex.csv", b'q,a\n"1\n2",2\nx,y,z\n', "ex.csv:4: 3 cells, and the header names 2."),
        (
            "examples_file",
            "ex.csv",
            b'q,a\n1,2\n"x,y\nz,z\n',
            "ex.csv:3: not CSV: unexpected end of data. A double",
        ),
        ("examples_file", "ex.csv", b'q,a\n"x"y,z\n', "ex.csv:2: not CSV: ',' expected after"),
        (
            "examples_file",
            "ex.csv",
            b"q,,a\n1,2,3\n",
            "ex.csv:1: column 2 has no name. The first line names the",
        ),
        ("examples_file", "ex.csv", b"\nq,a,q\n1,2,3\n", "ex.csv:2: column 'q' comes twice. Remove one."),
        ("examples_file", "ex.csv", b",,\n", "ex.csv:1: column 1 has no name."),
        ("examples_file", "ex.csv", "q,a\né,b\n".encode("latin-1"), "ex.csv:2: is not UTF-8 text. Save it as UTF-8."),
        ("examples_file", "ex.csv", b"\xff\xfeq\0,", "ex.csv:1: is not UTF-8 text."),
        ("examples_file", "ex.jsonl", b'{"q": 1}\n{"q": \n', "ex.jsonl:2:"),
        ("examples_file", "ex.jsonl", b'{"q": 1}\n[1]\n', "ex.jsonl:2: an example is a JSON object, got [1]."),
    ],
)
def test_unusable_files(project: Project, key: str, file: str, content: bytes | None, expected: str):
    """A file that cannot be used is a problem at the key that names it, with the place in the file."""
    name = project.spec(f"template:\n  {key}: {file}\n")
    if content is not None:
        (project.path / "specs" / file).write_bytes(content)
    spec = project.load(name)
    (problem,) = [str(problem) for problem in spec.problems]
    assert problem.startswith(f"specs/x.yaml:7:3: template.{key}: {expected}")
    assert spec.is_bad("template", key)


def test_every_wrong_entry_is_said(project: Project):
    """All wrong lines of a file are reported, each with its place; of very many the first, and how many more."""
    project.write("specs/ex.jsonl", '{"q": 1}\n[1]\n{"q": \n{}\n')
    name = project.spec("template: {examples_file: ex.jsonl}\n")
    (found,) = project.problems(name)
    assert "ex.jsonl:3:" in found
    project.write("specs/ex.jsonl", '{"q": 1}\n[1]\n{}\n2\n')
    assert ["ex.jsonl:2", "ex.jsonl:4"] == [problem.split(": ")[2] for problem in project.problems(name)]
    project.write("specs/ex.jsonl", "[1]\n" * 25)
    found = project.problems(name)
    assert (21, True) == (len(found), "ex.jsonl: 5 more entries are wrong." in found[-1])


def test_a_folder_is_no_file(project: Project):
    """A folder in a file's place is said to be one."""
    name = project.spec("template: {seeds_file: .}\n")
    (problem,) = project.problems(name)
    assert "template.seeds_file: .: cannot be read: Is a directory." in problem


def test_near_file_names(project: Project):
    """A misspelt file name brings the near one."""
    project.write("specs/seeds.txt", "a")
    (problem,) = project.problems(project.spec("template: {seeds_file: seed.txt}\n"))
    assert "Did you mean 'seeds.txt'?" in problem


def test_weights(project: Project):
    """A model's file is hashed, not read; its path is absolute from then on, so that a run can be repeated."""
    path = project.write("specs/w/tiny.gguf", "GGUF")
    spec = project.right(project.spec("model: {path: w/tiny.gguf}\n"))
    read = spec.inputs[("model", "path")]
    assert (hashlib.sha256(b"GGUF").hexdigest(), None) == (read.sha256, read.data)
    assert str(path) == spec.config.model.path == spec.raw["model"]["path"]
    (problem,) = project.problems(project.spec("model: {path: w/none.gguf}\n"))
    assert "model.path: w/none.gguf: cannot be read: No such file or directory." in problem


def test_weights_are_hashed_once(project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Gigabytes are not read again each time that a spec is loaded; a file that was written since is."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path, spec = project.write("specs/tiny.gguf", "GGUF"), project.spec("model: {path: tiny.gguf}\n")
    hashed: list[Path] = []
    monkeypatch.setattr(digests, "file_sha256", lambda path: hashed.append(path) or "00")
    assert ["00", "00"] == [project.right(spec).inputs[("model", "path")].sha256 for _ in range(2)]
    path.write_text("other weights")
    project.right(spec)
    assert [path, path] == hashed


def test_both_in_one_file(project: Project):
    """Seeds and a file of seeds in one spec is a problem; over an option's seeds the file wins."""
    project.write("specs/seeds.txt", "a")
    (problem,) = project.problems(project.spec("template:\n  seeds: [b]\n  seeds_file: seeds.txt\n"))
    assert "specs/x.yaml:8:3: template.seeds_file: set together with 'seeds' (specs/x.yaml:7:3)." in problem


def test_a_missing_file_in_a_full_folder(project: Project):
    """The nearest name, a few others and their number: not the whole folder."""
    for number in range(40):
        project.write(f"specs/topics_{number:02}.txt", "a")
    (found,) = project.problems(project.spec("template: {seeds_file: topics_7.txt}\n"))
    assert "no such file in " in found and "Did you mean 'topics_" in found
    assert found.endswith("topics_05.txt and 35 more.")
