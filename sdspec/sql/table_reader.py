"""A CREATE TABLE's syntax tree -> a Table: columns with their types and domains, keys, references, checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sqlglot import expressions as exp

from sdspec.sql.column_types import column_of
from sdspec.sql.domains import Allowed, allowed
from sdspec.sql.schema import Column, ForeignKey, Names, Table

_CONSTANT_DEFAULTS = (exp.Literal, exp.Neg, exp.Boolean, exp.CurrentTimestamp, exp.CurrentDate, exp.CurrentTime)


def read_table(schema: exp.Schema, dialect: str, engine: str, enums: Mapping[str, tuple[str, ...]]) -> Table:
    """The table; `enums` holds the values of named enum types."""
    table = Table(table_name(schema), ())
    for part in schema.expressions:
        if isinstance(part, exp.ColumnDef):
            table = _with_column(table, part, dialect, engine, enums)
    for part in schema.expressions:
        if not isinstance(part, exp.ColumnDef):
            table = read_constraint(table, part, engine)
    return table


def table_name(node: exp.Expr | None) -> str:
    """The bare name of a table, without its schema."""
    while isinstance(node, exp.Schema):
        node = node.this
    return str(node.name) if node is not None else ""


def _with_column(
    table: Table, part: exp.ColumnDef, dialect: str, engine: str, enums: Mapping[str, tuple[str, ...]]
) -> Table:
    column = column_of(part.name, part.kind, dialect, engine)
    if part.kind is not None and part.kind.this is exp.DataType.Type.USERDEFINED:
        written = part.kind.args.get("kind")
        values = enums.get((written.name if isinstance(written, exp.Expr) else str(written)).lower())
        if values:
            column = replace(column, kind="text", domain=values)
    table = replace(table, columns=(*table.columns, column))
    for constraint in part.constraints:
        table = _column_constraint(table, part.name, constraint.kind, engine)
    return table


def _column_constraint(table: Table, name: str, kind: exp.Expr | None, engine: str) -> Table:
    if isinstance(kind, exp.PrimaryKeyColumnConstraint):
        return replace(table, primary_key=(name,))
    if isinstance(kind, exp.UniqueColumnConstraint):
        return replace(table, uniques=(*table.uniques, (name,)))
    if isinstance(kind, exp.Reference | exp.ForeignKey):
        return _referring(table, (name,), kind if isinstance(kind, exp.Reference) else kind.args["reference"])
    if isinstance(kind, exp.CheckColumnConstraint):
        return _checked(table, kind.this, engine)
    if isinstance(kind, exp.NotNullColumnConstraint):
        return _changed(table, name, nullable=bool(kind.args.get("allow_null")))
    if isinstance(kind, exp.ComputedColumnConstraint):
        return _changed(table, name, computed=True)
    if isinstance(kind, exp.GeneratedAsIdentityColumnConstraint | exp.GeneratedAsRowColumnConstraint):
        return _changed(table, name, computed=kind.args.get("expression") is not None)
    if isinstance(kind, exp.DefaultColumnConstraint) and isinstance(kind.this.unnest(), _CONSTANT_DEFAULTS):
        return _changed(table, name, default=kind.this.sql(dialect=engine))
    return table


def read_constraint(table: Table, part: exp.Expr, engine: str) -> Table:
    """The table with a constraint that stands beside its columns; KEY, EXCLUDE and the like change nothing."""
    if isinstance(part, exp.Constraint):
        for inner in part.expressions:
            table = read_constraint(table, inner, engine)
    elif isinstance(part, exp.PrimaryKey):
        table = replace(table, primary_key=_names(part.expressions))
    elif isinstance(part, exp.UniqueColumnConstraint):
        columns = part.this.expressions if isinstance(part.this, exp.Schema) else []
        if columns:
            table = replace(table, uniques=(*table.uniques, _names(columns)))
    elif isinstance(part, exp.ForeignKey):
        table = _referring(table, _names(part.expressions), part.args["reference"])
    elif isinstance(part, exp.CheckColumnConstraint):
        table = _checked(table, part.this, engine)
    return table


def _names(nodes: list[exp.Expr]) -> Names:
    return tuple(node.this.name if isinstance(node, exp.Ordered) else node.name for node in nodes)


def _referring(table: Table, columns: Names, reference: exp.Expr) -> Table:
    target = reference.this
    parents = _names(target.expressions) if isinstance(target, exp.Schema) else ()
    return replace(table, foreign_keys=(*table.foreign_keys, ForeignKey(columns, table_name(target), parents)))


def _checked(table: Table, check: exp.Expr, engine: str) -> Table:
    check = check.transform(_as_list)
    table = replace(table, checks=(*table.checks, check.sql(dialect=engine)))
    for finding in allowed(check):
        table = _narrowed(table, finding)
    return table


def _as_list(node: exp.Expr) -> exp.Expr:
    """PostgreSQL's `x = ANY (ARRAY['a', 'b'])` as `x IN ('a', 'b')`, which every engine knows."""
    if isinstance(node, exp.EQ) and isinstance(node.expression, exp.Any):
        array = node.expression.this.unnest()
        if isinstance(array, exp.Array):
            return exp.In(this=node.this, expressions=array.expressions)
    return node


def _narrowed(table: Table, finding: Allowed) -> Table:
    column = table.column(finding.column)
    if column is None:
        return table
    return _changed(
        table,
        column.name,
        domain=_both(column.domain, finding.domain),
        low=_pick(column.low, finding.low, max),
        high=_pick(column.high, finding.high, min),
        size=_pick(column.size, finding.longest, min),
    )


def _both(mine: tuple[Any, ...], other: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(one for one in mine if one in other) if mine and other else mine or other


def _pick(mine: Any, other: Any, choose: Any) -> Any:
    if mine is None or other is None:
        return other if mine is None else mine
    return choose(mine, other) if isinstance(mine, str) == isinstance(other, str) else other


def _changed(table: Table, name: str, **changes: Any) -> Table:
    def change(column: Column) -> Column:
        return replace(column, **changes) if column.name.lower() == name.lower() else column

    return replace(table, columns=tuple(map(change, table.columns)))
