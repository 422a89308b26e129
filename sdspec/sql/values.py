"""A plausible value for a column, from its type, its constraints and its name; only the random generator decides."""

from __future__ import annotations

import datetime as dt
import json
import re
import string
import uuid
from collections.abc import Callable
from random import Random
from typing import Any

from sdspec.sql import words
from sdspec.sql.schema import Column
from sdspec.sql.syntax import word_set

FIRST_DAY = dt.date(2022, 1, 1)
LAST_DAY = dt.date(2025, 12, 31)
"""Dates lie in recent years; never near "now", so that rows do not change with the day they are made."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z]+")
_DATES = word_set("date day birthday birthdate dob deadline joined hired born due since")
_STAMPS = word_set("at timestamp datetime time created updated modified")
_FLAGS = word_set("is has active enabled deleted verified flag")
_RANGES: tuple[tuple[frozenset[str], tuple[float, float]], ...] = (
    (word_set("year"), (2015, 2025)),
    (word_set("month"), (1, 12)),
    (word_set("age"), (18, 80)),
    (word_set("rating stars score"), (1, 5)),
    (word_set("quantity qty count units seats guests"), (1, 10)),
    (word_set("stock inventory capacity"), (0, 200)),
    (word_set("salary income budget"), (30000, 120000)),
    (word_set("price amount total cost fee paid balance revenue spent payment subtotal value fare"), (5, 500)),
    (word_set("discount tax rate percent percentage ratio"), (0, 0.5)),
    (word_set("lat latitude"), (-60, 70)),
    (word_set("lon lng longitude"), (-180, 180)),
    (word_set("weight height length width distance"), (1, 100)),
    (word_set("gpa"), (1, 4)),
    (word_set("minutes duration hours"), (5, 240)),
)


def parts(name: str) -> list[str]:
    """`orderDate` and `order_date` -> ["order", "date"]; a plural `s` is dropped."""
    found = [part.lower() for part in _CAMEL.split(name) if part]
    return [part[:-1] if len(part) > 3 and part.endswith("s") and not part.endswith("ss") else part for part in found]


def make_value(column: Column, table: str, rng: Random, rows: int) -> Any:
    """One value; `rows` is how many rows a table has, which is how far ids go."""
    if column.domain:
        return rng.choice(column.domain)
    if column.kind in ("int", "decimal", "float"):
        return _number(column, parts(column.name), rng, rows)
    if make := _MAKERS.get(column.kind):
        return make(column, rng)
    text = _text(column, parts(column.name), parts(table), rng)
    return text[: column.size] if column.size else text


def _number(column: Column, name: list[str], rng: Random, rows: int) -> int | float:
    low, high = _span(column, name, rows)
    if column.kind == "int":
        if _FLAGS & set(name) and column.low is None and column.high is None:
            return int(rng.random() < 0.6)
        if (_STAMPS | _DATES) & set(name) and column.high is None:
            return int(dt.datetime.combine(_date(column, rng), dt.time(12), dt.UTC).timestamp())
        return rng.randint(int(low), max(int(low), int(high)))
    return round(rng.uniform(low, max(low, high)), column.scale if column.kind == "decimal" else 2)


def _span(column: Column, name: list[str], rows: int) -> tuple[float, float]:
    """The usual range for such a name, moved to where type and CHECK allow it."""
    usual = (
        (1.0, float(rows))
        if name[-1:] == ["id"]
        else next((span for marks, span in _RANGES if marks & set(name)), (1.0, 100.0))
    )
    if column.kind == "int" and usual[1] < 1:
        usual = (0, 50)
    if column.kind == "decimal" and column.size:
        largest = 10.0 ** (column.size - column.scale) - 10.0**-column.scale
        usual = (max(usual[0], -largest), min(usual[1], largest))
    low, high = (value if isinstance(value, int | float) else None for value in (column.low, column.high))
    width = usual[1] - usual[0]
    if low is not None and high is not None:
        inside = max(low, usual[0]), min(high, usual[1])
        return inside if inside[0] < inside[1] else (low, high)
    if low is not None:
        return (low, low + width) if low > usual[0] else usual
    if high is not None:
        return (high - width, high) if high < usual[1] else usual
    return usual


def _date(column: Column, rng: Random) -> dt.date:
    first, last = _day(column.low, FIRST_DAY), _day(column.high, LAST_DAY)
    if column.low is not None and column.high is None:
        last = max(last, first + dt.timedelta(days=365))
    if column.high is not None and column.low is None:
        first = min(first, last - dt.timedelta(days=365))
    return first + dt.timedelta(days=rng.randint(0, max(0, (last - first).days)))


def _day(value: Any, otherwise: dt.date) -> dt.date:
    try:
        return dt.date.fromisoformat(str(value)[:10])
    except ValueError:
        return otherwise


def _time(rng: Random) -> str:
    return f"{rng.randint(7, 21):02}:{rng.choice((0, 15, 30, 45)):02}:00"


_MAKERS: dict[str, Callable[[Column, Random], Any]] = {
    "bool": lambda column, rng: rng.random() < 0.6,
    "date": lambda column, rng: _date(column, rng).isoformat(),
    "timestamp": lambda column, rng: f"{_date(column, rng).isoformat()} {_time(rng)}",
    "time": lambda column, rng: _time(rng),
    "blob": lambda column, rng: rng.randbytes(min(8, column.size or 8)),
    "uuid": lambda column, rng: str(uuid.UUID(int=rng.getrandbits(128), version=4)),
    "json": lambda column, rng: json.dumps({"note": rng.choice(words.LEVELS), "count": rng.randint(1, 9)}),
    "interval": lambda column, rng: f"{rng.randint(1, 30)} days",
    "list": lambda column, rng: [],
}


def _text(column: Column, name: list[str], table: list[str], rng: Random) -> str:
    found = set(name)
    if "email" in found or "mail" in found:
        return f"{rng.choice(words.FIRST_NAMES)}.{rng.choice(words.LAST_NAMES)}@example.com".lower()
    if "phone" in found or "fax" in found or "mobile" in found:
        return f"+49 30 {rng.randint(1000000, 9999999)}"
    for mark in reversed(name):
        if mark in words.LISTS:
            return rng.choice(words.LISTS[mark])
    if found & _DATES or name[-1:] == ["on"]:
        return _date(column, rng).isoformat()
    if found & _STAMPS:
        return f"{_date(column, rng).isoformat()} {_time(rng)}"
    return _wording(name, table, rng)


def _wording(name: list[str], table: list[str], rng: Random) -> str:
    found = set(name)
    if "first" in found or "given" in found:
        return rng.choice(words.FIRST_NAMES)
    if "last" in found or "surname" in found or "family" in found:
        return rng.choice(words.LAST_NAMES)
    if "username" in found or "login" in found or "nickname" in found:
        return f"{rng.choice(words.FIRST_NAMES).lower()}{rng.randint(1, 99)}"
    if "address" in found or "street" in found:
        return f"{rng.choice(words.STREETS)} {rng.randint(1, 90)}"
    if found & {"zip", "postal", "postcode"}:
        return str(rng.randint(10000, 99999))
    if found & {"code", "sku", "isbn", "number", "serial", "plate", "key"}:
        return "".join(rng.choice(string.ascii_uppercase) for _ in range(3)) + str(rng.randint(100, 999))
    if found & {"url", "website", "link"}:
        return f"https://example.com/{rng.choice(words.NOUNS).lower()}"
    if found & {"description", "comment", "note", "body", "text", "review", "content", "message", "summary", "remark"}:
        return rng.choice(words.SENTENCES)
    if "name" in found or found & words.PEOPLE:
        return _name(name, table, rng)
    return f"{rng.choice(words.ADJECTIVES)} {rng.choice(words.NOUNS)}"


def _name(name: list[str], table: list[str], rng: Random) -> str:
    about = set(name) | set(table)
    if about & words.PEOPLE:
        return f"{rng.choice(words.FIRST_NAMES)} {rng.choice(words.LAST_NAMES)}"
    if about & words.COMPANY_LIKE:
        return rng.choice(words.COMPANIES)
    for mark in reversed(table):
        singular = mark[:-2] + "y" if mark.endswith("ie") else mark  # categories -> categorie -> category
        if singular in words.LISTS:
            return rng.choice(words.LISTS[singular])
    return f"{rng.choice(words.ADJECTIVES)} {rng.choice(words.NOUNS)}"
