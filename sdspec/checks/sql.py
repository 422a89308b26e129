"""Check `sql`: a column's text parses as SQL, is of an allowed type, and runs against the schema filled with rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field

from sdspec.contracts import Check, Verdict

Engine = Literal["sqlite", "duckdb"]
StatementType = Literal["select", "insert", "update", "delete", "merge", "create", "drop", "alter", "truncate"]


class Sql(Check):
    """Runs each query in a worker process, under limits, and keeps its verdict and first rows as evidence."""

    in_process: ClassVar[bool] = False

    dialect: str = Field("sqlite", description="The SQL dialect of the column, as sqlglot names it.")
    engine: Engine = Field("sqlite", description="Where queries run; a query in another dialect is translated.")
    ddl: str | None = Field(None, description="CREATE TABLE statements; null takes them from the schema variable.")
    ddl_dialect: str | None = Field(None, description="The dialect of the DDL; null is that of the queries.")
    schema_variable: str = Field("schema", description="The template variable that holds the DDL.")
    statements: tuple[StatementType, ...] = Field(
        ("select",), min_length=1, description="Statement types that may run; their changes are rolled back."
    )
    timeout_s: float = Field(2.0, gt=0, le=10, description="Processor time of one query, in seconds.")
    memory_mb: int = Field(256, ge=32, le=16384, description="Memory of one query.")
    rows: int = Field(50, ge=1, le=1000, description="Rows generated per table.")
    max_result_rows: int = Field(20, ge=0, le=1000, description="Rows of a result kept as evidence.")
    require_rows: bool = Field(False, description="True: a query without a result row is a reject.")
    allow_nondeterministic: bool = Field(
        True, description="False: a query whose result may differ from run to run is a reject."
    )

    def bound(self, constants: Mapping[str, Any]) -> Sql:
        """The check with the schema's DDL in its fields."""
        return self if self.ddl is not None else self.model_copy(update={"ddl": constants.get(self.schema_variable)})

    def problems(self, constants: Mapping[str, Any]) -> list[str]:
        from sdspec.sql.examine import settings_problems

        if self.ddl is None and self.schema_variable not in constants:
            return [f"no schema to run queries against: set ddl, or the template variable {self.schema_variable!r}."]
        ddl = self.bound(constants).ddl
        if not isinstance(ddl, str) or not ddl.strip():
            where = "ddl" if self.ddl is not None else f"the template variable {self.schema_variable!r}"
            return [f"{where} holds no CREATE TABLE text: {str(ddl)[:60]!r}."]
        return settings_problems(self.bound(constants))

    def examine(self, value: Any) -> Verdict:
        from sdspec.sql.examine import examine

        return examine(self, value)
