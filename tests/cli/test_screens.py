"""What a person reads, as goldens: help, plan, show; and machine-readable output that parses."""

import json
import re
from pathlib import Path

import pytest

from sdspec.plan.compile import compile_spec
from sdspec.plan.estimate import first_rows
from sdspec.spec.load import load_spec
from tests.goldens import assert_golden
from tests.recipes import cli, cli_here, write_spec

FAULTY = {"workflow": {"size": 30}, "provider": {"pnonsense": 0.3, "prefusal": 0.1, "pbroken_json": 0.2}}
DEDUP = "workflow.dedup={kind: exact, columns: [answer, mood]}"


def settled(text: str) -> str:
    """The text without what differs between two equal runs: the time, and how long it took."""
    text = re.sub(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", "<time>", text)
    return re.sub(r"(?<=^time    )\d+:\d\d$", "<elapsed>", text, flags=re.MULTILINE)


def test_help(tmp_path: Path) -> None:
    """The first screen."""
    assert_golden("help.txt", cli(tmp_path, "--help").stdout)


def test_plan(tmp_path: Path) -> None:
    """Steps, columns, models, calls, tokens and cost, before any call."""
    write_spec(tmp_path)
    planned = cli_here(tmp_path, "plan", "colours")
    assert planned.returncode == 0, planned.stderr
    assert_golden("plan.txt", planned.stdout)


def test_plan_knows_what_the_journal_holds_and_parses_as_json(tmp_path: Path) -> None:
    """After a run, its plan needs no further call; `--json` says the same."""
    write_spec(tmp_path)
    cli_here(tmp_path, "run", "colours", "--quiet")
    estimate = json.loads(cli_here(tmp_path, "plan", "colours", "--json").stdout)["estimate"][0]
    assert (estimate["rendered"], estimate["held"]) == (20, 20)


def test_a_pipe_has_no_edge(tmp_path: Path) -> None:
    """What a person would see wrapped is one line for a program, without blanks at its end; numbers are set alike."""
    write_spec(tmp_path, {"template": {"seeds": [f"seed {number}" for number in range(1200)]}})
    checked = cli_here(tmp_path, "check", "colours").stdout
    assert "20 rows of 1,200 seeds" in checked
    shown = cli_here(tmp_path, "explain", "template.parse", "--spec", "colours", "workflow.size=1400").stdout
    assert [] == [line for line in (checked + shown).splitlines() if line != line.rstrip()]


def test_show(tmp_path: Path) -> None:
    """The funnel by step and seed, reasons with examples, samples, totals."""
    write_spec(tmp_path, FAULTY)
    ran = cli_here(tmp_path, "run", "colours", DEDUP, "workflow.reasks=1", "engine.concurrency=1")
    assert ran.returncode == 3, ran.stderr
    assert_golden("show.txt", settled(cli_here(tmp_path, "show", "last").stdout))
    body = json.loads(cli_here(tmp_path, "show", "last", "--json").stdout)
    assert body["funnel"]["kept"] == body["run"]["counts"]["kept"] == 14


def test_the_report_is_one_page_that_needs_nothing_else(tmp_path: Path) -> None:
    """report.html holds funnel, reasons, seeds and samples; what a model says is text there, never markup."""
    answers = {"question": "<script>alert({{ n }})</script>", "answer": "a & b"}
    write_spec(tmp_path, {**FAULTY, "template": {"fake": answers}})
    folder = tmp_path / cli_here(tmp_path, "run", "colours", "workflow.reasks=0").stdout.splitlines()[-1]
    page = (folder / "report.html").read_text()
    assert "30 of 30 kept" in page
    assert "content_filter" in page
    assert "&lt;script&gt;alert(" in page
    assert "<script" not in page
    assert "http" not in page.replace("https", "http").split("</style>")[0]


def test_the_last_line_of_a_run_is_its_folder(tmp_path: Path) -> None:
    """Scripts take the run folder from the last line of stdout, also with --json, --quiet; the first is no gap."""
    write_spec(tmp_path)
    for flags in ([], ["--quiet"], ["--json"]):
        ran = cli(tmp_path, "run", "colours", *flags)
        assert (tmp_path / ran.stdout.splitlines()[-1] / "run.json").is_file()
        assert ran.stdout.splitlines()[0]
    assert len(json.loads(cli_here(tmp_path, "runs", "--json").stdout)) == 3


def test_a_run_can_be_repeated_from_its_own_spec(tmp_path: Path) -> None:
    """`sdspec run <run folder>/spec.yaml` makes the same rows without a call, and takes overrides and group choices."""
    write_spec(tmp_path, FAULTY)
    folder = cli_here(tmp_path, "run", "colours").stdout.splitlines()[-1]
    first = json.loads((tmp_path / folder / "run.json").read_text())
    again = cli_here(tmp_path, "run", f"{folder}/spec.yaml", "--quiet").stdout.splitlines()[-1]
    second = json.loads((tmp_path / again / "run.json").read_text())
    assert first["rows_sha256"] == second["rows_sha256"]
    assert second["counts"]["calls"]["made"] == 0
    other = cli_here(tmp_path, "run", f"{folder}/spec.yaml", "provider=fake", "workflow.size=3", "--quiet")
    assert other.returncode == 0, other.stderr


def test_export_writes_again_in_another_format(tmp_path: Path) -> None:
    """Law 9: another format of the same rows, without a call."""
    write_spec(tmp_path)
    cli_here(tmp_path, "run", "colours", "--quiet")
    written = cli_here(tmp_path, "export", "last", "export=parquet").stdout.splitlines()
    assert [Path(name).suffix for name in written] == [".parquet"]
    assert (tmp_path / written[0]).is_file()


@pytest.mark.parametrize("target", [None, "orders_sql"])
def test_rendered_prompt(target: str | None) -> None:
    """The exact messages of the first row of the packaged template and of the example spec."""
    plan = compile_spec(load_spec(target, ["provider=fake"], cwd=Path(__file__).parents[2]))
    position, step = next((at, one) for at, one in enumerate(plan.steps) if one.name == "generate")
    row = next(first_rows(plan, plan.steps[:position], 1))
    messages = step.part.messages(row)
    shown = "\n".join(f"--- {message['role']}\n{message['content']}" for message in messages)
    assert_golden(f"prompt_{target or 'text2sql'}.txt", shown + "\n")
