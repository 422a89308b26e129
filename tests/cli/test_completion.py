"""Completion: what fits at the cursor, and that bash, zsh and fish put it there when TAB is pressed."""

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.house.test_start import HEAVY
from tests.recipes import cli, write_spec

WATCHDOG_S = 60
"""No shell takes that long; a test that waits for a word that never comes ends."""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with a spec, options of its own, and a command called `sdspec` in `bin`."""
    write_spec(tmp_path)
    (tmp_path / "specs" / "colts.yaml").write_text("defaults: [/sdspec, {override /provider: mine}, _self_]\n")
    for name in ("template/own", "provider/mine"):
        path = tmp_path / "conf" / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("# mine\nkind: openai_compatible\n")
    command = tmp_path / "bin" / "sdspec"
    command.parent.mkdir()
    root = Path(__file__).parents[2]
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m sdspec "$@"\n')
    command.chmod(0o755)
    return tmp_path


def environment(project: Path, **more: str) -> dict[str, str]:
    """The tests' environment, in which a shell finds that `sdspec`."""
    return {**os.environ, "PATH": f"{project / 'bin'}{os.pathsep}{os.environ['PATH']}", **more}


def ask(project: Path, line: str, *flags: str) -> subprocess.CompletedProcess[str]:
    """What the process says, asked as fish asks: a candidate and its description on each line of stdout."""
    wanted = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_SHELL": "fish", "_ARGCOMPLETE_DFS": "\t"}
    wanted |= {"_ARGCOMPLETE_STDOUT_FILENAME": "/dev/stdout", "_ARGCOMPLETE_SUPPRESS_SPACE": "1"}
    wanted |= {"COMP_LINE": line, "COMP_POINT": str(len(line))}
    command = [sys.executable, *flags, "-m", "sdspec"]
    return subprocess.run(
        command, cwd=project, env=environment(project, **wanted), capture_output=True, text=True, check=False
    )


CASES = {
    "sdspec pre": ["preview"],
    "sdspec run --q": ["--quiet"],
    "sdspec run col": ["colours", "colts"],
    "sdspec run specs/colo": ["specs/colours.yaml"],
    "sdspec run colours mode": ["model=", "model.id=", "model.temperature="],
    "sdspec run colours --quiet model.tem": ["model.temperature="],
    "sdspec run -m colours +model.tem": ["+model.temperature="],
    "sdspec run colours ~workflow.si": ["~workflow.size", "~workflow.size_per_seed"],
    "sdspec run provider=f": ["provider=fake"],
    "sdspec run template=o": ["template=own"],
    "sdspec run export=jsonl,pa": ["export=jsonl,parquet"],
    "sdspec run export=[jsonl,js": ["export=[jsonl,json"],
    "sdspec run template.style=s": ["template.style=seed001"],
    "sdspec run provider=fake provider.lat": ["provider.latency_s=", "provider.latency_sigma="],
    "sdspec run provider=fake provider.down=": ["provider.down=true", "provider.down=false"],
    "sdspec check colts provider.base": ["provider.base_url="],
    "sdspec run provider.cont": ["provider.context="],
    "sdspec run hydra/launcher=j": ["hydra/launcher=joblib"],
    "sdspec explain model.temp": ["model.temperature"],
    "sdspec explain model.temperature --spec co": ["colours", "colts"],
    "sdspec new bridges --template o": ["own"],
    "sdspec new b": [],
    "sdspec completion z": ["zsh"],
    "sdspec show x": [],
    "sdspec run nonsense=": [],
    "sdspec nonsense ": [],
}


@pytest.mark.parametrize("line", CASES, ids=str)
def test_what_fits_at_the_cursor(line: str, project: Path) -> None:
    """Verbs, flags, specs, groups, options (./conf and lists too), keys of the chosen provider; nothing on stderr."""
    done = ask(project, line)
    found = [said.partition("\t")[0] for said in done.stdout.splitlines()]
    assert "" == done.stderr
    if "mode" in line:  # model. has more keys than these
        assert set(CASES[line]) <= set(found)
    else:
        assert sorted(CASES[line]) == sorted(found)


