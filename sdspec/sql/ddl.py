"""DDL text of any dialect -> a Schema: `CREATE TABLE t (id SERIAL PRIMARY KEY)` -> table t, and what creates it.

DDL in the engine's own dialect is run as it is written. Any other is written anew from the tables read, so that only
what the engine understands reaches it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from sqlglot import expressions as exp
from sqlglot.errors import SqlglotError

from sdspec.sql.creation import create_table, creation_order
from sdspec.sql.schema import Names, Schema, Statement, Table
from sdspec.sql.syntax import NEAR, Parsed, SqlSyntaxError, one_line, parse_statements
from sdspec.sql.table_reader import read_constraint, read_table, table_name

IGNORED = (exp.Set, exp.Use, exp.Comment, exp.Pragma, exp.Transaction, exp.Commit, exp.Drop, exp.Analyze)
"""What dumps hold beside the schema and what has no meaning for a fresh database."""

_NOT_READ = re.compile(r"\)[\s;]*(STRICT\s*,\s*)?WITHOUT\s+ROWID(\s*,\s*STRICT)?\s*(?=;|$)", re.IGNORECASE)
_ENUM_TYPE = re.compile(r"^CREATE\s+TYPE\s", re.IGNORECASE)


@dataclass
class _Reading:
    """A DDL text while it is read."""

    dialect: str
    engine: str
    tables: dict[str, Table] = field(default_factory=dict)
    """By name in lower case."""
    enums: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Values of each CREATE TYPE ... AS ENUM, by name in lower case."""
    lines: dict[str, int] = field(default_factory=dict)
    """The line of each table."""
    raw: list[Statement] = field(default_factory=list)
    """Every statement that is run, as written."""
    after: list[Statement] = field(default_factory=list)
    """Views and inserts, in the engine's dialect."""


def read_schema(text: str, dialect: str, engine: str) -> Schema:
    """The schema; raises SqlSyntaxError with the place in the text where it cannot be read or has no table."""
    reading = _Reading(dialect, engine)
    for parsed in parse_statements(_readable(text, dialect), dialect):
        _read(reading, parsed, text)
    if not reading.tables:
        raise SqlSyntaxError(1, 1, f"creates no table: {one_line(text)[:NEAR]!r}")
    for table in reading.tables.values():
        for key in table.foreign_keys:
            if key.parent.lower() not in reading.tables:
                what = f"table {table.name!r} refers to table {key.parent!r}, which is not created"
                raise SqlSyntaxError(reading.lines[table.name.lower()], 1, what)
    tables = tuple(table.settled() for table in reading.tables.values())
    if dialect == engine:
        return Schema(tables, tuple(reading.raw))
    return Schema(tables, (*_created(reading, tables), *reading.after))


def _created(reading: _Reading, tables: tuple[Table, ...]) -> list[Statement]:
    done: set[str] = set()
    out = []
    for table in creation_order(tables):
        # DuckDB wants the parent first and cannot add a foreign key later: those of a cycle only shape the rows.
        done.add(table.name.lower())
        known = [key for key in table.foreign_keys if reading.engine == "sqlite" or key.parent.lower() in done]
        made = replace(table, foreign_keys=tuple(known))
        plain = create_table(replace(made, checks=())) if made.checks else None
        out.append(Statement(create_table(made), reading.lines[table.name.lower()], plain))
    return out


def _readable(text: str, dialect: str) -> str:
    """The text with what the parser does not know blanked out; every character keeps its place."""
    if dialect == "sqlite":
        return _NOT_READ.sub(lambda found: ")" + " " * (len(found[0]) - 1), text)
    if dialect in ("tsql", "fabric"):
        return re.sub(r"(?im)^[ \t]*GO[ \t]*$", lambda found: ";" + " " * (len(found[0]) - 1), text)
    return text


