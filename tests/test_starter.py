"""`sdspec new`: a file that is right at once, whatever the template, and that overwrites nothing."""

import json
import re
from pathlib import Path

import pytest
import yaml

from sdspec import api
from sdspec.errors import SpecError
from sdspec.spec.find import packaged_conf
from sdspec.spec.load import load_spec
from tests.goldens import assert_golden
from tests.recipes import cli_here, counts, run_spec
from tests.schema.test_agreement import refused

TEMPLATES = sorted(path.stem for path in (packaged_conf() / "template").glob("*.yaml"))


def uncommented(text: str) -> str:
    """The text with all that stands there as a comment to be switched on switched on, as an editor's key does it."""
    lines = []
    inside = False
    for line in text.splitlines():
        code = re.match(r"( *)# ((?:seeds|examples|provider|model):|- override /|  +(?:- |\w+: ))", line)
        continues = inside and re.match(r" *#   ", line)
        inside = bool(code or continues) and not line.startswith("#   sdspec")
        lines.append(re.sub(r"^( *)# ", r"\1", line) if inside else line)
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("template", TEMPLATES)
def test_a_new_spec_is_right_and_runs(template: str, tmp_path: Path) -> None:
    """On every template: no problem, no red line, and provider fake gives the rows that are asked for."""
    path, _ = api.new("orders", template, tmp_path)
    assert_golden(f"new_{template}.yaml", path.read_text())
    assert [] == refused(yaml.safe_load(path.read_text()))
    assert () == api.check(load_spec("orders", cwd=tmp_path))
    assert 20 == counts(run_spec(path, "provider=fake"))["kept"]


def test_the_commands_that_it_names_work(tmp_path: Path) -> None:
    """In an empty folder: `new`, then each command that it proposes ends well, and `check` finds nothing."""
    made = cli_here(tmp_path, "new", "bridges")
    assert (0, "") == (made.returncode, made.stderr)
    commands = re.findall(r"^  sdspec (.*?)   ", made.stdout, re.MULTILINE)
    assert ["check bridges", "preview bridges", "run bridges provider=fake"] == commands
    for words in commands:
        done = cli_here(tmp_path, *words.split())
        assert 0 == done.returncode, done.stderr
        assert "no problems" in done.stdout or not words.startswith("check")


@pytest.mark.parametrize("template", TEMPLATES)
def test_it_says_again_what_the_template_says(template: str, tmp_path: Path) -> None:
    """Until it is edited, a new spec is its template, value for value, and nothing of it is dropped on the way."""
    api.new("orders", template, tmp_path)
    spec = load_spec("orders", cwd=tmp_path)
    assert load_spec(None, [f"template={template}"], cwd=tmp_path).raw["template"] == spec.raw["template"]
    assert () == spec.notes


@pytest.mark.parametrize("template", TEMPLATES)
def test_what_is_commented_out_is_right_too(template: str, tmp_path: Path) -> None:
    """The excerpts of long lists, and the lines for a server of one's own, work as soon as their `#` is gone."""
    path, _ = api.new("orders", template, tmp_path)
    text = uncommented(path.read_text())
    path.write_text(text)
    spec = load_spec("orders", cwd=tmp_path)
    assert () == api.check(spec)
    assert "openai_compatible" == spec.config.provider.kind
    assert [] == refused(yaml.safe_load(text))


