"""Sweeps as Hydra makes them: combinations, jobs with the overrides of a single run, and nothing written elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdspec.spec.sweep import SweepPlan, multirun, plan_sweep
from tests.spec.conftest import Project


def planned(project: Project, *overrides: str, target: str | None = None) -> SweepPlan:
    """The sweep, which must be without problems."""
    sweep = plan_sweep(target, overrides, cwd=project.path)
    assert [] == [str(problem) for problem in sweep.problems]
    return sweep


def combinations(project: Project, *overrides: str, target: str | None = None) -> list[tuple[str, ...]]:
    return list(planned(project, *overrides, target=target).combinations or ())


def problems(project: Project, *overrides: str, target: str | None = None) -> list[str]:
    return [str(problem) for problem in plan_sweep(target, overrides, cwd=project.path).problems]


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("seed=1,2", ["1", "2"]),
        ("seed=range(1,4)", ["1", "2", "3"]),
        ("seed=choice(5,7)", ["5", "7"]),
        ("template=glob(cust*)", ["custom"]),
        ("provider=fake,local", ["fake", "local"]),
        ("template.seeds=[a,b],[c]", ["[a,b]", "[c]"]),
        ("name='a,b',c", ["'a,b'", "c"]),
    ],
)
def test_hydras_sweep_syntax(project: Project, written: str, values: list[str]):
    """Lists, ranges, choices and globs of Hydra's make the combinations, over keys and over groups."""
    key = written.partition("=")[0]
    assert [(f"{key}={value}",) for value in values] == combinations(project, written)


def test_every_combination_in_the_order_of_the_keys(project: Project):
    """The last key runs fastest, and keys with one value stay in every job."""
    found = combinations(project, "seed=1,2", "workflow.size=3", "model.temperature=0.1,0.2")
    each = [(seed, temperature) for seed in (1, 2) for temperature in (0.1, 0.2)]
    assert [(f"seed={seed}", "workflow.size=3", f"model.temperature={t}") for seed, t in each] == found


def test_no_swept_key_is_one_job(project: Project):
    """`-m` without a sweep is a sweep of one."""
    assert [("seed=3",)] == combinations(project, "seed=3")
    assert [()] == combinations(project)


PARAMS = """
    hydra:
      sweeper:
        params:
          model.temperature: 0.1,0.2
          seed: range(0,2)
    """


def test_a_spec_declares_its_sweep(project: Project):
    """`hydra.sweeper.params` of a spec is swept over; an override of the same key takes its place."""
    name = project.spec(PARAMS)
    assert 4 == len(combinations(project, target=name))
    assert [("model.temperature=0.1", "seed=9"), ("model.temperature=0.2", "seed=9")] == combinations(
        project, "seed=9", target=name
    )
    origins = [str(axis.origin) for axis in planned(project, "seed=4,5", target=name).axes]
    assert ["specs/x.yaml:9:7", "override 'seed=4,5'"] == origins


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("model.temperature=interval(0,1)", "a continuous range has no list of values. Write range("),
        ("seed=range(3,1)", "seed: this names no value."),
        ("template=glob(x*)", "template: this names no value. Known: "),
        ("hydra.job.name=a,b", "Hydra's own settings cannot be swept over."),
        ("hydra/launcher=joblb", "Did you mean 'joblib'?"),
        ("hydra.sweep.dir=here", "sdspec makes the folders of a sweep. Set engine.outputs"),
        ("seed=choice()", "cannot be read"),
    ],
)
def test_what_cannot_be_swept(project: Project, written: str, said: str):
    """A sweep that has no list of jobs says so at the override that makes it so."""
    (problem,) = problems(project, written)
    assert problem.startswith(f"override '{written}': ")
    assert said in problem


def test_a_folder_set_in_the_spec_is_located(project: Project):
    """A setting of Hydra's that sdspec would pass over is an error, in files too."""
    name = project.spec("hydra: {sweep: {dir: here}}\n")
    (problem,) = problems(project, "seed=1,2", target=name)
    assert problem.startswith("specs/x.yaml:6:17: hydra.sweep.dir")


def test_jobs_get_what_a_single_run_would_be_typed_with(project: Project, monkeypatch: pytest.MonkeyPatch):
    """Each job gets its number and all overrides, a search path too, Hydra's other settings not."""
    monkeypatch.chdir(project.path)
    project.write("more/template/mine.yaml", "prompt: p\noutput: {a: str}\nseeds: [x]\n")
    given = ["hydra.searchpath=[file://more]", "template=mine,custom", "hydra.job.name=j", "name='a b'"]
    sweep = plan_sweep(None, given, cwd=project.path)
    folder = project.path / "swept"
    jobs: list[tuple[int, tuple[str, ...]]] = []

    def job(number: int, overrides: tuple[str, ...]) -> float:
        jobs.append((number, overrides))
        return 0.0

    multirun(sweep, folder, job)
    always = "hydra.searchpath=[file://more]"
    assert [(0, (always, "template=mine", "name='a b'")), (1, (always, "template=custom", "name='a b'"))] == jobs
    assert ["multirun.yaml"] == [path.name for path in folder.rglob("*")]
    assert {"more", "swept"} == {path.name for path in project.path.iterdir()}


def test_a_job_that_raises_stops_no_other(project: Project):
    """What is our own fault in one job is raised when all jobs have run."""
    ran = []

    def job(number: int, overrides: tuple[str, ...]) -> float:
        ran.append(overrides)
        if number == 0:
            raise ZeroDivisionError
        return 0.0

    with pytest.raises(ZeroDivisionError):
        multirun(planned(project, "seed=1,2"), project.path / "swept", job)
    assert [("seed=1",), ("seed=2",)] == ran


def test_faults_of_a_job_are_left_to_the_job(project: Project):
    """Hydra runs a job whose overrides are wrong, with these overrides: the job reports them like a single run."""
    found: list[tuple[str, ...]] = []

    def job(number: int, overrides: tuple[str, ...]) -> float:
        found.append(overrides)
        return 0.0

    sweep = plan_sweep(None, ["template=custom,txt2sql", "modle.top_p=1"], cwd=project.path)
    multirun(sweep, project.path / "swept", job)
    assert [("template=custom", "modle.top_p=1"), ("template=txt2sql", "modle.top_p=1")] == found


def test_no_environment_value_is_written(project: Project, monkeypatch: pytest.MonkeyPatch):
    """Law 8: multirun.yaml keeps references to the environment as they are written, and no value set for jobs."""
    monkeypatch.setenv("WORD", "s3cr3t-of-env")
    name = project.spec("template: {system: '${oc.env:WORD}'}\nhydra: {job: {env_set: {A: s3cr3t-too}}}\n")
    multirun(planned(project, "seed=1,2", target=name), project.path / "swept", lambda number, overrides: 0.0)
    text = (project.path / "swept/multirun.yaml").read_text()
    assert "${oc.env:WORD}" in text
    assert "s3cr3t" not in text


def test_the_specs_own_path_is_not_needed(project: Project, tmp_path: Path):
    """A sweep over the default config needs no file at all."""
    assert 2 == len(combinations(Project(tmp_path / "nowhere"), "seed=1,2"))