def test_runs_fit_where_a_run_is_asked_for(project: Path) -> None:
    """`show`, `row`, `resume` and `export` take `last` and the ids of the runs; overrides follow where they may."""
    run = Path(cli(project, "run", "colours", "--quiet", "workflow.size=2").stdout.splitlines()[-1])
    for verb in ("show", "row", "resume", "export"):
        said = ask(project, f"sdspec {verb} ").stdout.splitlines()
        assert ["last\tthe newest run", f"{run.name}\tcolours"] == said
    assert ask(project, "sdspec export last expo").stdout.startswith("export=\t")


def test_keys_come_with_what_they_do(project: Path) -> None:
    """A shell that shows descriptions shows those of the models."""
    assert "0 always takes the likeliest token." in ask(project, "sdspec run model.tem").stdout


def test_completion_is_light(project: Path) -> None:
    """A TAB imports no config library, no table library, no model client: also where keys of a part are asked for."""
    said = ask(project, "sdspec run provider=fake provider.lat", "-X", "importtime").stderr.splitlines()
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in said}
    assert "argcomplete" in loaded
    assert set() == loaded & HEAVY


def test_without_a_shell_asking_argcomplete_is_not_loaded(project: Path) -> None:
    """Other commands do not pay for completion."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "sdspec", "--help"],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "argcomplete" not in done.stderr


@contextmanager
def terminal(command: list[str], project: Path) -> Iterator[int]:
    """An interactive shell on a terminal of its own; ended afterwards."""
    main, side = pty.openpty()
    environ = environment(project, TERM="vt100", PS1="$ ", HISTFILE="")
    shell = subprocess.Popen(
        command, cwd=project, env=environ, stdin=side, stdout=side, stderr=side, start_new_session=True
    )
    os.close(side)
    try:
        yield main
    finally:
        shell.kill()
        shell.wait()
        os.close(main)


def read_until(main: int, wanted: str) -> str:
    """All that the terminal showed, up to the wanted text."""
    shown, end = "", time.monotonic() + WATCHDOG_S
    while wanted not in shown and time.monotonic() < end:
        if select.select([main], [], [], 1)[0]:
            try:
                shown += os.read(main, 65536).decode(errors="replace")
            except OSError:  # the shell has gone
                break
    assert wanted in shown, shown
    return shown


SHELLS = {
    "bash": (["bash", "--norc", "--noprofile", "-i"], ""),
    "zsh": (["zsh", "-f", "-i"], "autoload -Uz compinit; compinit -u -D; "),
}

PRESSED = {
    "sdspec run provider=fa": "sdspec run provider=fake ",
    "sdspec run model.temp": "sdspec run model.temperature=",
}
"""What is typed before TAB -> what the line holds after it; more is typed to see where the cursor stands."""


@pytest.mark.parametrize("shell", SHELLS)
def test_tab_in_a_real_shell(shell: str, project: Path) -> None:
    """After `eval "$(sdspec completion SHELL)"` TAB completes options and keys, `=` or not, and spaces as needed."""
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    command, before = SHELLS[shell]
    with terminal(command, project) as main:
        os.write(main, f'{before}eval "$(sdspec completion {shell})"; printf "%s%s\\n" rea dy\n'.encode())
        read_until(main, "ready\r\n")
        for typed, wanted in PRESSED.items():
            os.write(main, f"echo {typed.removeprefix('sdspec ')}\x15".encode())  # ^U takes the line back
            os.write(main, f"{typed}\t".encode())
            os.write(main, b"#\x01: \n")  # completed, then made a comment of a command that does nothing
            read_until(main, f"{wanted}#")


def test_fish_completes(project: Path) -> None:
    """In fish the same candidates, with descriptions."""
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    pressed = "; ".join(f"complete -C '{line}'" for line in PRESSED)
    script = f"sdspec completion fish | source; {pressed}"
    done = subprocess.run(
        ["fish", "--no-config", "-c", script],
        cwd=project,
        env=environment(project, HOME=str(project)),
        capture_output=True,
        text=True,
        check=False,
    )
    lines = done.stdout.splitlines()
    assert ["provider=fake", "model.temperature="] == [line.partition("\t")[0] for line in lines]
