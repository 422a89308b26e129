"""Mistakes that newcomers make at the command line: each is one block that says where and what instead, and exit 2."""

import json
from pathlib import Path

import pytest

from sdspec.cli.main import main
from tests.recipes import write_spec


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with specs/colours.yaml, and we are in it."""
    write_spec(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("rnu", "sdspec: no command 'rnu'. Did you mean 'run'? Known: check,"),
        ("colours", "sdspec: no command 'colours'. Did you mean 'sdspec run colours'?"),
        ("workflow.size=3", "sdspec: no command 'workflow.size=3'. Did you mean 'sdspec run workflow.size=3'?"),
        ("--quite", "sdspec: no flag '--quite'. Known: --help, --version."),
        ("run colours --quite", "sdspec run: no flag '--quite'. Did you mean '--quiet'? Known: --help,"),
        ("run colours --workflow.size=3", "sdspec run: no flag '--workflow.size'. A key of the spec is set without"),
        ("check colours -m", "sdspec check: no flag '-m'. Only 'sdspec run' sweeps."),
        ("run colourss", "colourss: no such spec in ./specs/. Did you mean 'colours'? Known: colours."),
        ("run specs/colour.yaml", "specs/colour.yaml: no such file. Did you mean 'specs/colours.yaml'?"),
        ("run colours colours", "command line: 'colours': a second spec after 'colours'. One spec at a time"),
        ("run colours workflow.size = 3", "command line: '=': stands alone. Write key=value, without spaces"),
        ("run template=text2sqk", "template: no option 'text2sqk'. Did you mean 'text2sql'? Known: "),
        ("run model=gpt-4o", "To name a model of the provider: model.id=gpt-4o."),
        ("run hydra/launcher=ray", "Plugins bring more: pip install hydra-ray-launcher."),
        ("run colours size=5", "override 'size=5': size: unknown key. Did you mean 'workflow.size'?"),
        ("run colours temperature=0.2", "temperature: unknown key. Did you mean 'model.temperature'?"),
        ("run colours temprature=0.2", "temprature: unknown key. Did you mean 'model.temperature'?"),
        ("run colours workflow.temperature=1", "workflow.temperature: unknown key. Did you mean 'model.temperature'?"),
        (
            "run colours model.temprature=1",
            "model.temprature: unknown key. Did you mean 'temperature'? Known: base_model,",
        ),
        ("run colours concurrency=4", "concurrency: unknown key. Did you mean 'engine.concurrency'?"),
        ("run colours provder=fake", "provder: unknown key. Did you mean 'provider'?"),
        ("show", "last: there are no runs in outputs. `sdspec run` makes one."),
        ("show last more", "sdspec show: 'more': one word too many. See sdspec show --help."),
        ("show last -n -1", "sdspec show: -n: a whole number from 0 is needed, got '-1'."),
        ("preview colours -n 0", "sdspec preview: -n: a whole number from 1 is needed, got '0'."),
        ("resume", "sdspec resume: still needs RUN. See sdspec resume --help."),
        ("export", "sdspec export: still needs RUN. See sdspec export --help."),
    ],
)
def test_a_mistake_is_answered(here: Path, capsys: pytest.CaptureFixture[str], words: str, said: str) -> None:
    """One line on stderr that says what to write instead, exit 2, and nothing on stdout."""
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert said in err
    assert len([line for line in err.splitlines() if not line.startswith("note:")]) == 1


def test_check_takes_several_specs_and_reports_all(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`sdspec check specs/*.yaml` says a line on each right spec and every problem of the others; exit 2 for any."""
    write_spec(here, {"workflow": {"sise": 3}}, name="bad")
    (here / "specs" / "broken.yaml").write_text("a: [\n")
    assert main(["check", "specs/bad.yaml", "specs/broken.yaml", "specs/colours.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out.startswith("specs/colours.yaml: no problems. 20 rows of 5 seeds by smollm2-135m-instruct on fake; ")
    assert len(out.splitlines()) == 1
    found = [line.split(":")[0] for line in err.splitlines() if not line.startswith("note:")]
    assert ["specs/bad.yaml", "specs/broken.yaml"] == found
    assert main(["check", "bad", "colours", "--json"]) == 2
    assert ["workflow.sise: unknown key."] == [one["what"] for one in json.loads(capsys.readouterr().out)]


def test_help_of_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`sdspec help run` is `sdspec run --help`: what it does, an example, the exit codes."""
    shown = []
    for words in (["help", "run"], ["run", "--help"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "exit codes: 0 done" in shown[0]
    assert main([]) == 0
    assert capsys.readouterr().out.startswith("usage: sdspec")


def test_every_command_has_an_example(capsys: pytest.CaptureFixture[str]) -> None:
    """The help of every verb shows a command to run."""
    main([])
    verbs = [line.split()[0] for line in capsys.readouterr().out.split("COMMAND\n")[1].split("\n\n")[0].splitlines()]
    assert "completion" in verbs
    for verb in verbs:
        with pytest.raises(SystemExit):
            main([verb, "--help"])
        assert f"sdspec {verb}" in capsys.readouterr().out.split("example")[1]
