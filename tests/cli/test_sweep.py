"""`sdspec run -m`: every combination is a run like any other, looked at before the first call, told in one table."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

import sdspec
from sdspec.api import open_run
from sdspec.cli.sweep import print_sweep
from sdspec.errors import SpecError
from sdspec.sweeping.job import Unwatched
from sdspec.sweeping.results import Result, Sweep
from tests.cli.test_endings import wait_for_requests
from tests.recipes import cli, cli_here, requests_in, start_cli, write_spec

JOBLIB = "hydra/launcher=joblib"
GRID = ["model.temperature=0.2,0.7", "model.top_p=0.9,1.0"]
ID = "2026-11-21_15-15-33-0123456{}"
SLOW = ["workflow.size=400", "provider.latency_s=0.2", "engine.concurrency=8"]


def swept(folder: Path, out: str) -> tuple[Path, list[dict[str, Any]]]:
    """The sweep's folder, from the last line of stdout, and its sweep.json."""
    path = folder / out.splitlines()[-1]
    return path, json.loads((path / "sweep.json").read_text())


def records(results: list[dict[str, Any]], folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / result["path"] / "run.json").read_text()) for result in results]


def refused(folder: Path, *overrides: str) -> list[str]:
    """The problems of a sweep that must not start."""
    with pytest.raises(SpecError) as wrong:
        sdspec.sweep("colours", overrides, cwd=folder)
    return [str(problem) for problem in wrong.value.problems]


@pytest.mark.parametrize("launcher", [[], [JOBLIB]], ids=["basic", "joblib"])
def test_a_grid_makes_its_runs_and_one_table(tmp_path: Path, launcher: list[str]) -> None:
    """Four combinations are four run folders in the sweep's own, beside sweep.json, with one journal and one table."""
    write_spec(tmp_path)
    ran = cli(tmp_path, "run", "-m", "colours", *GRID, *launcher)
    assert ran.returncode == 0, ran.stderr
    path, results = swept(tmp_path, ran.stdout)
    assert path.parent == tmp_path / "outputs/colours"
    assert path.name.endswith("-sweep")
    runs = sorted(Path(result["path"]).name for result in results)
    assert [*runs, "multirun.yaml", "sweep.json"] == sorted(inner.name for inner in path.iterdir())
    assert {"outputs", "specs"} == {inner.name for inner in tmp_path.iterdir()}
    assert {"colours", "journal.sqlite", "journal.sqlite-claims"} == {
        inner.name for inner in (tmp_path / "outputs").iterdir()
    }
    title, *lines = ran.stdout.splitlines()[1:6]
    assert title.split() == ["temperature", "top_p", "kept", "rate", "calls", "tokens", "s", "status", "run"]
    values = [(t, p) for t in ("0.2", "0.7") for p in ("0.9", "1.0")]
    assert [[t, p, "20/20", "100"] for t, p in values] == [line.split()[:4] for line in lines]
    assert "[2/4] model.temperature=0.2 model.top_p=1.0" in ran.stderr
    assert "Warning" not in ran.stderr
    assert [record["sweep"]["id"] for record in records(results, tmp_path)] == [path.name] * 4


def test_a_job_is_the_single_run_with_its_overrides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """spec.yaml, plan and rows of a job are, to the byte, those of `sdspec run` with the same overrides."""
    monkeypatch.chdir(tmp_path)
    write_spec(tmp_path)
    typed = ["workflow={size: 7}", "template.system='be ${name}, please'", "~model.top_p"]
    job = sdspec.sweep("colours", [*typed, "model.temperature=0.2,0.7", "seed=range(3,5)"]).results[1]
    assert {"model.temperature": "0.2", "seed": "4"} == job.swept
    assert job.path is not None
    for overrides in ([*typed, "model.temperature=0.2", "seed=4"], job.overrides):
        single = sdspec.run(sdspec.compile(sdspec.load("colours", overrides)))
        assert (single.path / "spec.yaml").read_bytes() == Path(job.path, "spec.yaml").read_bytes()
        assert (job.plan, job.rows_sha256) == (single.record()["plan"], single.record()["rows_sha256"])


