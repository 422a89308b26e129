"""The verdict on a text: read, judged, translated where needed, run; and what is wrong with the settings themselves."""

from __future__ import annotations

from typing import Any, Protocol

from sdspec.contracts import Verdict
from sdspec.sql.database import BuildError, Failed, Limits, Ran
from sdspec.sql.prepared import Settings, prepared
from sdspec.sql.statement import Query, Refused, read_statement, tables_of, written_for
from sdspec.sql.syntax import dialect_problem
from sdspec.sql.volatile import CHANGING, volatile_reasons


class Rules(Protocol):
    """The settings of a check `sql`; its fields are described there."""

    @property
    def dialect(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def ddl(self) -> str | None: ...
    @property
    def ddl_dialect(self) -> str | None: ...
    @property
    def statements(self) -> tuple[str, ...]: ...
    @property
    def timeout_s(self) -> float: ...
    @property
    def memory_mb(self) -> int: ...
    @property
    def rows(self) -> int: ...
    @property
    def max_result_rows(self) -> int: ...
    @property
    def require_rows(self) -> bool: ...
    @property
    def allow_nondeterministic(self) -> bool: ...


def settings_problems(rules: Rules) -> list[str]:
    """What makes verdicts impossible: an unknown dialect, a schema that the engine cannot hold or that gets no rows."""
    found = [dialect_problem(name) for name in dict.fromkeys((rules.dialect, rules.ddl_dialect or rules.dialect))]
    if any(found):
        return [text for text in found if text]
    try:
        empty = prepared(_settings(rules)).empty_tables()
    except BuildError as error:
        return [f"the schema cannot be used: {error}."]
    return [f"no row can be generated for {text}." for text in empty]


def examine(rules: Rules, value: Any) -> Verdict:
    """The verdict; equal rules and values have equal verdicts."""
    evidence: dict[str, Any] = {"engine": rules.engine, "dialect": rules.dialect}
    if not isinstance(value, str):
        return Verdict(False, "sql_not_text", f"{type(value).__name__} instead of text", evidence)
    query = read_statement(value, rules.dialect, rules.statements)
    if isinstance(query, Refused):
        return Verdict(False, query.reason, query.detail, evidence)
    evidence |= {"statement": query.kind, "tables": tables_of(query.tree)}
    reasons = volatile_reasons(query.tree)
    if reasons:
        evidence["nondeterministic"] = reasons
        if not rules.allow_nondeterministic:
            return Verdict(False, "sql_nondeterministic", f"the result may change: {', '.join(reasons)}", evidence)
    sql = query.text if rules.dialect == rules.engine else written_for(query, rules.engine)
    if isinstance(sql, Refused):
        return Verdict(False, sql.reason, sql.detail, evidence)
    if rules.dialect != rules.engine:
        evidence["executed"] = sql
    return _run(rules, query, sql, evidence)


def _run(rules: Rules, query: Query, sql: str, evidence: dict[str, Any]) -> Verdict:
    limits = Limits(rules.timeout_s, rules.max_result_rows, writes=rules.statements != ("select",))
    result = prepared(_settings(rules)).database.run(sql, limits)
    if isinstance(result, Failed):
        return Verdict(False, result.reason, result.detail, evidence)
    if not CHANGING & set(evidence.get("nondeterministic", ())):
        evidence |= _result(query, result)
    if rules.require_rows and not result.row_count:
        return Verdict(False, "sql_empty", "the query gives no rows", evidence)
    return Verdict(True, evidence=evidence)


def _result(query: Query, result: Ran) -> dict[str, Any]:
    if query.kind != "select" and not result.columns:
        return {"rows_changed": result.row_count}
    found = {"columns": result.columns, "rows": result.rows, "row_count": result.row_count}
    return found | ({"more": True} if result.row_count > len(result.rows) else {})


def _settings(rules: Rules) -> Settings:
    assert rules.ddl is not None, "bound() comes before examine()"
    return Settings(rules.engine, rules.ddl, rules.ddl_dialect or rules.dialect, rules.rows, rules.memory_mb)
