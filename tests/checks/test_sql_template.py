"""The template text2sql and its example spec: their schemas, examples and fake answers pass their own check."""

import hashlib
import json
from collections import Counter
from itertools import product

import pytest
import yaml

from sdspec.checks.sql import Sql
from sdspec.faking import texts
from tests.house.tree import ROOT


def read(path):
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


TEMPLATE = read("conf/template/text2sql.yaml")
SPEC = read("specs/orders_sql.yaml")["template"]
BOTH = pytest.mark.parametrize("template", [TEMPLATE, SPEC], ids=["text2sql", "orders_sql"])


def check_of(template):
    (options,) = template["checks"]
    check = Sql.model_validate({key: value for key, value in options.items() if key != "kind"})
    assert check.problems(template["variables"]) == []
    return check.bound(template["variables"])


def answers(template, count):
    """Fake answers (question, solution) for the first draws, over all difficulties."""
    variables = {name: value for name, value in template["variables"].items() if isinstance(value, str)}
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in TEMPLATE["output"]}}
    for number, difficulty in product(range(count), TEMPLATE["variables"]["difficulty"]["choice"]):
        columns = {"seed": "any", "style": "any", "about": "any", **variables, "difficulty": difficulty}
        draw = hashlib.blake2b(f"{number} {difficulty}".encode(), digest_size=8).hexdigest()
        answer = json.loads(texts.text(template["fake"], columns, schema, draw))
        yield answer["question"], answer["solution"]


@BOTH
def test_examples_run_and_give_rows(template):
    """A model is shown only queries that are right."""
    for example in template["examples"]:
        verdict = check_of(template).examine(example["solution"])
        assert verdict.ok, verdict
        assert verdict.evidence["row_count"] > 0, example
        assert "nondeterministic" not in verdict.evidence


@BOTH
def test_fake_answers_pass_the_check(template):
    """provider=fake gives rows that are kept: valid queries, and questions that fit them."""
    check = check_of(template)
    for question, solution in answers(template, 150):
        verdict = check.examine(solution)
        assert verdict.ok, (solution, verdict)
        assert question.endswith("?")


def test_fake_answers_are_many():
    """A run of thousands of rows without repeated questions is possible off line."""
    found = list(answers(TEMPLATE, 4000))
    questions = Counter(question for question, _ in found)
    assert len(set(found)) == len(questions)
    assert len(questions) > 0.98 * len(found)


def test_the_template_asks_for_variety():
    """Seeds, difficulty, style and subject vary; the prompt shows them all, the examples first and the topic last."""
    assert len(set(TEMPLATE["seeds"])) >= 24
    assert TEMPLATE["prompt"].startswith("{{ examples }}")
    assert TEMPLATE["prompt"].endswith("<topic>{{ seed }}</topic>\n")
    for name, value in TEMPLATE["variables"].items():
        assert f"{{{{ {name} }}}}" in TEMPLATE["prompt"]
        assert name == "schema" or len(value["choice"]) >= 3