def test_a_failing_job_stops_no_other_and_the_worst_gives_the_exit_code(tmp_path: Path) -> None:
    """Runs that fail or fall short are results like the others; the sweep exits with the worst; --json is a list."""
    write_spec(tmp_path, {"workflow": {"dedup": {"kind": "exact", "columns": ["answer", "mood"]}}})
    nowhere = tmp_path / "conf/provider/nowhere.yaml"
    nowhere.parent.mkdir(parents=True)
    nowhere.write_text("kind: openai_compatible\nbase_url: http://127.0.0.1:9/v1\n")
    sweep = ["provider=nowhere,fake", "engine.outage_s=0.2", "workflow.size=9", "workflow.max_attempts=9,400"]
    ran = cli_here(tmp_path, "run", "-m", "colours", *sweep, "model.id=m", "--json", "--quiet")
    assert ran.returncode == 1, ran.stderr
    _, results = swept(tmp_path, ran.stdout)
    assert results == json.loads(ran.stdout[: ran.stdout.rindex("]") + 1])
    assert [("failed", 1), ("failed", 1), ("short", 3), ("done", 0)] == [
        (result["status"], result["exit_code"]) for result in results
    ]
    assert "nothing succeeded" in results[0]["why"]
    assert f"sdspec resume {results[0]['path']}" in ran.stderr
    assert "[3/4] provider=fake workflow.max_attempts=9: short" in ran.stderr
    assert "[4/4]" not in ran.stderr, "quiet: what went well is not told"
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["done", "done"], 0),
        (["done", "short"], 3),
        (["short", "wrong"], 2),
        (["wrong", "failed", "short"], 1),
        (["failed", "interrupted", "not started"], 130),
        ([], 0),
    ],
)
def test_the_worst_job(statuses: list[str], code: int) -> None:
    """Interrupted is worse than failed, failed than a wrong spec, that than too few rows."""
    assert code == Sweep(Path(), tuple(Result(1, (), {}, status) for status in statuses)).exit_code


class Breaks(Unwatched):
    """Spoils the spec when the first job has ended."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ended(self, result: Result, total: int | None) -> None:
        assert total == 3
        write_spec(self.path, {"workflow": {"sise": 3}} if result.number == 1 else {})


def test_a_spec_that_goes_wrong_on_the_way_is_a_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job whose spec no longer loads is `wrong`, with the located problem, and the next one runs."""
    monkeypatch.chdir(tmp_path)
    write_spec(tmp_path)
    sweep = sdspec.sweep("colours", ["seed=1,2,3", "workflow.size=3"], Breaks(tmp_path))
    assert ["done", "wrong", "done"] == [result.status for result in sweep.results]
    assert "Did you mean 'size'?" in sweep.results[1].why
    assert "specs/colours.yaml:" in sweep.results[1].why
    assert sweep.exit_code == 2
    before = signal.getsignal(signal.SIGINT)
    assert before is signal.default_int_handler, "the handlers are back"


def test_every_problem_of_every_combination_at_once(tmp_path: Path) -> None:
    """Nothing runs while any combination is wrong: all problems, each once, each with its place and its combination."""
    write_spec(tmp_path, {"provider": {"pnonsense": 0.1}})
    found = refused(tmp_path, "model.temperature=0.2,9", "model.top_p=0.5,0.6", "modle.id=a,b", "provider=fake,local")
    assert len(found) == 2
    assert "override 'model.temperature=9': model.temperature: must be at most 2" in "\n".join(found)
    assert "override 'modle.id=a,b': modle: unknown key. Did you mean 'model'?" in "\n".join(found)
    assert not (tmp_path / "outputs").exists()
    mixed = refused(tmp_path, "template.parse=json,raw", "workflow.per_call=1,2", "seed=1,2")
    assert [text.partition("'")[2].partition("'")[0] for text in mixed] == ["template.parse=raw", "workflow.per_call=2"]
    assert mixed[1].endswith("Only with template.parse=raw.")
    in_files = refused(tmp_path, "template.output={question: str},{question: str, answer: str}", "seed=1,2")
    assert any(text.startswith("specs/colours.yaml:") for text in in_files)
    assert all(text.endswith("Only with template.output={question:str}.") for text in in_files)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["engine.concurrency=1,2", "seed=1,2"], "it says how a plan is run, and decides no row"),
        (["export=jsonl,parquet"], "exports are written from the same rows"),
        (["provider.latency_s=0,0.1"], "not what it answers"),
        (["models.judge.id=a,b", "seed=1,2"], "no step asks model 'judge'"),
        (["seed=1,1"], "the value 1 stands there twice"),
        (["model.temperature=1,1.0,0.5"], "the values 1 and 1.0 give the same plan"),
    ],
)
def test_a_key_that_changes_nothing_is_an_error(tmp_path: Path, overrides: list[str], said: str) -> None:
    """A swept key that decides no row says why, before the same rows are made twice."""
    write_spec(tmp_path)
    (problem,) = refused(tmp_path, *overrides)
    assert problem.startswith(f"override '{overrides[0]}': {overrides[0].partition('=')[0]}: ")
    assert said in problem


