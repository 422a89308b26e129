"""Tells what looks like a secret: by the name of its key, or by the shape of the value.

A value that looks like one is never repeated in full anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from sdspec.spec.spec import Key

NOT_SECRET_ENDINGS = ("_env", "_file", "_path", "_name")
"""`api_key_env` names the variable that holds the key; that is what a spec should say."""

_WORDS = frozenset({"password", "passwd", "passphrase", "secret", "apikey", "credentials", "authorization", "bearer"})
_PAIRS = frozenset({("api", "key"), ("access", "key"), ("private", "key"), ("secret", "key"), ("auth", "key")})
_SPECIAL_TOKENS = frozenset({"eos", "bos", "pad", "unk", "mask", "sep", "cls", "stop", "end", "start", "special"})
"""`eos_token: </s>` names a token of a vocabulary."""

_DATA = (("template", "output"), ("template", "examples"), ("template", "fake"))
"""Dataset content: a column may well be called `password`. Shapes are still looked for."""

_SHAPES = re.compile(
    r"""(?<![A-Za-z0-9])(?:
        sk-(?=[A-Za-z_-]*[0-9])[A-Za-z0-9_-]{10,}          # OpenAI, Anthropic and their like
      | (?:AKIA|ASIA)[0-9A-Z]{12,}                         # AWS access key ids
      | ABSK[A-Za-z0-9+/]{16,} | bedrock-api-key-[A-Za-z0-9+/]{16,}    # Amazon Bedrock
      | (?:gsk|r8|fw)_[A-Za-z0-9]{20,} | (?:xai|pplx|csk)-[A-Za-z0-9]{20,} | nvapi-[\w-]{40,}    # Groq and its like
      | hf_[A-Za-z0-9]{16,}                                # Hugging Face
      | AIza[0-9A-Za-z_-]{20,}                             # Google
      | gh[pousr]_[A-Za-z0-9]{16,} | github_pat_\w{20,}    # GitHub
      | xox[abprs]-[A-Za-z0-9-]{10,}                       # Slack
      | eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*                    # JSON web tokens
      | -----BEGIN[ A-Z]*PRIVATE\ KEY-----
    )""",
    re.VERBOSE,
)
_URL_PASSWORD = re.compile(r"^\s*[A-Za-z][A-Za-z0-9+.-]*://[^\s/@]*:[^\s/@]+@")
"""`http://user:password@host`; looked for where an address stands, not in prose."""
_ENV = re.compile(r"\$\{\s*oc\.env\s*:\s*[^,{}]+(?:,(?P<default>[^{}]*))?\}")


def secret_name(name: str) -> bool:
    """True for `api_key`, `AWS_SECRET_ACCESS_KEY`, `token`; not for `token_env` or `max_tokens`."""
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().replace("-", "_")
    if snake.endswith(NOT_SECRET_ENDINGS):
        return False
    words = snake.split("_")
    if any(word in _WORDS for word in words) or any(pair in _PAIRS for pair in pairwise(words)):
        return True
    return words[-1] == "token" and not (len(words) > 1 and words[-2] in _SPECIAL_TOKENS)


def secret_shape(text: str) -> str | None:
    """The first three characters of what is shaped like a known kind of key; None where nothing is."""
    found = _SHAPES.search(text)
    return found.group()[:3] if found else None


def find_secrets(value: Any, key: Key = ()) -> Iterator[tuple[Key, str]]:
    """Keys below `value` whose value looks like a secret, each with what to say of it."""
    if isinstance(value, dict):
        for name, child in value.items():
            if isinstance(name, str) and (start := secret_shape(name)):
                yield (*key, name), f"a key here looks like a secret itself ('{start}...')"
            else:
                yield from find_secrets(child, (*key, name))
    elif isinstance(value, list):
        for index, child in enumerate(value):
            yield from find_secrets(child, (*key, index))
    elif reason := _leaf(value, key):
        yield key, reason


def _leaf(value: Any, key: Key) -> str | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or value in ("", "???"):
        return None
    if start := secret_shape(str(value)):
        return f"holds what looks like a secret ('{start}...')"
    name = next((part for part in reversed(key) if isinstance(part, str)), "")
    if name.endswith("url") and _URL_PASSWORD.match(str(value)):
        return "holds a password in an address"
    if not secret_name(name) or key[:2] in _DATA:
        return None
    if isinstance(value, str) and "${" in value:
        defaults = [found["default"] for found in _ENV.finditer(value)]
        if all(default is None or default.strip() in ("", "null", "''", '""') for default in defaults):
            return None
    return "holds a literal value, and by its name that is a secret"


def secret_hint(key: Key) -> str:
    """What to write instead."""
    name = next((part for part in reversed(key) if isinstance(part, str)), "api_key")
    name = name if secret_name(name) else "api_key"
    return f"Keep it in an environment variable and name that one here: {name}_env: VARIABLE. Then revoke this one."


def hidden(override: str) -> str:
    """An override as it may be shown when it holds a secret: its key, not its value."""
    key = override.partition("=")[0]
    return f"{key[:3]}..." if secret_shape(key) or "=" not in override else f"{key}=..."
