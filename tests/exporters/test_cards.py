"""Dataset cards: what they say of a run, and that `datasets` loads every export through them, off line."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml

from sdspec import api
from sdspec.api import Run
from sdspec.store.exports import read_written
from sdspec.store.schema import python_rows
from tests.recipes import run_spec, write_spec

FORMATS = ("jsonl", "json", "csv", "parquet", "hf")
CHANGES: dict[str, Any] = {
    "template": {
        "output": {"question": "str", "answer": "str", "level": "int", "tags": "list[str]", "extra": "json"},
        "examples": [],
        "prompt": "A question in a {{ mood }} mood about {{ seed }} | ```sql",
        "fake": {
            "question": '"{{ seed }}", \r\n{{ n }}',
            "answer": "0{{ n % 5 }}{{ mood if n % 3 else '' }}",
            "level": "{{ n % 5 }}",
            "tags": '["é"]',
            "extra": {"mood": "{{ mood }}", "n": [1, None]},
        },
        "checks": [],
    },
    "workflow": {"dedup": None},
    "card": {"license": "cc-by-4.0", "tags": ["colours", "synthetic"], "description": "Of **colours**.\n\nMany."},
}

LOAD = """
import json, sys
import datasets

for word in sys.argv[1:]:
    folder, _, name = word.partition("#")
    loaded = datasets.load_dataset(folder, name, split="train")
    print(json.dumps([{name: str(one) for name, one in loaded.features.items()}, loaded.to_list()]))
"""


def loaded(home: Path, *words: str) -> list[tuple[dict[str, str], list[dict[str, Any]]]]:
    """(features, rows) of each `folder#name`, loaded by a new process without a network and with an empty home."""
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HOME": str(home), "HF_HOME": str(home / "hf")}
    command = [sys.executable, "-c", LOAD, *words]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [tuple(orjson.loads(line)) for line in done.stdout.splitlines()]


def card(folder: Path) -> tuple[dict[str, Any], str]:
    """The card's head as data, and its body."""
    _, head, body = (folder / "README.md").read_text(encoding="utf-8").split("---\n", 2)
    return yaml.safe_load(head), body


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run_spec(write_spec(tmp_path_factory.mktemp("cards"), CHANGES), "export=none")


@pytest.fixture(scope="module")
def expected(run: Run) -> list[dict[str, Any]]:
    """The kept rows without their lineage, as Python values."""
    return [{name: value for name, value in row.items() if not name.startswith("_")} for row in python_rows(run.rows())]


def as_text(rows: list[dict[str, Any]], *names: str) -> list[dict[str, Any]]:
    """The rows with JSON text in some columns."""
    return [
        {name: orjson.dumps(value).decode() if name in names else value for name, value in row.items()} for row in rows
    ]


def test_loads_by_name(run: Run, expected: list[dict[str, Any]], tmp_path: Path) -> None:
    """load_dataset(<export folder>, <name>) gives the rows of the run, with their types, whatever the format."""
    for kind in FORMATS:
        api.export(run, ["export=none", f"+export.all.format={kind}"], into=tmp_path / kind)
    texts = {"csv": ("tags", "extra"), "parquet": ("extra",), "hf": ("extra",)}
    for kind, (features, rows) in zip(
        FORMATS, loaded(tmp_path, *(f"{tmp_path}/{kind}#all" for kind in FORMATS)), strict=True
    ):
        assert rows == as_text(expected, *texts.get(kind, ()))
        assert (features["level"], features["answer"]) == ("Value('int64')", "Value('string')")


def test_one_loader_in_the_head(run: Run, expected: list[dict[str, Any]], tmp_path: Path) -> None:
    """The head names the exports of one loader, the first by default; how to load the others stands in the body."""
    words = ["export=[jsonl,json,csv,parquet,hf]", "export.train.packer=messages"]
    exported = api.export(run, words, into=tmp_path / "out")
    head, body = card(exported.folder)
    assert [one["config_name"] for one in head["configs"]] == ["train", "rows"]
    assert [one.get("default") for one in head["configs"]] == [True, None]
    (_, rows), (_, chats) = loaded(tmp_path, f"{exported.folder}#rows", f"{exported.folder}#train")
    assert rows == expected
    texts = [[turn["content"] for turn in one["messages"]] for one in chats]
    assert texts == [[row["question"], row["answer"]] for row in expected]
    assert 'load_dataset("parquet", data_files="table.parquet")' in body
    assert "load_dataset(\"csv\", data_files=\"sheet.csv\", keep_default_na=False, na_values={'level': ['']" in body
    assert 'load_from_disk("dataset.hf")' in body


def test_card_inside_the_folder(run: Run, tmp_path: Path) -> None:
    """A dataset folder has a card of its own that speaks of it alone, from inside."""
    exported = api.export(run, ["export=[jsonl,hf]"], into=tmp_path)
    head, body = card(exported.folder / "dataset.hf")
    assert [("dataset", "*.arrow")] == [(one["config_name"], one["data_files"]) for one in head["configs"]]
    assert 'load_from_disk("path/to/this/folder")' in body
    assert "train.jsonl" not in body


