"""What may stand at the cursor: verbs' words as the shells complete them. Fast, so nothing is composed or compiled."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from sdspec.cli.words import is_override
from sdspec.spec.find import ROOT, SUFFIXES, find_spec, packaged_conf
from sdspec.spec.options import options, specs

Candidates = dict[str, str]
"""Words, each with what a shell may show beside it."""

HYDRA = {"hydra/launcher": ("basic", "joblib"), "hydra/sweeper": ("basic",)}
"""Groups of Hydra that sdspec brings options for; looking for others would import every plugin."""

_CHOSEN = r"^[^#\n]*?(?:override +/?|- +/?){group}: *([A-Za-z0-9_.-]+)"
"""An entry of a defaults list that is no comment."""


def candidates(parser: argparse.ArgumentParser, words: Sequence[str], prefix: str, cwd: Path) -> Candidates | None:
    """Words that fit behind `words` of a verb's command line; None where argparse, or the shell, knows better."""
    flags = parser._option_string_actions
    waiting = flags.get(words[-1]) if words else None
    if waiting is not None and waiting.nargs is None:
        dest = waiting.dest
    elif prefix.startswith("-"):
        return None
    else:
        dest = _positional(parser, words)
    if dest == "words":
        return _words(words, prefix, cwd)
    if dest == "run":
        return _runs(words, cwd)
    if dest == "spec":
        return _specs(prefix, cwd)
    if dest == "template":
        return dict.fromkeys(options(cwd).get("template", ()), "")
    if dest == "key":
        names = [name.removesuffix("=") for name in _keys(prefix, words, cwd)]
        return dict.fromkeys([*options(cwd), *names], "")
    return {} if dest in ("name", "row") else None


def _positional(parser: argparse.ArgumentParser, words: Sequence[str]) -> str:
    """Where the word at the cursor goes; flags may stand between the others."""
    wanted = [action for action in parser._actions if not action.option_strings]
    flags = parser._option_string_actions
    takes = [flags[word].nargs is None if word in flags else False for word in words]
    given = [word for at, word in enumerate(words) if not word.startswith("-") and not (at > 0 and takes[at - 1])]
    for action in wanted:
        if action.nargs == "*" or not given:
            return action.dest
        given.pop(0)
    return ""


def _words(words: Sequence[str], prefix: str, cwd: Path) -> Candidates:
    if "=" in prefix:
        return _values(prefix, words, cwd)
    named = any(_spec_of(word, cwd) for word in words)
    found = {} if named or is_override(prefix) else _specs(prefix, cwd)
    return found | _keys(prefix, words, cwd)


def _spec_of(word: str, cwd: Path) -> bool:
    return not is_override(word) and (word in specs(cwd) or word.endswith(SUFFIXES))


def _specs(prefix: str, cwd: Path) -> Candidates:
    """Names in ./specs, or below a folder that is being typed."""
    if "/" not in prefix:
        return dict.fromkeys(specs(cwd), "spec")
    typed = prefix.rpartition("/")[0] or "/"
    folder = cwd / Path(typed).expanduser()
    inside = folder.iterdir() if folder.is_dir() else ()
    start = "" if typed == "/" else typed
    return {
        f"{start}/{path.name}{'/' if path.is_dir() else ''}": ""
        for path in inside
        if path.is_dir() or path.suffix in SUFFIXES
    }


def _runs(words: Sequence[str], cwd: Path) -> Candidates:
    from sdspec.store.runfolder import list_runs

    at = words.index("--outputs") + 1 if "--outputs" in words else len(words)
    runs = list_runs(cwd / (words[at] if at < len(words) else "outputs"))
    found = {run.id: run.path.parent.name for run in runs}
    return {"last": "the newest run", **found} if found else {}


def _keys(prefix: str, words: Sequence[str], cwd: Path) -> Candidates:
    """Groups and keys, up to their `=`; of nested keys only those that begin as typed."""
    sign = prefix[: len(prefix) - len(prefix.lstrip("+~"))]
    end = "" if sign == "~" else "="
    typed = prefix.removeprefix(sign)
    groups = {name: ", ".join(known) for name, known in {**options(cwd), **HYDRA}.items()}
    found = {**groups, **{key: about for key, (about, _) in _fields(typed, words, cwd) if typed or "." not in key}}
    return {f"{sign}{name}{end}": about for name, about in found.items() if name.startswith(typed)}


def _values(prefix: str, words: Sequence[str], cwd: Path) -> Candidates:
    """Options of a group, in a list of them too; words of a key that has only a few."""
    name, _, typed = prefix.partition("=")
    key = name.lstrip("+~")
    known: Sequence[str] | None = {**options(cwd), **HYDRA}.get(key.partition("@")[0])
    if known is None:
        known = next((_words_of(annotation) for one, (_, annotation) in _fields(key, words, cwd) if one == key), ())
    before = typed[: max(typed.rfind(","), typed.rfind("[")) + 1]
    taken = re.split(r"[\[,]", before)
    return {f"{name}={before}{value}": "" for value in known if value not in taken}


def _words_of(annotation: Any) -> tuple[str, ...]:
    if annotation is bool:
        return ("true", "false")
    return tuple(map(str, get_args(annotation))) if get_origin(annotation) is Literal else ()


def _fields(typed: str, words: Sequence[str], cwd: Path) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Each key of a spec with its description and type; those of the chosen provider where it is being typed."""
    from sdspec.spec.models import SpecConfig

    yield from _fields_of(SpecConfig, "")
    if typed.startswith("provider."):
        from sdspec.registry import find

        yield from _fields_of(find("providers", _provider(words, cwd)), "provider.")


def _fields_of(model: Any, start: str) -> Iterator[tuple[str, tuple[str, Any]]]:
    for name, field in model.model_fields.items():
        kinds = [one for one in get_args(field.annotation) if one is not NoneType]
        annotation = kinds[0] if NoneType in get_args(field.annotation) else field.annotation
        if hasattr(annotation, "model_fields"):
            yield from _fields_of(annotation, f"{start}{name}.")
        else:
            yield f"{start}{name}", (field.description or "", annotation)


def _provider(words: Sequence[str], cwd: Path) -> str:
    """The kind of the provider that these words choose: by an override, by the spec, or by the packaged root."""
    typed = [word.partition("=")[2] for word in words if word.startswith("provider=")]
    conf = packaged_conf()
    files = [find_spec(word, cwd) for word in words if _spec_of(word, cwd)] + [conf / f"{ROOT}.yaml"]
    chosen = [*typed[-1:], *(_matched(path, _CHOSEN.format(group="provider")) for path in files)]
    option = next(name for name in chosen if name)
    paths = [folder / "provider" / f"{option}.yaml" for folder in (cwd / "conf", conf)]
    return next((kind for path in paths if (kind := _matched(path, r"^kind:\s*(\w+)"))), option)


def _matched(path: Path, pattern: str) -> str:
    found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE) if path.is_file() else None
    return found[1] if found else ""
