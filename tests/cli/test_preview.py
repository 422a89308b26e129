"""`sdspec preview`: word for word what a run asks, and with --call what comes back, for a run to find."""

import json
from pathlib import Path

import pyarrow.parquet as pq

import sdspec
from sdspec.store.journal import Journal
from tests.recipes import cli_here, counts, requests_in, run_spec, write_spec


def test_preview_shows_just_what_a_run_sends(tmp_path: Path) -> None:
    """The messages of the first rows, with what was drawn for each, are those that the journal keeps after a run."""
    spec = write_spec(tmp_path, {"template": {"system": "You like {{ mood }} questions."}})
    shown = json.loads(cli_here(tmp_path, "preview", "colours", "-n", "7", "--json").stdout)
    run = run_spec(spec)
    calls = {line["row"]: line["request"] for line in pq.read_table(run.path / "calls.parquet").to_pylist()}
    with Journal.open(tmp_path / "outputs" / "journal.sqlite") as journal:
        sent = [journal.request(bytes.fromhex(calls[one["row"]]))["messages"] for one in shown]  # type: ignore[index]
    assert [one["messages"] for one in shown] == sent
    assert [one["values"]["seed"] for one in shown[:5]] == ["red", "green", "blue", "black", "white"]


def test_preview_asks_nothing_and_says_how_it_would_be_sent(tmp_path: Path) -> None:
    """Without --call no provider is opened and no file is written; the text names model and sampling."""
    write_spec(tmp_path)
    shown = cli_here(tmp_path, "preview", "colours", "-n", "1", f"provider.request_log={tmp_path / 'log'}")
    assert shown.returncode == 0, shown.stderr
    assert "<topic>red</topic>" in shown.stdout
    assert "on fake (temperature 0.7" in shown.stdout
    assert not (tmp_path / "outputs").exists()
    assert not (tmp_path / "log").exists()


def test_called_answers_are_not_bought_again(tmp_path: Path) -> None:
    """--call shows answers, columns and verdicts; the run that follows takes them from the journal."""
    spec = write_spec(tmp_path)
    log = tmp_path / "log"
    shown = cli_here(tmp_path, "preview", "colours", "-n", "3", "--call", f"provider.request_log={log}")
    assert shown.returncode == 0, shown.stderr
    assert "3 of 3 rows pass" in shown.stdout
    assert shown.stdout.count("[answer]") == shown.stdout.count("[parsed]") == 3
    assert sum(requests_in(log).values()) == 3
    assert counts(run_spec(spec))["calls"] == {"made": 17, "from_journal": 3, "failed": 0, "retried": 0}


def test_one_row(tmp_path: Path) -> None:
    """The noun is one too."""
    write_spec(tmp_path)
    assert "1 of 1 row passes." in cli_here(tmp_path, "preview", "colours", "-n", "1", "--call").stdout


def test_a_refused_row_shows_why(tmp_path: Path) -> None:
    """An answer that cannot be parsed is shown with its re-asks and its end; a refusal by the provider too."""
    write_spec(tmp_path)
    nonsense = cli_here(
        tmp_path, "preview", "colours", "-n", "1", "--call", "provider.pnonsense=1", "workflow.reasks=1"
    )
    assert nonsense.stdout.count("[answer]") == 2
    assert "generate: unparseable: no_json" in nonsense.stdout
    refused = json.loads(
        cli_here(tmp_path, "preview", "colours", "-n", "1", "--call", "--json", "provider.prefusal=1").stdout
    )
    assert refused[0]["reject"]["reason"] == "content_filter"


def test_checks_and_parts_of_an_answer_are_shown(tmp_path: Path) -> None:
    """A check's verdict stands below the columns; rows of one answer show that answer."""
    shown = cli_here(
        tmp_path, "preview", "template=text2sql", "provider=fake", "-n", "2", "--call", "workflow.per_call=2"
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.count("sql: ok") == 2


def test_a_provider_that_is_down_ends_it(tmp_path: Path) -> None:
    """What would end a run ends the preview, with exit code 1 and one line."""
    write_spec(tmp_path)
    down = cli_here(tmp_path, "preview", "colours", "--call", "provider.down=true", "engine.outage_s=0.2")
    assert (down.returncode, down.stdout) == (1, "")
    assert "Traceback" not in down.stderr


def test_a_prompt_that_cannot_be_rendered_is_located(tmp_path: Path) -> None:
    """An error that only a row's own values bring is a problem of template.prompt."""
    write_spec(tmp_path, {"template": {"prompt": "{{ examples }}{{ 1 / (seed | length - 3) }}{{ mood }}"}})
    shown = cli_here(tmp_path, "preview", "colours")
    assert shown.returncode == 2
    assert "template.prompt: line 1: division by zero" in shown.stderr


def test_the_python_surface_previews_too(tmp_path: Path) -> None:
    """`api.preview` gives the asks themselves."""
    plan = sdspec.compile(sdspec.load(write_spec(tmp_path), cwd=tmp_path))
    first = sdspec.api.preview(plan, 2)
    assert [one.row.values["seed"] for one in first] == ["red", "green"]
    assert first[0].ask.key != first[1].ask.key
