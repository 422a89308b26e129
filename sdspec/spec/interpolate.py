"""Resolves `${...}`; references to the environment are kept as written, or resolved where the value is no secret."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import (
    GrammarParseError,
    InterpolationKeyError,
    InterpolationResolutionError,
    OmegaConfBaseException,
    UnsupportedInterpolationType,
)

from sdspec.spec.secrets import secret_name, secret_shape
from sdspec.spec.spec import Key, dotted, with_value

_ENV = re.compile(r"(?<!\\)\$\{.*oc\.(env|decode)\b", re.DOTALL)
_OF_A_LAUNCH = re.compile(r"(?<!\\)\$\{\s*(?:now|hydra|python_version)\s*:")
"""Resolvers that Hydra registers when it sweeps: a spec would mean something else in a sweep, or at another time."""
_VARIABLE = re.compile(r"\$\{\s*oc\.env\s*:\s*([A-Za-z_][A-Za-z0-9_]*)")
_NEVER_EMPTY = ("provider", "providers", "model", "models")
"""Below these keys no text means anything that is empty; elsewhere it may be meant so."""
_MISSING_VARIABLE = re.compile(r"Environment variable '([^']*)' not found")


def escaped(text: str) -> str:
    """A text that OmegaConf reads as this very text: each `${` loses its meaning."""
    return re.sub(r"(\\*)\$\{", r"\1\1\\${", text)


def reads_environment(text: str) -> bool:
    """True where resolving the text reads an environment variable."""
    return _ENV.search(text) is not None


def resolve(data: Any, *, environment: bool) -> tuple[Any, list[tuple[Key, str, str]]]:
    """Plain data with interpolations resolved, and (key, what, hint) of those that cannot be (None stands there).

    With `environment=False` texts that read the environment stay as written, also where others refer to them. With
    `environment=True` they are resolved, except under keys whose name looks secret.
    """
    marked = [(key, text) for key, text in _texts(data) if "${" in text]
    if not marked:
        return data, []
    prepared, wrong = data, []
    for key, text in marked:
        name = next((part for part in reversed(key) if isinstance(part, str)), "")
        if reads_environment(text) and (not environment or secret_name(name)):
            prepared = with_value(prepared, key, escaped(text))
        elif problem := _grammar(text):
            wrong.append((key, *problem))
            prepared = with_value(prepared, key, None)
    config = OmegaConf.create(prepared)
    result = prepared
    failed = {key for key, _, _ in wrong}
    for key, text in marked:
        if key in failed:
            continue
        try:
            value = _value(config, key)
        except OmegaConfBaseException as error:
            wrong.append((key, *_reason(error, key, text)))
            value = None
        if value == "" and key[0] in _NEVER_EMPTY and (empty := _empty_variable(text)):
            wrong.append((key, f"environment variable {empty} is empty.", _set_it(empty, key)))
            value = None
        if environment and isinstance(value, str) and secret_shape(value) and not secret_shape(text):
            wrong.append((key, f"{text} holds what looks like a secret.", "Name the variable in a key ending in _env."))
            value = None
        result = with_value(result, key, value)
    return result, wrong


def _texts(value: Any, key: Key = ()) -> Iterator[tuple[Key, str]]:
    if isinstance(value, dict):
        for name, child in value.items():
            yield from _texts(child, (*key, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from _texts(child, (*key, index))
    elif isinstance(value, str):
        yield key, value


def _value(config: Any, key: Key) -> Any:
    for part in key:
        config = config[part]
    return OmegaConf.to_container(config, resolve=True) if OmegaConf.is_config(config) else config


def _grammar(text: str) -> tuple[str, str] | None:
    try:
        OmegaConf.create({"value": text})
    except GrammarParseError:
        return "a '${' that starts no interpolation.", "Write \\${ for a plain '${'."
    return _unknown_resolver(text) if _OF_A_LAUNCH.search(text) else None


def _reason(error: OmegaConfBaseException, key: Key, text: str) -> tuple[str, str]:
    message = str(error).splitlines()[0]
    if variable := _MISSING_VARIABLE.search(message):
        name = variable[1]
        return f"environment variable {name} is not set.", _set_it(name, key)
    if isinstance(error, InterpolationKeyError):
        return f"{_short(text)} refers to a key that is not there.", "Write \\${ for a plain '${'."
    if isinstance(error, UnsupportedInterpolationType):
        return _unknown_resolver(text)
    if isinstance(error, InterpolationResolutionError):
        return f"{_short(text)} cannot be resolved.", "Write \\${ for a plain '${'."
    return f"{_short(text)} cannot be read.", ""


def _set_it(variable: str, key: Key) -> str:
    return f"Set it (export {variable}=...), or give {dotted(key)} itself."


def _empty_variable(text: str) -> str:
    """The variable by which a text is empty; an empty text where none is."""
    return next((name for name in _VARIABLE.findall(text) if os.environ.get(name) == ""), "")


def _unknown_resolver(text: str) -> tuple[str, str]:
    return f"{_short(text)} names an unknown resolver.", "Known: oc.env, oc.select, oc.dict.keys, oc.dict.values."


def _short(text: str) -> str:
    start = max(text.find("${"), 0)
    found = text[start : start + 60].splitlines()[0]
    return f"'{found}...'" if len(text) - start > len(found) else f"'{found}'"
