"""Examples from files: a CSV's cells become values of the output's types, and every mistake has its line."""

import json
from pathlib import Path
from typing import Any

import sdspec
from sdspec.api import check
from sdspec.spec.load import load_spec
from tests.recipes import run_spec, write_spec

OUTPUT = {"question": "str", "n": "int", "x": "float", "yes": "bool", "tags": "list[str]", "extra": "json"}
OPTIONAL = {
    "type": "object",
    "properties": {
        "question": {"type": "string"},
        "note": {"type": "string"},
        "n": {"type": ["integer", "null"]},
        "either": {"type": ["string", "null"]},
        "level": {"enum": [1, 2, "3"]},
    },
    "required": ["question", "n"],
}


def write(folder: Path, file: str, text: str, output: Any = OUTPUT) -> Path:
    """A spec whose examples are in a file beside it."""
    path = write_spec(folder, {"template": {"output": output, "examples": None, "examples_file": file, "fake": None}})
    (path.parent / file).write_text(text, encoding="utf-8")
    return path


def shown(path: Path) -> list[Any]:
    """The examples of the compiled plan."""
    plan = sdspec.compile(sdspec.load(path, cwd=path.parent.parent))
    return list(next(step for step in plan.steps if step.name == "generate").part.model_dump()["examples"])


def problems(path: Path) -> list[str]:
    """What is wrong, without the place in the spec."""
    found = [str(problem) for problem in check(load_spec(str(path), cwd=path.parent.parent))]
    assert all(text.startswith("specs/colours.yaml:") for text in found)
    return [text.partition("template.examples_file: ")[2] for text in found]


def test_cells_become_values_of_their_columns_types(tmp_path: Path) -> None:
    """Numbers, truth values as JSON, Python and spreadsheets write them, lists and JSON; texts stay as they are."""
    text = (
        "question,n,x,yes,tags,extra\n"
        '12,1,1.5,true,"[""a"", ""b""]","{""k"": [1]}"\n'
        " q ,-2,3,FALSE,[],plain words\n"
        "true, 3 ,1e3,True,[],0\n"
    )
    first = {"question": "12", "n": 1, "x": 1.5, "yes": True, "tags": ["a", "b"], "extra": {"k": [1]}}
    second = {"question": " q ", "n": -2, "x": 3, "yes": False, "tags": [], "extra": "plain words"}
    third = {"question": "true", "n": 3, "x": 1000.0, "yes": True, "tags": [], "extra": 0}
    assert [first, second, third] == shown(write(tmp_path, "ex.csv", text))


def test_an_empty_cell_is_no_value_where_none_is_needed(tmp_path: Path) -> None:
    """Left out for an optional column, null where the schema allows it."""
    text = "question,note,n,either,level\na,,,,\nb,x,2,true,3\nc,,3,,1\n"
    assert [
        {"question": "a", "n": None},
        {"question": "b", "note": "x", "n": 2, "either": "true", "level": "3"},
        {"question": "c", "n": 3, "level": 1},
    ] == shown(write(tmp_path, "ex.csv", text, OPTIONAL))


def test_every_wrong_cell_has_its_line(tmp_path: Path) -> None:
    """A wrong type says what is wanted, an empty cell what is missing; all lines at once."""
    text = 'question,n,x,yes,tags,extra\n"a\nb",one,1,true,[],0\n,1,"1,5",yes,a,0\nc,1.0,nan,1,"[1]",\nd,,1,true,[],0\n'
    assert [
        "ex.csv:2: n is 'one'. 'n' must be of type integer.",
        "ex.csv:4: question is blank.",
        "ex.csv:4: x is '1,5'. 'x' must be of type number.",
        "ex.csv:4: yes is 'yes'. 'yes' must be of type boolean.",
        "ex.csv:4: tags is 'a'. 'tags' must be of type list of strings.",
        "ex.csv:5: extra is missing.",
        "ex.csv:5: x is 'nan'. 'x' must be of type number.",
        "ex.csv:5: yes is 1. 'yes' must be of type boolean.",
        "ex.csv:5: tags is [1]. 'tags' must be of type list of strings.",
        "ex.csv:6: n is missing.",
    ] == problems(write(tmp_path, "ex.csv", text))


def test_a_wrong_header_is_said_once(tmp_path: Path) -> None:
    """An unknown column with a guess, a missing one by name; not again for every line."""
    lines = "1,2\n" * 100
    assert ["ex.csv:1: the output has no column 'anser'. Did you mean 'answer'? Known: answer, question."] == problems(
        write(tmp_path, "ex.csv", f"question,anser\n{lines}", {"question": "str", "answer": "str"})
    )
    assert ["ex.csv:2: column 'question' is missing.", "ex.csv:2: column 'answer' is missing."] == problems(
        write(tmp_path, "ex.csv", "\nlevel\n1\n", {"question": "str", "answer": "str", "level": "str"})
    )


def test_json_examples_have_their_lines_too(tmp_path: Path) -> None:
    """JSON lines are located by line, a JSON list by position; of very many wrong ones, how many more there are."""
    output = {"question": "str", "answer": "str"}
    good, misspelt, short = '{"question":"q","answer":"a"}', '{"question":"q","anser":"a"}', '{"question":"q"}'
    text = f"{good}\n\n{misspelt}\n{short}\n"
    assert [
        "ex.jsonl:3: the output has no column 'anser'. Did you mean 'answer'? Known: answer, question.",
        "ex.jsonl:4: answer is missing.",
    ] == problems(write(tmp_path, "ex.jsonl", text, output))
    assert ["ex.json[1]: answer is missing."] == problems(write(tmp_path, "ex.json", f"[{good},{short}]", output))
    assert ["ex.jsonl:2: a text, and not the output's columns."] == [
        text.partition(" Write its")[0] for text in problems(write(tmp_path, "ex.jsonl", f'{good}\n"raw"\n', output))
    ]
    many = problems(write(tmp_path, "ex.jsonl", f"{short}\n" * 25, output))
    assert (21, "ex.jsonl: 5 more examples are wrong.") == (len(many), many[-1])


def test_a_run_with_examples_from_a_csv_can_be_repeated(tmp_path: Path) -> None:
    """The run folder's spec.yaml leads to its own copy of the file, and asks the same."""
    path = write(tmp_path, "ex.csv", "question;answer\nWhy; because\n", {"question": "str", "answer": "str"})
    run = run_spec(path)
    (path.parent / "ex.csv").unlink()
    plan = sdspec.compile(sdspec.load(run.path / "spec.yaml", cwd=tmp_path))
    assert plan.id == json.loads((run.path / "plan.json").read_text())["id"]


def test_repeated_seeds_of_a_file_have_their_lines(tmp_path: Path) -> None:
    """A seed that comes again names both lines."""
    path = write_spec(tmp_path, {"template": {"seeds": None, "seeds_file": "seeds.txt"}})
    (path.parent / "seeds.txt").write_text("a\nb\na\n \nc\na\n")
    found = [str(problem) for problem in check(load_spec(str(path), cwd=tmp_path))]
    assert [line for line in (3, 6) if f"seeds.txt:{line} repeats seeds.txt:1: 'a'." in "\n".join(found)] == [3, 6]
    assert 2 == len(found)
