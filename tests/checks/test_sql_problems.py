"""What is wrong with the settings of check `sql` is said before a run starts, with the place in the DDL."""

import pytest
from pydantic import ValidationError

from sdspec.checks.sql import Sql

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY)"


def problems(ddl, **options):
    return Sql(column="q", **options).problems({"schema": ddl})


@pytest.mark.parametrize(
    ("ddl", "text"),
    [
        ("", "the template variable 'schema' holds no CREATE TABLE text: ''."),
        (17, "the template variable 'schema' holds no CREATE TABLE text: '17'."),
        ("-- later", "the schema cannot be used: line 1, column 1: creates no table: '-- later'."),
        (
            "CREATE TABLE a (id INT);\n\nCREAT TABLE b (id INT)",
            "the schema cannot be used: line 3, column 13: unexpected 'b' near "
            "'CREATE TABLE a (id INT); CREAT TABLE b (id INT)'.",
        ),
        (
            "CREATE TABLE a (\n  id INT,\n  name TEXT",
            "the schema cannot be used: line 3, column 8: expected ')', found 'TEXT' near "
            "'CREATE TABLE a ( id INT, name TEXT'.",
        ),
        (
            "CREATE TABLE a (id INT,, b INT)",
            "the schema cannot be used: line 1: sqlite says 'near \",\": syntax error' of "
            "'CREATE TABLE a (id INT,, b INT)'.",
        ),
        (
            "CREATE TABLE a (b_id INT REFERENCES b(id))",
            "the schema cannot be used: line 1, column 1: table 'a' refers to table 'b', which is not created.",
        ),
        (
            "CREATE TABLE a (id INT);\nCREATE TABLE A (id INT)",
            "the schema cannot be used: line 2, column 1: table 'A' is created twice.",
        ),
        (
            "CREATE TABLE a AS SELECT 1",
            "the schema cannot be used: line 1, column 1: 'CREATE TABLE a AS SELECT 1' is not understood in a schema "
            "(CREATE TABLE, VIEW, INDEX, TYPE and INSERT are).",
        ),
        (
            "CREATE TABLE a (n INT NOT NULL CHECK (n > 5 AND n < 3))",
            "no row can be generated for table 'a': CHECK constraint failed: n > 5 AND n < 3.",
        ),
    ],
)
def test_a_schema_that_cannot_be_used(ddl, text):
    """The problem says what is wrong, where in the DDL, and shows the text there."""
    assert problems(ddl) == [text]


def test_a_cycle_that_allows_no_first_row():
    """Two tables that must refer to each other get no rows, and both say so."""
    ddl = "CREATE TABLE a (id INT PRIMARY KEY, b INT NOT NULL REFERENCES b); "
    ddl += "CREATE TABLE b (id INT PRIMARY KEY, a INT NOT NULL REFERENCES a)"
    assert problems(ddl) == [
        f"no row can be generated for table {name!r}: a table that it refers to has no rows." for name in ("a", "b")
    ]


def test_a_schema_is_needed():
    """Without DDL in the settings the template variable must be there, by its name."""
    assert Sql(column="q").problems({}) == [
        "no schema to run queries against: set ddl, or the template variable 'schema'."
    ]
    assert Sql(column="q", schema_variable="tables").problems({"tables": DDL}) == []
    assert Sql(column="q", ddl=DDL).problems({}) == []


def test_an_engine_that_cannot_run_the_schema():
    """DDL of one engine given to another as its own is refused in that engine's words."""
    found = problems("CREATE TABLE a (id INTEGER PRIMARY KEY AUTOINCREMENT)", dialect="duckdb", engine="duckdb")
    assert found[0].startswith("the schema cannot be used: line 1: duckdb says ")


def test_an_unknown_dialect_is_named():
    """The problem guesses what was meant."""
    guess = "no SQL dialect 'postgre'. Did you mean 'postgres'? Known: athena,"
    assert problems(DDL, dialect="postgre")[0].startswith(guess)
    assert problems(DDL, ddl_dialect="mysq")[0].startswith("no SQL dialect 'mysq'. Did you mean 'mysql'?")


@pytest.mark.parametrize(
    "options",
    [
        {"engine": "oracle"},
        {"statements": ("select", "pragma")},
        {"statements": ()},
        {"timeout_s": 0},
        {"timeout_s": 3600},
        {"memory_mb": 1},
        {"rows": 0},
        {"time_limit": 2},
    ],
)
def test_settings_are_checked(options):
    """A value that cannot be meant, or a key that there is not, is an error."""
    with pytest.raises(ValidationError):
        Sql(column="q", **options)


def test_a_bound_check_needs_nothing_more():
    """bound() writes the variable into the check, whose verdicts and fingerprint then follow from its fields alone."""
    bound = Sql(column="q").bound({"schema": DDL})
    assert bound == Sql(column="q", ddl=DDL)
    assert bound.bound({"schema": "other"}) == bound
    assert bound.deciding()["ddl"] == DDL
    assert bound.examine("SELECT COUNT(*) FROM t").evidence["rows"] == [[50]]