def test_the_schema_lies_beside_it(tmp_path: Path) -> None:
    """The comment for editors names a file that is there, and that is left alone while it is right."""
    path, schema = api.new("bridges", cwd=tmp_path)
    (named,) = re.findall(r"^# yaml-language-server: \$schema=(.*)$", path.read_text(), re.MULTILINE)
    assert schema == path.parent / named
    assert api.schema(tmp_path) == json.loads(schema.read_text())
    before = schema.stat().st_ino
    api.new("rivers", cwd=tmp_path)
    assert before == schema.stat().st_ino
    schema.write_text("{}")
    api.new("roads", cwd=tmp_path)
    assert api.schema(tmp_path) == json.loads(schema.read_text())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A spec that is there stays, with either suffix; the error says where it is and proposes a free name."""
    api.new("bridges", cwd=tmp_path)
    (tmp_path / "specs" / "bridges.yaml").write_text("name: mine\n")
    again = cli_here(tmp_path, "new", "bridges")
    assert 2 == again.returncode
    assert "specs/bridges.yaml: is there already" in again.stderr
    assert "sdspec new bridges_2" in again.stderr
    assert "name: mine\n" == (tmp_path / "specs" / "bridges.yaml").read_text()
    (tmp_path / "specs" / "roads.yml").write_text("name: roads\n")
    with pytest.raises(SpecError, match=r"specs/roads\.yml"):
        api.new("roads", cwd=tmp_path)
    assert not (tmp_path / "specs" / "roads.yaml").exists()


@pytest.mark.parametrize(
    ("name", "said"),
    {
        "two words": "Letters, digits, '.', '_' and '-'",
        "": "Letters, digits",
        ".hidden": "a letter or digit first",
        "größe": "Letters, digits",
        "a/b": "Did you mean 'b'?",
        "bridges.yaml": "Did you mean 'bridges'?",
        "sdspec": "the packaged root config",
    }.items(),
    ids=str,
)
def test_bad_names_say_the_rule(name: str, said: str, tmp_path: Path) -> None:
    """A name that no spec can have is refused with the rule, and nothing is written."""
    with pytest.raises(SpecError) as wrong:
        api.new(name, cwd=tmp_path)
    assert said in str(wrong.value)
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["123", "true", "null", "1e5", "template", "a.b", "name"])
def test_odd_names_work(name: str, tmp_path: Path) -> None:
    """A name that YAML would read as a number, or that a key or a group has too, is a name."""
    api.new(name, cwd=tmp_path)
    spec = load_spec(name, ["provider=fake"], cwd=tmp_path)
    assert () == api.check(spec)
    assert name == spec.config.name


def test_an_unknown_template_lists_those_there_are(tmp_path: Path) -> None:
    """A typo is a problem with the nearest option and all of them, ./conf's included; nothing is written."""
    (tmp_path / "conf" / "template").mkdir(parents=True)
    (tmp_path / "conf" / "template" / "mine.yaml").write_text("# mine\nprompt: hello\noutput: {a: str}\n")
    with pytest.raises(SpecError) as wrong:
        api.new("bridges", "custm", tmp_path)
    said = str(wrong.value)
    assert "no template 'custm'. Did you mean 'custom'?" in said
    assert "mine" in said
    assert not (tmp_path / "specs").exists()


OWN = """\
# @package template
# Riddles for
# children.
#   sdspec run template=riddles
defaults: [custom, _self_]
prompt: |
  A riddle on {{ seed }}: {{ costs }} \\${ not an interpolation
seeds: ["1. one", "two: three", '#four', "yes"]
variables:
  costs: { choice: ["5 $", "{{ x }}", "a: b", ""] }
  "odd key": 'it''s'
  deep: { a: { b: [1, null, true, "${oc.env:NOT_SET_ANYWHERE,x}"] } }
output: { riddle: str, steps: "list[str]" }
"""


def test_a_template_of_ones_own(tmp_path: Path) -> None:
    """An option in ./conf that builds on another, with texts that YAML and OmegaConf could misread, comes out whole."""
    path = tmp_path / "conf" / "template" / "riddles.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(OWN)
    written, _ = api.new("mine", "riddles", tmp_path)
    spec = load_spec("mine", ["provider=fake"], cwd=tmp_path)
    assert () == api.check(spec)
    assert load_spec(None, ["template=riddles"], cwd=tmp_path).raw["template"] == spec.raw["template"]
    assert "# Template riddles: Riddles for children." in written.read_text()


def test_a_template_with_a_problem_is_not_started_from(tmp_path: Path) -> None:
    """What is wrong with the option is said, where it is wrong, and nothing is written."""
    path = tmp_path / "conf" / "template" / "broken.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("# broken\nprompt: about {{ topik }}\noutput: {a: str}\n")
    with pytest.raises(SpecError, match=r"conf/template/broken\.yaml:2:1: template\.prompt"):
        api.new("mine", "broken", tmp_path)
    assert not (tmp_path / "specs").exists()
