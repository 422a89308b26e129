"""Sweeps through Hydra's own multirun: its sweeper makes the combinations, its launcher runs the jobs.

A job gets the overrides that the sweeper gave it and loads its spec itself, as a single run with these overrides does.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra._internal.core_plugins.basic_launcher import BasicLauncherConf
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper, BasicSweeperConf
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from sdspec.errors import Problem, SpecError
from sdspec.spec import overrides as words
from sdspec.spec.find import find_spec, shown
from sdspec.spec.finding import Finding, problems
from sdspec.spec.loader import Composition, Loader, make_loader
from sdspec.spec.settings import find
from sdspec.spec.spec import Key, Origin, dotted

Job = Callable[[int, tuple[str, ...]], float]
"""Gets a job's number, from 0, and its overrides; what it returns is what a sweeper that searches looks at."""

SEARCHPATH = "hydra.searchpath"
"""The one key of Hydra's own that decides what a spec is: a job's spec gets it too."""

HYDRAS_FOLDERS = {"dir": "multirun/${now:%Y-%m-%d}/${now:%H-%M-%S}", "subdir": "${hydra.job.num}"}
"""What `hydra.sweep` says when nobody sets it (conf/hydra/output/default.yaml of Hydra)."""


@dataclass(frozen=True)
class Axis:
    """A swept key with its values."""

    key: str
    """As it is written in an override: `model.temperature`, `template`, `+x`."""
    origin: Origin
    """The override that sweeps over it, or its line under `hydra.sweeper.params`."""
    values: tuple[str, ...]
    """The override of each value, e.g. `model.temperature=0.2`; none where only the sweeper knows."""


@dataclass(frozen=True)
class SweepPlan:
    """What is known of a sweep before its first job."""

    loader: Loader
    name: str
    """`name` and `engine.outputs` of the spec, as far as they do not depend on a combination."""
    outputs: str
    axes: tuple[Axis, ...]
    combinations: tuple[tuple[str, ...], ...] | None
    """The overrides of each job; None where the sweeper decides as it goes."""
    always: tuple[str, ...]
    """Overrides that every job gets beside its own."""
    overrides: tuple[str, ...]
    in_process: bool
    """The jobs run one after the other in this process."""
    problems: tuple[Problem, ...]


def plan_sweep(target: str | None, overrides: Sequence[str] = (), *, cwd: Path | None = None) -> SweepPlan:
    """The sweep over a spec; what is wrong with it as a sweep is in `problems`. No job's spec is looked at yet."""
    here = Path(cwd or Path.cwd()).absolute()
    path = find_spec(target, here) if target is not None else None
    name = shown(path, here) if path is not None else "the default config"
    loader = make_loader(path, here, plugins=True)
    if path is not None and (document := loader.library.read(path)).broken:
        raise SpecError(problems(document.findings, name))
    done = loader.compose(list(overrides), RunMode.MULTIRUN)
    hydra = done.hydra.hydra
    is_basic = _target(hydra.sweeper) == BasicSweeperConf._target_
    typed, findings = words.parse(overrides)
    findings += [finding for finding in done.findings if not is_basic or _of_hydra(finding)]
    findings += _folders(loader, hydra, overrides)
    params = hydra.sweeper.get("params") if is_basic else None
    given, wrong = _given(loader, typed, params or {})
    findings += wrong
    axes, wrong = _axes(given, loader, is_basic)
    findings += wrong
    return SweepPlan(
        loader=loader,
        name=_written(done, ("name",), "sweep"),
        outputs=_written(done, ("engine", "outputs"), "outputs"),
        axes=tuple(axes),
        combinations=_combinations(given) if is_basic else None,
        always=tuple(text for text in done.overrides if text.lstrip("+").startswith(SEARCHPATH)),
        overrides=tuple(overrides),
        in_process=_target(hydra.launcher) == BasicLauncherConf._target_,
        problems=problems(findings, name, overrides),
    )


def _target(node: Any) -> str:
    return str(node.get("_target_")) if isinstance(node, DictConfig) else ""


def _written(done: Composition, key: Key, default: str) -> str:
    """A text of the spec that no combination changes, where it needs no resolving."""
    found = find(done.tree, key)
    text = str(found.value) if found is not None else default
    return default if "${" in text else text


def _of_hydra(finding: Finding) -> bool:
    """True for what no job's own spec would show."""
    return (finding.origin.override or finding.what).lstrip("+~").startswith("hydra")


def _folders(loader: Loader, hydra: DictConfig, overrides: Sequence[str]) -> list[Finding]:
    """The sweep's folder is ours: a setting of Hydra's that would be passed over is an error."""
    node: Any = OmegaConf.to_container(hydra.sweep, resolve=False)
    what = "sdspec makes the folders of a sweep."
    hint = "Set engine.outputs: a sweep is in <outputs>/<name>/<time>-sweep."
    return [
        Finding(_origin(loader, ("hydra", "sweep", name), overrides), f"hydra.sweep.{name}: {what}", hint)
        for name, default in HYDRAS_FOLDERS.items()
        if node[name] != default
    ]


