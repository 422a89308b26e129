"""SIGKILL at chosen operations on the disk, at every one of them, and at any time."""

import os
import random
import re
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.bench.mix import BookedOpenAI
from tests.faults.deaths import Point
from tests.faults.project import LANES, Project, gone_on, outcome, project, read, record
from tests.faults.zygote import Zygote

At = tuple[BookedOpenAI, str]
Calm = tuple[dict[str, Any], tuple[str, ...]]

POINTS = (
    ("half of .run.json.tmp", 0),
    ("os.rename .plan.json.tmp", 0),
    ("sqlite: INSERT", 9),
    ("sqlite: COMMIT", 9),
    ("sqlite: after COMMIT", 9),
    ("parquet: end", -1),
    ("parquet: after rows", -1),
    ("os.rename .rows.parquet.tmp", 0),
    ("os.rename rows", 0),
    ("os.remove 00000.parquet", -1),
    ("half of .run.json.tmp", -1),
    ("os.rename .report.html.tmp", 0),
    ("open .train.jsonl.tmp", 0),
    ("half of .README.md.tmp", 0),
)
"""An operation, and which of those of its name."""
TRIED = 16
"""So many others are tried, always the same; each takes three runs."""


@pytest.fixture(scope="module")
def calm(zygote: Zygote, at: At, tmp_path_factory: pytest.TempPathFactory) -> Calm:
    """The outcome of a run that nothing disturbs, and its operations."""
    made = project(tmp_path_factory.mktemp("calm"), at)
    ended = zygote.run(made.folder, made.words)
    assert ended.code == 0, ended.err
    assert made.twice == 0
    return outcome(made.folder / ended.folder), ended.operations


def wrong_after(zygote: Zygote, made: Project, calm: dict[str, Any], *, resume_first: bool) -> list[str]:
    """What does not hold of a project whose run was killed."""
    wrong = []
    for looked in read(zygote, made):
        if looked.code not in (0, 1, 2) or "Traceback" in looked.err:
            wrong.append(f"cannot be looked at: {looked.err}")
    for run in made.runs()[-1:]:
        shown = zygote.run(made.folder, ["runs", "--json"]).out
        status = re.search(r'"status": ?"(\w+)"', shown)
        if status is None or status[1] not in ("interrupted", "done"):
            wrong.append(f"says {status and status[1]}, run.json says {record(run)['status']}")
    try:
        for found in gone_on(zygote, made, resume_first=resume_first):
            wrong += [f"{name}: {value!r}, not {calm[name]!r}" for name, value in found.items() if value != calm[name]]
    except (AssertionError, OSError) as failed:
        wrong.append(f"does not go on: {failed}")
    if made.twice > LANES:
        wrong.append(f"{made.twice} answers were bought twice")
    return wrong


@pytest.mark.slow
@pytest.mark.parametrize(("operation", "which"), POINTS)
def test_a_kill_at_a_chosen_point(
    operation: str, which: int, zygote: Zygote, calm: Calm, at: At, tmp_path: Path
) -> None:
    """Law 3: run again or resumed, the rows are the same to the byte, and only what was in flight is bought again."""
    outcome, operations = calm
    number = range(1, operations.count(operation) + 1)[which]
    made = project(tmp_path, at)
    assert zygote.run(made.folder, made.words, (operation, number)).killed
    assert [] == wrong_after(zygote, made, outcome, resume_first=True)


@pytest.mark.slow
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "SIGINT"])
def test_a_signal_at_any_kind_of_operation(by: int, zygote: Zygote, calm: Calm, at: At, tmp_path: Path) -> None:
    """Law 3, wherever the disk can be left in another state; SDSPEC_ALL_FAULTS=1 tries all, in ten minutes each."""
    wrong: dict[Point, list[str]] = {}
    counted = Counter(calm[1])
    points = [(name, which) for name in counted for which in sorted({1, counted[name]})]
    tried = points if "SDSPEC_ALL_FAULTS" in os.environ else random.Random(by).sample(points, TRIED)
    for number, point in enumerate(tried):
        folder = tmp_path / str(number)
        folder.mkdir()
        made = project(folder, at)
        ended = zygote.run(made.folder, made.words, point, by)
        if ended.code == 0 and by == signal.SIGKILL:
            continue  # as many commits as before there need not be
        found = wrong_after(zygote, made, calm[0], resume_first=number % 2 == 0)
        if ended.code not in (-9, 0, 130) or "Traceback" in ended.err:
            found.append(f"exit {ended.code}: {ended.err}")
        if found:
            wrong[point] = found
    assert {} == wrong
