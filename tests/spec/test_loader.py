"""The loader as Hydra's own, in threads, and light to import."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import sdspec
from sdspec.errors import SpecError
from tests.spec.conftest import Project

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(sdspec.__file__).parent.parent)}


def test_twice_and_in_threads(project: Project):
    """Loading leaves no state behind: many specs load at once, each as if alone."""
    for number in range(4):
        project.spec(f"name: spec{number}\nworkflow: {{size: {number + 1}}}\n", name=f"s{number}")
    with ThreadPoolExecutor(8) as pool:
        loads = [(n % 4, pool.submit(project.right, f"s{n % 4}", f"seed={n}")) for n in range(24)]
        found = [(n, load.result().config) for n, load in loads]
    assert [(f"spec{n}", n + 1) for n, _ in found] == [(config.name, config.workflow.size) for _, config in found]
    assert list(range(24)) == [config.seed for _, config in found]


def test_does_not_import_hydra():
    """Importing the loading module brings neither hydra nor omegaconf nor yaml."""
    code = "import sys, json, sdspec.spec.load; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, env=ENVIRONMENT)
    modules = json.loads(done.stdout)
    assert set() == {"hydra", "omegaconf", "yaml", "litellm", "pyarrow"} & set(modules)


SWEEP = """
import json
from pathlib import Path
from hydra._internal.hydra import Hydra
from sdspec.spec.loader import make_loader

def job(config):
    found.append([config.name, config.model.temperature, config.provider.kind])

found = []
here = Path.cwd()
loader = make_loader(here / "specs/x.yaml", here, plugins=True)
hydra = Hydra("sdspec", config_loader=loader)
hydra.multirun("x", job, ["model.temperature=0.2,0.7", "provider=fake,local", "hydra.sweep.dir=swept"],
               with_log_configuration=False)
print(json.dumps(found))
"""


def test_sweeps(project: Project):
    """Hydra's own multirun sweeps over a spec with our rules: keys and options, one job each."""
    project.spec("name: swept\nprovider: {region: r}\n", "  - override /provider: bedrock")
    command = [sys.executable, "-W", "ignore", "-c", SWEEP]
    done = subprocess.run(command, cwd=project.path, capture_output=True, text=True, check=False, env=ENVIRONMENT)
    assert 0 == done.returncode, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert [("swept", t, k) for t in (0.2, 0.7) for k in ("fake", "local")] == [tuple(job) for job in found]
    assert (project.path / "swept/3/.hydra/config.yaml").is_file()


def test_as_hydras_loader_it_raises(project: Project):
    """What Hydra asks of the loader raises every problem at once."""
    from hydra.types import RunMode

    from sdspec.spec.loader import make_loader

    project.spec("modle: 1\nworkflow: {sise: 1}\n", "  - override /provider: bedrok")
    loader = make_loader(project.path / "specs/x.yaml", project.path)
    with pytest.raises(SpecError, match="bedrok"):
        loader.load_configuration("x", [], RunMode.RUN)


def test_hundred_seeds_and_a_folder_of_links(project: Project, tmp_path: Path):
    """A larger spec, reached through a link, loads like any other."""
    name = project.spec("template:\n  seeds:\n" + "".join(f"    - topic number {n}\n" for n in range(100)))
    (tmp_path / "link.yaml").symlink_to(tmp_path / f"specs/{name}.yaml")
    assert 100 == len(project.right("link.yaml").config.template.seeds)
