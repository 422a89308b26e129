"""The files that a spec names."""

from __future__ import annotations

import hashlib

import pytest

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
    ],
)
def test_seeds(project: Project, file: str, text: str):
    """Seeds come one per line, as a JSON list or as JSON lines; with their hash; inline seeds give way."""
    project.write(f"specs/data/{file}", text)
    spec = project.right(project.spec(f"template: {{seeds_file: data/{file}}}\n"))
    read = spec.inputs[SEEDS]
    assert ["joins", "window functions", "[dates]"] == read.data
    content = read.path.read_bytes()
    assert (hashlib.sha256(content).hexdigest(), len(content)) == (read.sha256, read.size_bytes)
    assert () == spec.config.template.seeds


@pytest.mark.parametrize("text", ['[{"q": 1}, {"q": 2}]', '{"q": 1}\n\n{"q": 2}\n'])
def test_examples(project: Project, text: str):
    """Examples come as a JSON list or as JSON lines."""
    project.write("specs/examples.json" if text.startswith("[") else "specs/examples.jsonl", text)
    name = project.spec(f"template: {{examples_file: examples.{'json' if text.startswith('[') else 'jsonl'}}}\n")
    assert [{"q": 1}, {"q": 2}] == project.right(name).inputs[EXAMPLES].data


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
        ("examples_file", "ex.json", b'["a"]', 'ex.json[0]: an example is a JSON object, got "a".'),
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


def test_both_in_one_file(project: Project):
    """Seeds and a file of seeds in one spec is a problem; over an option's seeds the file wins."""
    project.write("specs/seeds.txt", "a")
    (problem,) = project.problems(project.spec("template:\n  seeds: [b]\n  seeds_file: seeds.txt\n"))
    assert "specs/x.yaml:8:3: template.seeds_file: set together with 'seeds' (specs/x.yaml:7:3)." in problem
