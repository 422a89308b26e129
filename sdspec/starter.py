"""The file that `sdspec new` writes: a spec that is right at once, with the keys that one edits first.

Everything in it comes from the template's own option: short values stand there to be edited, of long lists an excerpt
stands as a comment, and what is left out is named. So any option of
`conf/template`, a user's own too, makes a good start.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from sdspec.errors import Problem, SpecError, did_you_mean
from sdspec.plan.compile import compile_all
from sdspec.spec.find import ROOT, SUFFIXES, packaged_conf
from sdspec.spec.load import load_spec
from sdspec.spec.models import NAME
from sdspec.spec.options import head_comment, options
from sdspec.spec.record import literal, to_line, to_yaml
from sdspec.spec.validate import description
from sdspec.store.disk import saying

SCHEMA = ".schema.json"
"""The schema's file, beside the specs: one for all of them, found by a relative path, small enough to commit."""

EDITED_FIRST = ("prompt", "seeds", "variables", "examples", "output")
"""Keys of a template, in the order in which one thinks of them. What hangs on them (`fake`, drawn variables, examples)
goes by itself where they become others: sdspec/spec/leftovers.py."""

MOST_LINES = 12
"""A longer value stays in the template."""

MOST_ITEMS = 8
"""A longer list is shown as an excerpt."""

EXCERPT = 3
WIDTH = 100
SIZE = 20

COMMANDS = (
    ("sdspec check {name}", "every problem at once, without a call"),
    ("sdspec preview {name}", "the exact messages of the first rows"),
    ("sdspec run {name} provider=fake", "rows without a model"),
)
"""What to do with a new spec, one after the other, and what that shows."""

HEAD = """\
# yaml-language-server: $schema={schema}
defaults:
  - /sdspec                       # the packaged root: every group at its default, so the embedded model
  - override /template: {template}
  # - override /provider: openai_compatible    # a server: vLLM, Ollama, a gateway; its keys are below
  - _self_                        # this file comes last: it wins
{named}
# provider: {{ base_url: "http://127.0.0.1:8000/v1" }}    # and api_key_env: VARIABLE, where it wants a key
# model: {{ id: NAME, temperature: 0.7 }}
"""


def write_starter(name: str, template: str, cwd: Path) -> Path:
    """specs/NAME.yaml, new; raises SpecError for a name or a template that will not do, and where the file is there."""
    path = cwd / "specs" / f"{name}.yaml"
    _check_name(name, cwd)
    text = starter_text(name, template, cwd)
    with saying("make", path.parent):
        path.parent.mkdir(exist_ok=True)
    with saying("write", path), path.open("x", encoding="utf-8") as file:
        file.write(text)
    return path


def starter_text(name: str, template: str, cwd: Path) -> str:
    """The text of a new spec on a template; raises SpecError where there is no such template, or it has problems."""
    known = options(cwd)["template"]
    if template not in known:
        raise SpecError([Problem("--template", f"no template '{template}'.", did_you_mean(template, known))])
    spec = load_spec(None, [f"template={template}", "provider=fake"], cwd=cwd)
    if problems := compile_all(spec).problems:
        raise SpecError(problems)
    size = f"  size: {SIZE}".ljust(32)
    lines = [
        f"# {name}: say here what this dataset is for.",
        *(f"#   {line}" for line in commands(name)),
        *HEAD.format(named=to_line({"name": name})[1:-1], template=template, schema=SCHEMA).splitlines(),
        *_noted(f"Template {template}: {_about(template, cwd)}"),
        "template:",
        *_indented(_template(literal(spec.raw["template"]), name)),
        "workflow:",
        f"{size}# {description(('workflow', 'size'))}",
    ]
    return "".join(f"{line}\n" for line in lines)


def commands(name: str) -> list[str]:
    """What to do with a new spec, a command and what it shows on each line."""
    typed = [(command.format(name=name), what) for command, what in COMMANDS]
    width = max(len(command) for command, _ in typed)
    return [f"{command:{width}}   {what}" for command, what in typed]


def _check_name(name: str, cwd: Path) -> None:
    wrong = hint = ""
    if name == ROOT:
        wrong, hint = "is the name of the packaged root config.", "Give the spec another name."
    elif Path(name).suffix in SUFFIXES or "/" in name:
        wrong, hint = "is a path, and a name is needed.", f"Did you mean '{Path(name).stem or 'NAME'}'?"
    elif not re.fullmatch(NAME, name):
        wrong = "cannot name a spec."
        hint = "Letters, digits, '.', '_' and '-' are allowed, a letter or digit first."
    if wrong:
        raise SpecError([Problem(repr(name), wrong, hint)])
    taken = [path for suffix in SUFFIXES if (path := cwd / "specs" / f"{name}{suffix}").exists()]
    if taken:
        numbered = (f"{name}_{number}" for number in range(2, 10_000))
        free = next(one for one in numbered if not (cwd / "specs" / f"{one}.yaml").exists())
        where = taken[0].relative_to(cwd).as_posix()
        raise SpecError([Problem(where, "is there already, and is not overwritten.", f"Try: sdspec new {free}")])


def _template(values: Mapping[str, Any], name: str) -> Iterator[str]:
    """The template's keys as lines, and which of them are left out."""
    left_out = [key for key, value in values.items() if key not in EDITED_FIRST and value not in (None, [], {})]
    for key in (key for key in EDITED_FIRST if values.get(key)):
        value, about = values[key], description(("template", key))
        lines = _value(key, value)
        long = len(lines) > MOST_LINES and key != "variables"
        if isinstance(value, list) and (long or len(value) > MOST_ITEMS):
            about += f" The template has {len(value)}; a list here takes their place, e.g.:"
            count = max(EXCERPT, values.get("examples_per_row") or 0) if key == "examples" else EXCERPT
            lines = [f"# {line}".rstrip() for line in _value(key, value[:count])]
        elif long:
            left_out.append(key)
            continue
        yield from _noted(about)
        yield from lines
    if left_out:
        how = f"`sdspec explain template.{left_out[-1]} --spec {name}` shows one."
        yield from _noted(f"As in the template, unless set here too: {', '.join(left_out)}. {how}")


def _value(key: str, value: Any) -> list[str]:
    """A key with its value as lines: a mapping or a list on one line where it fits."""
    if not isinstance(value, Mapping | list) or not value:
        return to_yaml({key: value}).splitlines()
    line = to_line({key: value})[1:-1]
    if len(line) <= WIDTH and key != "variables":
        return [line]
    return [to_line({key: None})[1:-1].removesuffix(" null"), *_indented(_inside(value))]


def _inside(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, one in value.items():
            yield from _value(str(name), one)
        return
    for one in value:
        lines = list(_inside(one)) if isinstance(one, Mapping) and one else to_yaml([one])[2:].splitlines()
        yield f"- {lines[0]}"
        yield from (f"  {line}" for line in lines[1:])


def _noted(text: str) -> Iterator[str]:
    return (f"# {line}" for line in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False))


def _indented(lines: Iterable[str]) -> Iterator[str]:
    return (f"  {line}" if line else line for line in lines)


def _about(template: str, cwd: Path) -> str:
    """What the head of the option's file says, without its commands."""
    paths = [conf / f"template/{template}.yaml" for conf in (cwd / "conf", packaged_conf())]
    head = head_comment(next(path for path in paths if path.is_file()))
    return " ".join(line for line in head if line and not line.startswith("sdspec "))