def test_the_runs_of_a_sweep_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`last`, an id and `runs` find the runs of a sweep."""
    monkeypatch.chdir(tmp_path)
    write_spec(tmp_path)
    sweep = sdspec.sweep("colours", ["seed=1,2", "workflow.size=3"])
    assert open_run("last").path.parent.name == sweep.path.name
    assert sweep.results[0].run_id is not None
    assert open_run(sweep.results[0].run_id).record()["sweep"]["swept"] == {"seed": "1"}
    assert len(json.loads(cli_here(tmp_path, "runs", "--json").stdout)) == 2


@pytest.mark.parametrize("columns", [80, 40])
def test_the_table_gives_way_to_the_width(
    columns: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """80 columns name the runs below the table, 40 stack the jobs: nothing is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    counts = {
        "wanted": 2000,
        "attempted": 2300,
        "kept": 1999,
        "rejected": {"sql_error": 200, "duplicate": 90, "unparseable": 11},
        "calls": {"made": 2345},
    }
    run = {"counts": counts, "tokens": {"input": 10**6, "output": 10**5}, "cost_usd": 1.5, "elapsed_s": 1234.5}
    swept = [{"model.temperature": f"0.{n}", "models.judge.temperature": "1"} for n in (1, 2)]
    done = [Result(n, (), swept[n - 1], "done", path=ID.format(n), **run) for n in (1, 2)]
    waits = Result(3, (), {"model.temperature": "1", "models.judge.temperature": "0"})
    print_sweep(Sweep(Path(), (*done, waits)))
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= columns
    told = "\n".join(lines)
    for shown in ("1999/2000", "sql_error 200", "not started", ID.format(1), ID.format(2)):
        assert shown in told


def test_ctrl_c_ends_the_running_job_in_order_and_starts_no_other(tmp_path: Path) -> None:
    """SIGINT once: this job is resumable, the others have not started, exit 130; resume finishes the job's run."""
    write_spec(tmp_path)
    log = tmp_path / "log"
    run = start_cli(tmp_path, "run", "-m", "colours", *SLOW, "seed=1,2,3", f"provider.request_log={log}")
    wait_for_requests(run, log, 40)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate()
    assert run.returncode == 130, err
    _, results = swept(tmp_path, out)
    assert ["interrupted", "not started", "not started"] == [result["status"] for result in results]
    assert f"sdspec resume {results[0]['path']}" in err
    resumed = cli_here(tmp_path, "resume", results[0]["path"], "--quiet")
    assert resumed.returncode == 0, resumed.stderr
    assert set(requests_in(log).values()) == {1}, "nothing that was in flight was lost"


def family(pid: int) -> list[int]:
    """The pids of a process's descendants."""
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    pairs = [tuple(map(int, line.split())) for line in found.splitlines()]
    below = [child for child, parent in pairs if parent == pid]
    return below + [pid for child in below for pid in family(child)]


def left_of(pids: list[int]) -> list[int]:
    """Those that still run after a while; a process that nobody waits for is no longer running."""

    def runs(pid: int) -> bool:
        state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
        return bool(state.stdout.strip()) and not state.stdout.startswith("Z")

    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and any(map(runs, pids)):
        time.sleep(0.05)
    return [pid for pid in pids if runs(pid)]


