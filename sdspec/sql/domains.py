"""What a CHECK constraint allows a column: `total >= 0 AND status IN ('new', 'paid')` -> bounds and a list of values.

Only what is plainly a list or a bound is understood; the engine itself judges every generated row, so a CHECK that is
not understood costs tries, never correctness.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlglot import expressions as exp


@dataclass(frozen=True, slots=True)
class Allowed:
    """One finding about one column; what is None or empty is left as it was."""

    column: str
    domain: tuple[Any, ...] = ()
    low: Any = None
    high: Any = None
    longest: int | None = None


_FLIPPED: dict[type[exp.Expr], type[exp.Expr]] = {exp.GT: exp.LT, exp.LT: exp.GT, exp.GTE: exp.LTE, exp.LTE: exp.GTE}


def allowed(check: exp.Expr) -> Iterator[Allowed]:
    """Every finding in a CHECK's expression."""
    check = check.unnest()
    if isinstance(check, exp.And):
        yield from allowed(check.left)
        yield from allowed(check.right)
    elif isinstance(check, exp.Or):
        yield from _either(check)
    elif isinstance(check, exp.In):
        yield from _listed(check.this, check.expressions)
    elif isinstance(check, exp.Between):
        if name := _name(check.this):
            yield Allowed(name, low=constant(check.args["low"]), high=constant(check.args["high"]))
    elif isinstance(check, exp.EQ):
        yield from _listed(check.this, [check.expression])
    elif type(check) in _FLIPPED:
        yield from _bound(type(check), check.this, check.expression)


def _either(check: exp.Or) -> Iterator[Allowed]:
    """`x IS NULL OR ...` allows what the rest allows; `x = 1 OR x = 2` is a list."""
    sides = [side.unnest() for side in check.flatten()]
    rest = [side for side in sides if not (isinstance(side, exp.Is) and isinstance(side.expression, exp.Null))]
    if len(rest) == 1:
        yield from allowed(rest[0])
        return
    found = [finding for side in rest for finding in allowed(side)]
    names = {finding.column.lower() for finding in found}
    if len(names) == 1 and len(found) == len(rest) and all(finding.domain for finding in found):
        yield Allowed(found[0].column, domain=tuple(value for finding in found for value in finding.domain))


def _listed(column: exp.Expr, values: list[exp.Expr]) -> Iterator[Allowed]:
    name = _name(column)
    read = [constant(value) for value in values]
    if name and read and None not in read:
        yield Allowed(name, domain=tuple(dict.fromkeys(read)))


def _bound(how: type[exp.Expr], left: exp.Expr, right: exp.Expr) -> Iterator[Allowed]:
    if constant(left) is not None:
        how, left, right = _FLIPPED[how], right, left
    value = constant(right)
    if value is None:
        return
    if isinstance(left, exp.Length) and how in (exp.LT, exp.LTE) and isinstance(value, int):
        if inner := _name(left.this):
            yield Allowed(inner, longest=value - (how is exp.LT))
        return
    name = _name(left)
    if not name:
        return
    if how in (exp.GT, exp.GTE):
        yield Allowed(name, low=_beyond(value, 1) if how is exp.GT else value)
    else:
        yield Allowed(name, high=_beyond(value, -1) if how is exp.LT else value)


def _beyond(value: Any, sign: int) -> Any:
    """The next whole number, or a little more than a fraction; a date or a text as it is."""
    if isinstance(value, int):
        return value + sign
    return value + sign * 0.01 if isinstance(value, float) else value


def _name(node: exp.Expr) -> str:
    node = node.unnest()
    while isinstance(node, exp.Cast | exp.Lower | exp.Upper):
        node = node.this.unnest()
    return str(node.name) if isinstance(node, exp.Column) else ""


def constant(node: exp.Expr | None) -> Any:
    """The value of a literal, with its sign; None for everything else."""
    if isinstance(node, exp.Paren | exp.Cast):
        return constant(node.this)
    if isinstance(node, exp.Neg):
        value = constant(node.this)
        return -value if isinstance(value, int | float) else None
    if isinstance(node, exp.Boolean):
        return bool(node.this)
    if not isinstance(node, exp.Literal):
        return None
    if node.is_string:
        return str(node.this)
    try:
        return float(node.this) if any(mark in node.this.lower() for mark in ".e") else int(node.this)
    except ValueError:
        return None
