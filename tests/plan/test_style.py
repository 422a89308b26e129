"""Template style `seed001`: the prompt to the letter, as the prompt engineering guide has it."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import sdspec
from sdspec.api import Run, check
from sdspec.blocks.generate import Generate
from sdspec.plan.preview import first_asks
from sdspec.prompts import example_text, examples_block
from sdspec.spec.load import load_spec
from tests.goldens import FOLDER
from tests.recipes import cli_here

GOLDEN = (FOLDER / "prompt_seed001.txt").read_text(encoding="utf-8").removesuffix("\n")
"""The guide's complete prompt, what stands between its fences; written by hand, never from what sdspec renders."""

SOLUTION = GOLDEN.partition('"solution": """')[2].partition('"""\n}')[0]
PROMPT = '''{{ examples }}

Write a programming question-pair for the following topic:

"""Requirements:
- Each solution must include working code examples
- Include explanations with the code
- Follow the same format as the examples
- Ensure code is properly formatted with appropriate indentation"""
<topic>{{ seed }}</topic>
'''
"""The guide's base template, in Jinja."""

EXAMPLE = {
    "question": "How do you implement a graph data structure and perform depth-first search traversal?",
    "solution": SOLUTION,
}


def write(folder: Path, **template: Any) -> Path:
    """A spec of the guide's prompt on provider fake."""
    body = {
        "defaults": ["/sdspec", {"override /template": "custom"}, {"override /provider": "fake"}, "_self_"],
        "name": "guide",
        "template": {
            "style": "seed001",
            "prompt": PROMPT,
            "seeds": ["Depth-First Search traversal in graphs"],
            "examples": [EXAMPLE],
            "output": {"question": "str", "solution": "str"},
            "fake": {"question": "q{{ n }}", "solution": "s"},
            **template,
        },
        "workflow": {"size": 2},
    }
    path = folder / "guide.yaml"
    path.write_text(yaml.safe_dump(body, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return path


def asked(path: Path, *overrides: str) -> list[tuple[str, str]]:
    """Role and content of the first row's messages."""
    plan = sdspec.compile(sdspec.load(path, list(overrides), cwd=path.parent))
    return [(message["role"], message["content"]) for message in first_asks(plan, 1)[0].ask.messages]


def problems(path: Path, *overrides: str) -> list[str]:
    """What is wrong with a spec."""
    return [str(problem) for problem in check(load_spec(str(path), list(overrides), cwd=path.parent))]


def test_the_guides_prompt_is_reproduced_byte_for_byte(tmp_path: Path) -> None:
    """The guide's complete example comes out of its base template and a structured example."""
    assert '"""Here\'s an implementation' in GOLDEN and ":\n   \nclass Graph:\n" in GOLDEN
    assert [("user", GOLDEN)] == asked(write(tmp_path))


def test_preview_shows_the_same(tmp_path: Path) -> None:
    """`sdspec preview` prints the guide's prompt, whole."""
    done = cli_here(tmp_path, "preview", str(write(tmp_path)), "-n", "1")
    assert 0 == done.returncode, done.stderr
    assert GOLDEN in done.stdout


def test_an_example_may_be_a_text(tmp_path: Path) -> None:
    """The same prompt comes out of an example that is given as a text, in the spec or as a .txt file."""
    shown = GOLDEN.partition("<examples>\n")[2].partition("\n</examples>")[0]
    (tmp_path / "example.txt").write_text(shown + "\n", encoding="utf-8")
    assert [("user", GOLDEN)] == asked(write(tmp_path, examples=[shown]))
    assert [("user", GOLDEN)] == asked(write(tmp_path, examples=[], examples_file="example.txt"))


def test_nothing_is_added_and_nothing_stripped(tmp_path: Path) -> None:
    """White space around prompt and system message stays; how to answer is the prompt's own business."""
    path = write(tmp_path, prompt="\n  On {{ seed }} \n\n", system=" Be brief. ", examples=[])
    assert [("system", " Be brief. "), ("user", "\n  On Depth-First Search traversal in graphs \n")] == asked(path)
    said = asked(path, "template.style=json")
    assert "Be brief." == said[0][1]
    assert said[1][1].startswith("On Depth-First") and "Answer with one JSON object" in said[1][1]


def test_a_text_is_no_example_in_style_json(tmp_path: Path) -> None:
    """Where examples are JSON, a text is a located problem; from a file it is located there."""
    (tmp_path / "example.txt").write_text("{raw}\n", encoding="utf-8")
    (found,) = problems(write(tmp_path, examples=[EXAMPLE, "{raw}"]), "template.style=json")
    assert "template.examples[1]: example 2: a text, and not the output's columns. Write its columns, or set" in found
    (found,) = problems(write(tmp_path, examples=[], examples_file="example.txt"), "template.style=json")
    assert "template.examples_file: example.txt: a text, and not the output's columns." in found


def test_columns_are_checked_in_this_style_too(tmp_path: Path) -> None:
    """Raw texts are taken as they are; examples with columns must have those of the output."""
    (found,) = problems(write(tmp_path, examples=["anything", {"question": "q", "soluton": "s"}]))
    assert "example 2: the output has no column 'soluton'. Did you mean 'solution'?" in found


def test_an_example_is_a_mapping_or_a_text(tmp_path: Path) -> None:
    """Anything else is one problem for each, at its place."""
    path = write(tmp_path, examples=["raw", 3, {1: "x"}])
    assert [
        "template.examples[1]: a mapping (key: value) or a text is needed, got 3.",
        "template.examples[2]: the names of its columns must be texts, got a mapping.",
    ] == [text.partition(": ")[2] for text in problems(path)]


def test_tags_are_not_written_twice(tmp_path: Path) -> None:
    """The guide's base template writes the tags around its examples itself; here they come with the examples."""
    (found,) = problems(
        write(tmp_path, prompt=PROMPT.replace("{{ examples }}", "<examples>\n{{ examples }}\n</examples>"))
    )
    assert "template.prompt: {{ examples }} brings its own <examples> tags. Leave out the tags around it." in found


def test_several_rows_of_an_answer_are_the_prompts_business(tmp_path: Path) -> None:
    """Where nothing is added to the prompt, it must say itself how many rows it wants."""
    (found,) = problems(write(tmp_path), "workflow.per_call=3")
    assert "workflow.per_call: style seed001 adds nothing to the prompt, and the prompt asks for one row." in found
    assert [] == problems(write(tmp_path, prompt=f"{PROMPT}\n{{{{ per_call }}}} of them"), "workflow.per_call=3")


def test_an_unknown_style_is_a_problem(tmp_path: Path) -> None:
    """The styles are named."""
    (found,) = problems(write(tmp_path), "template.style=seed01")
    assert "template.style: must be 'json' or 'seed001', got 'seed01'." in found


@pytest.mark.parametrize(
    ("example", "shown"),
    [
        ({"a": "one line"}, '{\n   "a": "one line"\n}'),
        ({"a": 'say "hi"', "b": "x\ny"}, '{\n   "a": "say "hi"",\n   "b": """x\ny"""\n}'),
        ({"a": "\n", "b": ""}, '{\n   "a": """\n""",\n   "b": ""\n}'),
        (
            {"n": 3, "x": 1.5, "yes": True, "none": None},
            '{\n   "n": 3,\n   "x": 1.5,\n   "yes": true,\n   "none": null\n}',
        ),
        ({"tags": ["é", "b"], "o": {"k": 1}}, '{\n   "tags": ["é", "b"],\n   "o": {"k": 1}\n}'),
        ("raw\n\n", "raw\n"),
        ("{\\n}", "{\\n}"),
    ],
)
def test_examples_look_as_in_the_guide(example: Any, shown: str) -> None:
    """Texts stand raw between quotes, those of several lines between three; other values are JSON."""
    assert f"<examples>\n{shown}\n</examples>" == examples_block([example_text(example, "seed001")])
    assert f"<examples>\n{shown}\n{shown}\n</examples>" == examples_block([example_text(example, "seed001")] * 2)
    assert "" == examples_block([])


def test_the_style_decides_and_the_default_leaves_prompts_alone(tmp_path: Path) -> None:
    """Another style is another plan; a run in this style ends with its rows."""
    plans = [
        sdspec.compile(sdspec.load(write(tmp_path), [f"template.style={style}"], cwd=tmp_path))
        for style in ("json", "seed001")
    ]
    prints = [next(step.fingerprint for step in plan.steps if isinstance(step.part, Generate)) for plan in plans]
    assert prints[0] != prints[1]
    plan = sdspec.compile(sdspec.load(write(tmp_path), [f"engine.outputs={tmp_path}"], cwd=tmp_path))
    run: Run = sdspec.run(plan)
    assert 2 == run.rows().num_rows