def _read(reading: _Reading, parsed: Parsed, text: str) -> None:
    tree = parsed.tree
    # A blanked table option ends behind the statement's last token, so the text as written is cut at the semicolon.
    end = text.find(";", parsed.start + len(parsed.text))
    written = Statement(text[parsed.start : end if end >= 0 else len(text)].strip(), parsed.line)
    if isinstance(tree, exp.Command) and _ENUM_TYPE.match(parsed.text):
        tree = parse_statements(parsed.text, "postgres")[0].tree
    if isinstance(tree, exp.Create):
        _read_create(reading, tree, parsed, written)
    elif isinstance(tree, exp.Alter) and _altered(reading, tree):
        reading.raw.append(written)
    elif isinstance(tree, exp.Insert):
        _read_insert(reading, tree, written)
    elif not isinstance(tree, IGNORED):
        raise _not_understood(parsed)


def _read_create(reading: _Reading, tree: exp.Create, parsed: Parsed, written: Statement) -> None:
    kind = str(tree.kind).upper()
    if kind == "TABLE" and isinstance(tree.this, exp.Schema):
        table = read_table(tree.this, reading.dialect, reading.engine, reading.enums)
        if table.name.lower() in reading.tables:
            raise SqlSyntaxError(parsed.line, parsed.column, f"table {table.name!r} is created twice")
        reading.tables[table.name.lower()] = table
        reading.lines[table.name.lower()] = parsed.line
    elif kind == "TYPE" and isinstance(tree.expression, exp.DataType):
        reading.enums[tree.this.name.lower()] = tuple(one.this for one in tree.expression.expressions)
    elif kind == "INDEX":
        _read_index(reading, tree)
    elif kind == "VIEW":
        reading.after.append(Statement(_translated(tree, parsed, reading.engine), parsed.line))
    elif kind not in ("SCHEMA", "SEQUENCE", "DATABASE"):
        raise _not_understood(parsed)
    reading.raw.append(written)


def _read_index(reading: _Reading, tree: exp.Create) -> None:
    params = tree.this.args.get("params")
    table = reading.tables.get(table_name(tree.this.args["table"]).lower()) if tree.this.args.get("table") else None
    if tree.args.get("unique") and params is not None and table is not None:
        columns: Names = tuple(one.this.name for one in params.args.get("columns") or [])
        reading.tables[table.name.lower()] = replace(table, uniques=(*table.uniques, columns))


def _altered(reading: _Reading, tree: exp.Alter) -> bool:
    """True when it only added constraints, which the table now has."""
    actions = tree.args.get("actions") or []
    table = reading.tables.get(table_name(tree.this).lower())
    if table is None or not all(isinstance(action, exp.AddConstraint) for action in actions):
        return False
    for action in actions:
        for constraint in action.expressions:
            table = read_constraint(table, constraint, reading.engine)
    reading.tables[table.name.lower()] = table
    return True


def _read_insert(reading: _Reading, tree: exp.Insert, written: Statement) -> None:
    name = table_name(tree.find(exp.Table)).lower()
    if name in reading.tables:
        reading.tables[name] = replace(reading.tables[name], own_rows=True)
    reading.raw.append(written)
    if reading.dialect != reading.engine:
        reading.after.append(replace(written, sql=tree.sql(dialect=reading.engine)))


def _translated(tree: exp.Expr, parsed: Parsed, engine: str) -> str:
    for table in tree.find_all(exp.Table):
        table.set("db", None)
        table.set("catalog", None)
    try:
        return tree.sql(dialect=engine)
    except (SqlglotError, RecursionError) as error:
        raise SqlSyntaxError(parsed.line, parsed.column, f"cannot be written for {engine}: {error}") from error


def _not_understood(parsed: Parsed) -> SqlSyntaxError:
    what = "is not understood in a schema (CREATE TABLE, VIEW, INDEX, TYPE and INSERT are)"
    return SqlSyntaxError(parsed.line, parsed.column, f"{one_line(parsed.text)[:NEAR]!r} {what}")
