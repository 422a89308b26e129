"""What each packer makes of a row, and what it cannot pack."""

from typing import Any

import pytest

from sdspec.dataset import Dataset
from sdspec.packers.alpaca import Alpaca
from sdspec.packers.messages import Messages
from sdspec.packers.prompt_completion import PromptCompletion
from sdspec.packers.raw import Raw
from sdspec.packers.sharegpt import Sharegpt
from sdspec.prompts import TextError

DATASET = Dataset(output=("question", "solution"), constants={"schema": "CREATE TABLE t (x)"})
ROW = {"question": "How many?", "solution": "SELECT 1", "seed": "joins", "_row_id": "00", "_index": 3, "_lineage": {}}
COLUMNS = tuple(ROW)


def test_raw_leaves_the_lineage_out() -> None:
    """All columns in their order, but those whose names begin with an underscore."""
    assert list(Raw().pack(ROW, DATASET).items()) == [
        ("question", "How many?"),
        ("solution", "SELECT 1"),
        ("seed", "joins"),
    ]


def test_raw_columns_under_other_names() -> None:
    """The named columns in their order, lineage too; it says so to who need not pack each row."""
    packer = Raw(columns={"Seeds": "_row_id", "Prompt": "question"})
    assert list(packer.pack(ROW, DATASET).items()) == [("Seeds", "00"), ("Prompt", "How many?")]
    assert packer.selects(COLUMNS) == {"Seeds": "_row_id", "Prompt": "question"}
    assert packer.problems(("question", "solution"), DATASET) == []


def test_raw_columns_that_no_row_has() -> None:
    """A column that is not there is a problem with a near name."""
    (problem,) = Raw(columns={"a": "qestion"}).problems(("question", "solution"), DATASET)
    assert problem.startswith("columns: 'a' is column 'qestion', which no row has. Did you mean 'question'? Known:")


def test_prompt_completion_by_default() -> None:
    """The first two output columns are prompt and completion; one that is no text stands as JSON."""
    assert PromptCompletion().pack(ROW, DATASET) == {"prompt": "How many?", "completion": "SELECT 1"}
    assert PromptCompletion().pack({**ROW, "solution": ["é", 1]}, DATASET)["completion"] == '["é",1]'


def test_prompt_completion_of_ones_own() -> None:
    """Both are Jinja over the columns and the template's variables."""
    packer = PromptCompletion(prompt="{{ schema }}\n{{ question }}", completion="{{ solution }};")
    expected = {"prompt": "CREATE TABLE t (x)\nHow many?", "completion": "SELECT 1;"}
    assert packer.pack(ROW, DATASET) == expected
    assert list(packer.pack(ROW, DATASET)) == ["prompt", "completion"]


def test_messages() -> None:
    """User and assistant, and a system message where one is set."""
    pair = [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": "SELECT 1"}]
    assert Messages().pack(ROW, DATASET) == {"messages": pair}
    system = Messages(system="Answer for {{ schema }}.").pack(ROW, DATASET)
    assert system == {"messages": [{"role": "system", "content": "Answer for CREATE TABLE t (x)."}, *pair]}


def test_sharegpt() -> None:
    """The chat of `messages`, with the names that ShareGPT gives speakers and texts."""
    turns = [{"from": "human", "value": "How many?"}, {"from": "gpt", "value": "SELECT 1"}]
    assert Sharegpt().pack(ROW, DATASET) == {"conversations": turns}
    system = Sharegpt(system="Answer for {{ schema }}.").pack(ROW, DATASET)
    assert system == {"conversations": [{"from": "system", "value": "Answer for CREATE TABLE t (x)."}, *turns]}


def test_alpaca() -> None:
    """Instruction, input and output in this order; the input is empty and there is no system, unless they are set."""
    assert list(Alpaca().pack(ROW, DATASET).items()) == [
        ("instruction", "How many?"),
        ("input", ""),
        ("output", "SELECT 1"),
    ]
    packer = Alpaca(instruction="Answer: {{ question }}", input="{{ schema }}", output="{{ solution }};", system="Hm.")
    assert list(packer.pack(ROW, DATASET).items()) == [
        ("system", "Hm."),
        ("instruction", "Answer: How many?"),
        ("input", "CREATE TABLE t (x)"),
        ("output", "SELECT 1;"),
    ]


def test_alpaca_problems() -> None:
    """Each of its texts is checked, and the output that is taken by default must be there."""
    packer = Alpaca(instruction="{{ a }}", input="{{ b }}", system="{{ c }}")
    problems = packer.problems(("question",), Dataset(output=("question",), constants={}))
    assert [problem.partition(":")[0] for problem in problems] == ["instruction", "output", "input", "system"]


def test_names_that_nothing_provides() -> None:
    """A variable without a column is a problem with a near name; so is bad Jinja, with its line."""
    packer = Messages(prompt="{{ qestion }}", completion="{{ solution", system="a\n{% fi %}")
    problems = packer.problems(COLUMNS, DATASET)
    assert problems[0].startswith("prompt: {{ qestion }} is provided by nothing. Did you mean 'question'? Known:")
    assert problems[1].startswith("completion: line 1 is not valid Jinja:")
    assert problems[2].startswith("system: line 2 is not valid Jinja:")
    assert len(problems) == 3


@pytest.mark.parametrize("packer", [PromptCompletion(), Messages(), Sharegpt()])
def test_too_few_output_columns(packer: PromptCompletion) -> None:
    """With one output column the completion must be said; with two, or with texts of its own, all is well."""
    one = Dataset(output=("question",), constants={})
    assert packer.problems(("question",), one) == [
        "completion: there is no output column 2 to take; say what it is (Jinja)."
    ]
    assert packer.problems(COLUMNS, DATASET) == []
    own: dict[str, Any] = {"prompt": "Ask.", "completion": "{{ question }}"}
    assert type(packer)(**own).problems(("question",), one) == []


def test_missing_value() -> None:
    """A value that is missing inside a column is an error that says so, never a blank."""
    with pytest.raises(TextError, match="no attribute 'b'"):
        PromptCompletion(prompt="{{ question.b }}").pack({**ROW, "question": {"a": 1}}, DATASET)