def _origin(loader: Loader, key: Key, overrides: Sequence[str] = ()) -> Origin:
    """Where a key of Hydra's own was set."""
    for text in reversed(overrides):
        if text.lstrip("+").startswith(f"{dotted(key)}="):
            return words.origin_of(text)
    path = loader.library.primary
    return loader.library.read(path).origin(key) if path is not None else Origin(None)


def _given(
    loader: Loader, typed: Sequence[Override], params: Mapping[str, Any]
) -> tuple[list[tuple[Override, Origin]], list[Finding]]:
    """The overrides that the sweeper gets: those of the spec's own `hydra.sweeper.params`, then those typed."""
    parser = OverridesParser.create(config_loader=loader)
    own = [(f"{key}={value}", _origin(loader, ("hydra", "sweeper", "params", key))) for key, value in params.items()]
    lines = [str(override.input_line) for override in typed if not override.is_hydra_override()]
    given, findings = [], []
    for text, origin in [*own, *((line, words.origin_of(line)) for line in lines)]:
        try:
            given.append((parser.parse_overrides([text])[0], origin))
        except HydraException:
            what = f"hydra.sweeper.params: {text} cannot be read."
            findings.append(Finding(origin, what, "Write the values as a,b or range(1,4)."))
    return given, findings


def _axes(given: Sequence[tuple[Override, Origin]], loader: Loader, is_basic: bool) -> tuple[list[Axis], list[Finding]]:
    """The swept keys; the last override of a key counts."""
    axes: dict[str, Axis | None] = {}
    findings = []
    for override, origin in given:
        key = override.get_key_element()
        values = _values(override)
        axes[key] = Axis(key, origin, values or ()) if override.is_sweep_override() else None
        if is_basic and values is None:
            hint = "Write range(start,stop,step), or values as a,b."
            findings.append(Finding(origin, f"{key}: a continuous range has no list of values.", hint))
        elif values == ():
            group = override.key_or_group
            options = loader.repository.options(group) if loader.repository.group_exists(group) else []
            hint = f"Known: {', '.join(options)}." if options else ""
            findings.append(Finding(origin, f"{key}: this names no value.", hint))
    return [axis for axis in axes.values() if axis is not None], findings


def _values(override: Override) -> tuple[str, ...] | None:
    """The override of each value; None for a continuous range."""
    key = override.get_key_element()
    if not override.is_sweep_override():
        return (f"{key}={override.get_value_element_as_str()}",)
    if not override.is_discrete_sweep():
        return None
    return tuple(f"{key}={value}" for value in override.sweep_string_iterator())


def _combinations(given: Sequence[tuple[Override, Origin]]) -> tuple[tuple[str, ...], ...]:
    """As the basic sweeper makes them; keys without values left out."""
    usable = [override for override, _ in given if _values(override)]
    return tuple(map(tuple, BasicSweeper.split_arguments(usable, None)[0]))


def multirun(sweep: SweepPlan, folder: Path, job: Job) -> None:
    """Hydra's sweeper and launcher have run every job; the job keeps its own results. Only `folder` was written to.

    What a job raises stops none of the others, and is raised at the end.
    """
    loader = _SweepLoader(sweep.loader, folder)
    hydra = Hydra("sdspec", config_loader=loader)
    task = _Task(job, sweep.always)
    try:
        hydra.multirun(loader.library.primary_name, task, list(sweep.overrides), with_log_configuration=False)
    except HydraException as error:
        raise SpecError([Problem("hydra", str(error).splitlines()[0])]) from error


@dataclass(frozen=True)
class _Task:
    """What Hydra calls, in this process or in another."""

    job: Job
    always: tuple[str, ...]

    def __call__(self, config: DictConfig) -> float:
        hydra = HydraConfig.get()
        return self.job(int(hydra.job.num), (*self.always, *map(str, hydra.overrides.task)))


class _SweepLoader(Loader):
    """Gives Hydra the configs of a sweep and its jobs. A job's faults are left to the job, which reports them."""

    def __init__(self, loader: Loader, folder: Path) -> None:
        super().__init__(loader.config_search_path, loader.library)
        self.folder = folder

    def compose(self, overrides: Sequence[str], run_mode: RunMode = RunMode.RUN) -> Composition:
        """As for a single run, with Hydra's logs off and all that it writes in the sweep's folder."""
        done = super().compose(overrides, run_mode)
        return replace(done, hydra=_contained(done.hydra, self.folder), findings=())

    def load_sweep_config(self, master_config: DictConfig, sweep_overrides: list[str]) -> DictConfig:
        """A job's config, with the overrides as the sweeper gave them, wrong ones too."""
        config = super().load_sweep_config(master_config, sweep_overrides)
        with read_write(config), open_dict(config):
            config.hydra.overrides.task = list(sweep_overrides)
        return config


def _contained(config: DictConfig, folder: Path) -> DictConfig:
    config = copy.deepcopy(config)
    hydra = config.hydra
    with read_write(config), open_dict(config):
        hydra.sweep.dir, hydra.sweep.subdir = str(folder), "."
        hydra.output_subdir = None
        hydra.hydra_logging = hydra.job_logging = {"root": None}
        hydra.job.chdir = False
        hydra.job.env_set = {}  # multirun.yaml would hold the values
    return config
