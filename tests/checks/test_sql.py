"""Verdicts of check `sql`: what passes, what is refused and why, and what is kept as evidence."""

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec.checks.sql import Sql
from sdspec.engine.workers import Workers

DDL = """
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT, joined DATE);
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  customer_id INTEGER NOT NULL REFERENCES customers(id),
  status TEXT NOT NULL CHECK (status IN ('open', 'paid')),
  total DECIMAL(8, 2)
);
"""


def check(engine="sqlite", **options):
    return Sql(column="solution", engine=engine, **{"dialect": engine, "ddl": DDL, **options})


@pytest.fixture(params=["sqlite", "duckdb"])
def engine(request):
    return request.param


def test_a_query_that_runs_passes_with_its_result_as_evidence(engine):
    """Evidence says engine, dialect, statement type, tables, columns, first rows and how many there are."""
    verdict = check(engine).examine("SELECT status, COUNT(*) AS n FROM orders GROUP BY status ORDER BY status;")
    counts = [row[1] for row in verdict.evidence["rows"]]
    assert verdict.ok
    assert sum(counts) == 50
    assert dict(verdict.evidence) == {
        "engine": engine,
        "dialect": engine,
        "statement": "select",
        "tables": ["orders"],
        "columns": ["status", "n"],
        "rows": [["open", counts[0]], ["paid", counts[1]]],
        "row_count": 2,
    }


@pytest.mark.parametrize(
    ("text", "reason", "detail"),
    [
        ("", "sql_empty_text", "there is no statement"),
        (" ;-- nothing\n", "sql_empty_text", "there is no statement"),
        ("SELEC * FROM orders", "sql_syntax", "line 1, column 9: unexpected 'FROM' near 'SELEC * FROM orders'"),
        ("SELECT id\nFROM orders WHERE (id = 1", "sql_syntax", "line 2, column 25: expected ')', found '1'"),
        ("SELECT 'open", "sql_syntax", "line 1, column 8: ' is opened and never closed near \"'open\""),
        ("SELECT FROM orders", "sql_syntax", 'near "FROM": syntax error'),
        ("Here is the query you asked for", "sql_syntax", "line 1, column "),
        ("orders", "sql_syntax", "line 1, column 1: not an SQL statement: 'orders'"),
        ("```sql\nSELECT 1\n```", "sql_syntax", "line 1, column 1: not an SQL statement"),
        ("SELECT '\ud800'", "sql_syntax", "holds U+D800, which is no character"),
        ("SELECT 1\0", "sql_syntax", "holds U+0000, which is no character"),
        (f"SELECT {'(' * 400}1{')' * 400}", "sql_syntax", "nested too deeply"),
        ("SELECT 1; SELECT 2", "sql_many_statements", "2 statements, where one is wanted"),
        (f"SELECT 1 {'-' * 30_000}", "sql_too_long", "30009 characters; at most 20000 are read"),
        ("SELECT o.totl FROM orders o", "sql_error", "no such column: o.totl"),
        ("SELECT * FROM invoices", "sql_error", "no such table: invoices"),
        ("SELECT ?", "sql_error", "bindings"),
        ("DELETE FROM orders", "sql_statement", "DELETE is not among the statements allowed: select"),
        ("WITH x AS (SELECT 1) INSERT INTO orders SELECT * FROM x", "sql_statement", "INSERT is not among"),
        ("DROP TABLE orders", "sql_statement", "DROP is not among"),
        ("PRAGMA table_info(orders)", "sql_forbidden", "PRAGMA is never run"),
        ("SELECT * FROM pragma_table_info('orders')", "sql_forbidden", "PRAGMA is not allowed"),
        ("ATTACH '/tmp/x.db' AS x", "sql_forbidden", "ATTACH is never run"),
        ("EXPLAIN SELECT 1", "sql_forbidden", "EXPLAIN is never run"),
        ("SELECT load_extension('x')", "sql_forbidden", "function load_extension() is not allowed"),
    ],
)
def test_what_is_refused_says_why(text, reason, detail):
    """Each kind of mistake has a stable reason, and a detail with the place in the text or SQLite's own message."""
    verdict = check().examine(text)
    assert (verdict.ok, verdict.reason) == (False, reason)
    assert detail in verdict.detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("COPY orders TO '/tmp/orders.csv'", "sql_forbidden"),
        ("INSTALL httpfs", "sql_forbidden"),
        ("LOAD httpfs", "sql_forbidden"),
        ("SET memory_limit = '64GB'", "sql_forbidden"),
        ("SELECT * FROM read_csv('/etc/passwd')", "sql_forbidden"),
        ("SELECT * FROM read_text('/etc/passwd')", "sql_forbidden"),
        ("SELECT * FROM '/etc/passwd'", "sql_forbidden"),
        ("SELECT * FROM parquet_bloom_probe('/tmp/x.parquet', 'a', 1)", "sql_forbidden"),
        ("SELECT o.totl FROM orders o", "sql_error"),
        ("SELECT * FROM check", "sql_syntax"),
        ("SELECT CAST('x' AS INTEGER)", "sql_error"),
    ],
)
def test_duckdb_reaches_nothing_outside(text, reason):
    """Files, extensions and settings are refused by the text, and by the engine where the text does not show it."""
    verdict = check("duckdb").examine(text)
    assert (verdict.ok, verdict.reason) == (False, reason)
    assert verdict.detail