def start_joblib(folder: Path, log: Path) -> subprocess.Popen[str]:
    """A sweep with two jobs at once, in a session of its own as on a terminal, when both have asked something."""
    command = ["run", "-m", "colours", *SLOW, "seed=1,2,3,4,5", JOBLIB, "hydra.launcher.n_jobs=2"]
    run = subprocess.Popen(
        [sys.executable, "-m", "sdspec", *command, f"provider.request_log={log}"],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while len(list(folder.glob("outputs/colours/*/*/run.json"))) < 2:
        assert run.poll() is None, run.communicate()
        time.sleep(0.01)
    wait_for_requests(run, log, 60)
    return run


@pytest.mark.slow
@pytest.mark.parametrize("reaches", ["the sweep", "all of them"])
def test_ctrl_c_reaches_jobs_in_other_processes(tmp_path: Path, reaches: str) -> None:
    """With joblib too, from `kill` or from a terminal: running jobs end resumable, and no process is left."""
    write_spec(tmp_path)
    log = tmp_path / "log"
    run = start_joblib(tmp_path, log)
    children = family(run.pid)
    (os.kill if reaches == "the sweep" else os.killpg)(run.pid, signal.SIGINT)
    out, err = run.communicate()
    assert run.returncode == 130, err
    assert "Traceback" not in err
    _, results = swept(tmp_path, out)
    assert ["interrupted"] * 2 + ["not started"] * 3 == [result["status"] for result in results]
    assert all(record["status"] == "interrupted" for record in records(results[:2], tmp_path))
    assert set(requests_in(log).values()) == {1}
    assert children
    assert left_of(children) == []


@pytest.mark.slow
@pytest.mark.parametrize("blow", ["Ctrl-C twice", "a killed job", "kill -9"])
def test_whatever_ends_a_sweep_leaves_no_process_and_a_record(tmp_path: Path, blow: str) -> None:
    """Two interrupts, a job that the system kills, and the death of the sweep itself: no child goes on, runs resume."""
    write_spec(tmp_path)
    log = tmp_path / "log"
    run = start_joblib(tmp_path, log)
    children = family(run.pid)
    paths = list(tmp_path.glob("outputs/colours/*/*/run.json"))
    if blow == "Ctrl-C twice":
        os.killpg(run.pid, signal.SIGINT)
        assert run.stderr is not None
        while "once more" not in run.stderr.readline():
            assert run.poll() is None
        os.killpg(run.pid, signal.SIGINT)
    elif blow == "a killed job":
        os.kill(json.loads(paths[0].read_text())["process"]["pid"], signal.SIGKILL)
    else:
        run.kill()
    out, err = run.communicate()
    assert {"Ctrl-C twice": 130, "a killed job": 1, "kill -9": -9}[blow] == run.returncode
    assert "Traceback" not in err
    assert left_of(children) == []
    if blow != "kill -9":
        _, results = swept(tmp_path, out)
        assert len(results) == 5
        assert {result["exit_code"] for result in results} == {run.returncode}
    for path in paths:
        assert open_run(path.parent).record()["status"] in ("interrupted", "failed")
    resumed = cli_here(tmp_path, "resume", str(paths[0].parent), "--quiet")
    assert resumed.returncode == 0, resumed.stderr


SWEEPER = '''
from hydra.plugins.sweeper import Sweeper
from hydra.core.config_store import ConfigStore

class Climb(Sweeper):
    """Raises the temperature as long as rows are kept."""

    def __init__(self, **options):
        self.options = options

    def setup(self, *, hydra_context, task_function, config):
        from hydra.core.plugins import Plugins
        self.config, self.hydra_context = config, hydra_context
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config)

    def sweep(self, arguments):
        for number, temperature in enumerate(["0.1", "0.5", "0.5", "9"]):
            batch = [["workflow.size=3", "model.temperature=" + temperature]]
            (job,) = self.launcher.launch(batch, initial_job_idx=number)
            if job.return_value < 1:
                return temperature

ConfigStore.instance().store(
    group="hydra/sweeper", name="climb", node={"_target_": "hydra_plugins.climb.Climb"}, provider="climb")
'''


def test_another_sweeper_decides_as_it_goes(tmp_path: Path) -> None:
    """A sweeper plugin gets the share of rows kept; equal plans are a note at the end, a wrong value is a result."""
    write_spec(tmp_path)
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins/climb.py").write_text(SWEEPER)
    words = ["run", "-m", "colours", "hydra/sweeper=climb", "model.temperature=interval(0,9)"]
    path = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    ran = cli(tmp_path, *words, PYTHONPATH=os.pathsep.join(path))
    assert ran.returncode == 2, ran.stderr
    _, results = swept(tmp_path, ran.stdout)
    assert ["done", "done", "done", "wrong"] == [result["status"] for result in results]
    assert "1 of 3 jobs have the plan of another one" in ran.stderr
    assert "must be at most 2" in results[3]["why"]
