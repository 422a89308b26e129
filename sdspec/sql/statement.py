"""Judges SQL text before it runs: one statement, of an allowed type all the way down, reaching for nothing outside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlglot import expressions as exp
from sqlglot.errors import SqlglotError

from sdspec.sql.syntax import NEAR, SqlSyntaxError, one_line, parse_statements, word_set

LONGEST = 20_000
"""Characters of a text: reading SQL takes some 50 ms for as many, and no useful query comes near."""

STATEMENTS: dict[str, tuple[type[exp.Expr], ...]] = {
    "select": (exp.Query, exp.Values, exp.Pivot),
    "insert": (exp.Insert,),
    "update": (exp.Update,),
    "delete": (exp.Delete,),
    "merge": (exp.Merge,),
    "create": (exp.Create,),
    "drop": (exp.Drop,),
    "alter": (exp.Alter,),
    "truncate": (exp.TruncateTable,),
}
"""Statement types that `statements` can allow. WITH, UNION and a query in parentheses are select."""

_WRITES = tuple(node for name, nodes in STATEMENTS.items() if name != "select" for node in nodes)
_NEVER: dict[type[exp.Expr], str] = {
    exp.Pragma: "PRAGMA",
    exp.Attach: "ATTACH",
    exp.Detach: "DETACH",
    exp.Copy: "COPY",
    exp.Export: "EXPORT",
    exp.Install: "INSTALL",
    exp.LoadData: "LOAD DATA",
    exp.Set: "SET",
    exp.Use: "USE",
    exp.Kill: "KILL",
    exp.Grant: "GRANT",
    exp.Revoke: "REVOKE",
    exp.Transaction: "BEGIN",
    exp.Commit: "COMMIT",
    exp.Rollback: "ROLLBACK",
    exp.Analyze: "ANALYZE",
    exp.Describe: "DESCRIBE",
    exp.Summarize: "SUMMARIZE",
    exp.Show: "SHOW",
    exp.Comment: "COMMENT",
    exp.Cache: "CACHE",
    exp.Into: "SELECT INTO",
    exp.ReadCSV: "read_csv()",
    exp.ReadParquet: "read_parquet()",
}
_OUTSIDE = word_set(
    "load_extension readfile writefile edit fts3_tokenizer getenv glob sniff_csv read_csv read_csv_auto read_json "
    "read_json_auto read_json_objects read_ndjson read_ndjson_auto read_ndjson_objects read_parquet parquet_scan "
    "parquet_metadata parquet_schema read_text read_blob read_xlsx st_read sqlite_scan sqlite_attach postgres_scan "
    "postgres_query mysql_scan mysql_query iceberg_scan delta_scan query query_table pg_read_file pg_ls_dir "
    "pg_read_binary_file lo_import lo_export dblink xp_cmdshell openrowset opendatasource load_file duckdb_secrets "
    "which_secret"
)
"""Functions of any engine that reach files, the network or other databases. The engines are closed to these anyway."""


@dataclass(frozen=True, slots=True)
class Query:
    """A statement that may run."""

    tree: exp.Expr
    text: str
    """As written, without the semicolon."""
    kind: str
    """A key of STATEMENTS."""


@dataclass(frozen=True, slots=True)
class Refused:
    """Why a text may not run: a reason as verdicts have it, and a sentence."""

    reason: str
    detail: str


def read_statement(text: str, dialect: str, allowed: tuple[str, ...]) -> Query | Refused:
    """The one statement of a text, or why it may not run."""
    if len(text) > LONGEST:
        return Refused("sql_too_long", f"{len(text)} characters; at most {LONGEST} are read")
    if strange := next((char for char in text if char == "\0" or "\ud800" <= char <= "\udfff"), None):
        return Refused("sql_syntax", f"holds U+{ord(strange):04X}, which is no character")
    try:
        statements = parse_statements(text, dialect)
    except SqlSyntaxError as error:
        return Refused("sql_syntax", str(error))
    if not statements:
        return Refused("sql_empty_text", "there is no statement")
    if len(statements) > 1:
        return Refused("sql_many_statements", f"{len(statements)} statements, where one is wanted")
    tree = statements[0].tree
    kind = _kind(tree)
    if kind is None:
        return _no_statement(tree, statements[0].text)
    if kind not in allowed:
        return Refused("sql_statement", f"{kind.upper()} is not among the statements allowed: {', '.join(allowed)}")
    return next(_hidden(tree, allowed), None) or Query(tree, statements[0].text, kind)


def _kind(tree: exp.Expr) -> str | None:
    tree = tree.unnest()
    return next((name for name, nodes in STATEMENTS.items() if isinstance(tree, nodes)), None)


def _no_statement(tree: exp.Expr, text: str) -> Refused:
    if isinstance(tree, exp.Command):
        return Refused("sql_forbidden", f"{str(tree.this).upper()} is never run")
    if type(tree) in _NEVER:
        return Refused("sql_forbidden", f"{_NEVER[type(tree)]} is never run")
    return Refused("sql_syntax", f"line 1, column 1: not an SQL statement: {one_line(text)[:NEAR]!r}")


def _hidden(tree: exp.Expr, allowed: tuple[str, ...]) -> Iterator[Refused]:
    """What lies inside the statement and may not run."""
    for node in tree.walk():
        if isinstance(node, _WRITES) and (kind := _kind(node)) not in allowed:
            yield Refused("sql_statement", f"{str(kind).upper()} inside it is not among the statements allowed")
        elif isinstance(node, exp.Command):
            yield Refused("sql_forbidden", f"{str(node.this).upper()} is never run")
        elif type(node) in _NEVER:
            yield Refused("sql_forbidden", f"{_NEVER[type(node)]} is not allowed")
        elif isinstance(node, exp.Anonymous) and node.name.lower() in _OUTSIDE:
            yield Refused("sql_forbidden", f"function {node.name.lower()}() is not allowed")
        elif isinstance(node, exp.Table) and _is_file(node):
            yield Refused("sql_forbidden", f"file {node.name!r} is not a table")


def _is_file(table: exp.Table) -> bool:
    name = table.name
    return isinstance(table.this, exp.Identifier) and bool(table.this.quoted) and ("/" in name or "." in name)


def tables_of(tree: exp.Expr) -> list[str]:
    """Names of the tables that a statement uses, without its own CTEs, sorted."""
    own = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    names = {table.name for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Identifier)}
    return sorted(name for name in names if name and name.lower() not in own)


def written_for(query: Query, engine: str) -> str | Refused:
    """The statement in the engine's dialect. Names lose their schema, as the tables of the DDL did."""
    tree = query.tree.copy()
    for table in tree.find_all(exp.Table):
        table.set("db", None)
        table.set("catalog", None)
    for column in tree.find_all(exp.Column):
        column.set("db", None)
        column.set("catalog", None)
    try:
        return tree.sql(dialect=engine)
    except (SqlglotError, RecursionError) as error:
        return Refused("sql_error", f"cannot be written for {engine}: {one_line(str(error))}")