@pytest.mark.parametrize(
    ("dialect", "text", "reason"),
    [
        ("postgres", "WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone", "sql_statement"),
        ("postgres", "SELECT * INTO copied FROM orders", "sql_forbidden"),
        ("postgres", "SELECT pg_read_file('/etc/passwd')", "sql_forbidden"),
        ("tsql", "SELECT * FROM OPENROWSET('x', 'y', 'z')", "sql_forbidden"),
    ],
)
def test_writes_hidden_in_a_query_are_found(dialect, text, reason):
    """The whole tree is looked at, not only the first word."""
    verdict = check(dialect=dialect, ddl_dialect="sqlite").examine(text)
    assert (verdict.ok, verdict.reason) == (False, reason)


@pytest.mark.parametrize(
    "text",
    [
        "WITH big AS (SELECT * FROM orders WHERE total > 10) SELECT COUNT(*) FROM big",
        "SELECT id FROM orders UNION SELECT id FROM customers ORDER BY 1",
        "SELECT * FROM (SELECT 1)",
        "VALUES (1, 2)",
        "SELECT 1;",
        "-- how many?\nSELECT COUNT(*) FROM orders -- all of them",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) SELECT SUM(i) FROM n",
        "SELECT name, RANK() OVER (PARTITION BY city ORDER BY joined) FROM customers",
    ],
)
def test_all_forms_of_a_query_are_select(engine, text):
    """WITH, UNION, parentheses, VALUES, comments and one semicolon are fine."""
    assert check(engine).examine(text).ok


def test_a_value_that_is_no_text_is_refused():
    """A column of another type gives a verdict, not a crash."""
    assert check().examine(["SELECT 1"]).reason == "sql_not_text"


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("SELECT id FROM orders ORDER BY RANDOM() LIMIT 1", ["random"]),
        ("SELECT DATE('now')", ["clock"]),
        ("SELECT CURRENT_TIMESTAMP", ["clock"]),
        ("SELECT STRFTIME('%Y', 'now', '-1 year')", ["clock"]),
        ("SELECT last_insert_rowid()", ["session"]),
        ("SELECT id FROM orders LIMIT 3", ["limit_without_order"]),
        ("SELECT * FROM (SELECT id FROM orders LIMIT 3) ORDER BY id", ["limit_without_order"]),
        ("SELECT GROUP_CONCAT(name) FROM customers", ["unordered_aggregate"]),
        ("SELECT ROW_NUMBER() OVER (PARTITION BY city) FROM customers", ["unordered_window"]),
    ],
)
def test_nondeterministic_queries_are_flagged(text, reasons):
    """Evidence names why the result may change; with allow_nondeterministic: false such a query is a reject."""
    assert check().examine(text).evidence["nondeterministic"] == reasons
    assert check(allow_nondeterministic=False).examine(text).reason == "sql_nondeterministic"


@pytest.mark.parametrize(
    "text",
    [
        "SELECT id FROM orders ORDER BY id LIMIT 3",
        "SELECT COUNT(*) FROM orders LIMIT 1",
        "SELECT STRFTIME('%Y', joined) FROM customers",
        "SELECT name FROM customers c WHERE EXISTS (SELECT 1 FROM orders LIMIT 1)",
        "SELECT 'now'",
    ],
)
def test_deterministic_queries_are_not_flagged(text):
    """An order before the cut, one row of an aggregate, a date that is a column: nothing to say."""
    assert "nondeterministic" not in check(allow_nondeterministic=False).examine(text).evidence


def test_a_changing_result_is_no_evidence():
    """What random() and the clock gave is left out, so that the same value always has the same verdict."""
    verdict = check().examine("SELECT RANDOM(), DATE('now')")
    assert verdict.ok
    assert "rows" not in verdict.evidence