def test_lists_what_is_there(run: Run, tmp_path: Path) -> None:
    """Files of earlier exports stay and are listed; those that are gone or were changed by others are not."""
    for option in ("json", "csv", "parquet"):
        api.export(run, [f"export={option}"], into=tmp_path)
    (tmp_path / "rows.json").unlink()
    (tmp_path / "table.parquet").write_bytes(b"mine")
    api.export(run, ["export=jsonl"], into=tmp_path)
    _, body = card(tmp_path)
    listed = [line.split("`")[1] for line in body.splitlines() if line.startswith("| `") and line.count("`") >= 6]
    assert listed == ["train.jsonl", "sheet.csv"]
    assert [one.path for one in read_written(tmp_path)] == ["sheet.csv", "train.jsonl"]


def test_one_name_twice(run: Run, tmp_path: Path) -> None:
    """Two files of one name and one loader: the newer has the name, the older one goes by its file's."""
    api.export(run, ["export=none", "+export.x.format=json"], into=tmp_path)
    api.export(run, ["export=none", "+export.x.format=jsonl"], into=tmp_path)
    head, _ = card(tmp_path)
    assert {"x": "x.jsonl", "x.json": "x.json"} == {one["config_name"]: one["data_files"] for one in head["configs"]}


def test_head(run: Run, tmp_path: Path) -> None:
    """License and tags as the spec's `card` says, the size by the number of rows; without a license there is none."""
    api.export(run, ["export=jsonl"], into=tmp_path)
    head, body = card(tmp_path)
    assert ("cc-by-4.0", ["synthetic", "sdspec", "colours"], ["n<1K"]) == (
        head["license"],
        head["tags"],
        head["size_categories"],
    )
    assert "Of **colours**.\n\nMany.\n" in body
    api.export(run, ["export=jsonl", "card.license=null", "card.description=null"], into=tmp_path)
    assert "license" not in card(tmp_path)[0]


def test_body(run: Run, tmp_path: Path) -> None:
    """How the rows came to be: model, seeds, prompt, counts, hashes, and what is to be known before training."""
    exported = api.export(run, ["export=csv"], into=tmp_path)
    record = run.record()
    _, body = card(tmp_path)
    for text in (
        "**No model wrote this**",
        "**Not judged**",
        f"| `sheet.csv` | 20 | csv | `raw` | `{exported.written[0].sha256['sheet.csv']}` |",
        "| `extra` | string |",
        "| model | smollm2-135m-instruct on fake (temperature 0.7,",
        "| 5 seeds | `red`, `green`, `blue`, `black`, `white` |",
        "````\nA question in a {{ mood }} mood about {{ seed }} | ```sql\n````",
        f"| {record['counts']['attempted']} | attempted |",
        "| 20 | kept |",
        f"| rows_sha256 | `{record['rows_sha256']}` |",
        "sdspec run spec.yaml",
    ):
        assert text in body


def test_rejects_are_counted(tmp_path: Path) -> None:
    """A run that could not keep what was wanted says so, with the reasons."""
    spec = write_spec(tmp_path, {**CHANGES, "workflow": {"size": 9, "max_attempts": 9}})
    run = run_spec(spec, "provider.pnonsense=0.5", "workflow.reasks=0")
    counts = run.record()["counts"]
    assert 0 < counts["kept"] < 9
    _, body = card(run.path / "export")
    assert f"**Fewer rows than wanted**: {counts['kept']} of 9" in body
    for reason, count in counts["rejected"].items():
        assert f"| -{count} | `{reason}` |" in body


def test_data_in_a_card_is_neither_markdown_nor_html(tmp_path: Path) -> None:
    """Seeds and column names stand in the card as they are: no tag, link, image or table cell comes of them."""
    seeds = ["<script>x</script>", "![i](http://127.0.0.1/x)", "a | b", "``tick`", "--- "]
    output = {"na`me": "str", "<b>": "str", "p|q": "str"}
    changes = {
        "template": {
            "prompt": "Of {{ seed }}.",
            "seeds": seeds,
            "output": output,
            "examples": [],
            "fake": dict.fromkeys(output, "{{ seed }}"),
            "checks": [],
        },
        "workflow": {"size": len(seeds)},
        "export": {"data": {"format": "csv", "packer": "raw"}},
    }
    run = run_spec(write_spec(tmp_path, changes))
    _, body = card(run.path / "export")
    shown = "`<script>x</script>`, `![i](http://127.0.0.1/x)`, `a \\| b`, ``` ``tick` ```, `---`"
    assert f"| 5 seeds | {shown} |" in body
    lines = body.partition("`data.csv`\n")[2].splitlines()
    assert [line for line in lines if line.endswith("| string |")][: len(output)] == [
        "| ``na`me`` | string |",
        "| `<b>` | string |",
        "| `p\\|q` | string |",
    ]
    assert "exact (``na`me``, `<b>`, `p\\|q`)" in body