def test_rows_can_be_required():
    """An empty result passes, unless require_rows says otherwise."""
    text = "SELECT * FROM orders WHERE id < 0"
    assert check().examine(text).ok
    assert check(require_rows=True).examine(text).reason == "sql_empty"


def test_evidence_is_small(engine):
    """Only the first rows are kept, with the count of all; long texts are cut."""
    verdict = check(engine, max_result_rows=3).examine("SELECT a.id, b.id FROM orders a, orders b ORDER BY 1, 2")
    assert [row[0] for row in verdict.evidence["rows"]] == [1, 1, 1]
    assert (verdict.evidence["row_count"], verdict.evidence["more"]) == (2500, True)
    text = "SELECT REPLACE(HEX(ZEROBLOB(500)), '0', 'x')" if engine == "sqlite" else "SELECT REPEAT('x', 1000)"
    assert check(engine).examine(text).evidence["rows"] == [["x" * 200 + "…"]]


def test_cells_are_json():
    """Blobs are hex, what JSON has no number for is null, bytes that are no text do not break."""
    rows = check().examine("SELECT x'00ff', 9e999, NULL, CAST(x'ff41' AS TEXT), 9223372036854775807").evidence["rows"]
    assert rows == [["00ff", None, None, "\ufffdA", 9223372036854775807]]
    text = """SELECT 'nan'::DOUBLE, DATE '2024-05-01', TIMESTAMPTZ '2024-05-01 10:00:00+02', [1, 2], {'a': 1},
              1.50::DECIMAL(5, 2), 170141183460469231731687303715884105727::HUGEINT::VARCHAR, 1 AS a, 2 AS a"""
    verdict = check("duckdb").examine(text)
    assert verdict.evidence["rows"] == [
        [None, "2024-05-01", "2024-05-01T08:00:00+00:00", [1, 2], {"a": 1}, 1.5, str(2**127 - 1), 1, 2]
    ]


def test_writes_that_are_allowed_leave_no_trace(engine):
    """An allowed INSERT, DELETE or DROP runs, says what it changed, and is rolled back."""
    writing = check(engine, statements=("select", "insert", "delete", "drop"))
    count = "SELECT COUNT(*) FROM orders"
    before = writing.examine(count)
    assert writing.examine("DELETE FROM orders WHERE id <= 3").evidence["rows_changed"] == 3
    assert writing.examine("DROP TABLE orders").ok
    assert writing.examine("INSERT INTO orders VALUES (1, 1, 'open', 1)").reason == "sql_error"
    assert writing.examine("INSERT INTO orders VALUES (900, 900, 'open', 1)").reason == "sql_error"
    assert writing.examine("UPDATE orders SET id = 1").reason == "sql_statement"
    assert writing.examine(count) == before


def test_other_dialects_are_translated():
    """A query in another dialect runs in the engine's own words, which evidence shows."""
    ddl = "CREATE TABLE [dbo].[orders] ([id] INT IDENTITY(1, 1) PRIMARY KEY, [total] MONEY NOT NULL)\nGO\n"
    verdict = check(dialect="tsql", ddl=ddl).examine("SELECT TOP 3 [id] FROM [dbo].[orders] ORDER BY [id]")
    assert verdict.evidence["executed"] == 'SELECT "id" FROM "orders" ORDER BY "id" LIMIT 3'
    assert verdict.evidence["rows"] == [[1], [2], [3]]
    assert "executed" not in check().examine("SELECT 1").evidence


async def test_a_worker_process_reaches_the_same_verdict(engine):
    """A check pickles, and a fresh process (other hash seed, other memory) finds the same rows and results."""
    text = "SELECT c.*, o.* FROM customers c JOIN orders o ON o.customer_id = c.id ORDER BY o.id"
    workers = Workers(1)
    try:
        assert await workers.examine(pickle.loads(pickle.dumps(check(engine))), text) == check(engine).examine(text)
    finally:
        await workers.close()


SPELLED = """
SELECT FROM WHERE orders customers id total , ( ) * = 'x' 1 JOIN ON GROUP BY ORDER LIMIT WITH AS UNION ; -- /* " `
NOT NULL IN EXISTS CASE WHEN THEN END OVER COUNT SUM . $1 :a @ [ ] { } || :: INSERT PRAGMA VALUES
"""
WORDS = st.sampled_from(SPELLED.split())


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(), st.lists(WORDS, max_size=14).map(" ".join)))
def test_every_text_gets_a_verdict_and_always_the_same(text):
    """Whatever a model says, examine() answers with a verdict: a reason and a detail, or neither."""
    verdict = check().examine(text)
    assert verdict.ok == (not verdict.reason)
    assert verdict.ok == (not verdict.detail)
    assert check().examine(text) == verdict
