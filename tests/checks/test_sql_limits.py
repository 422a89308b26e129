"""The limits of check `sql` hold for real, in the worker process where the engine runs it."""

import asyncio

import pytest

from sdspec.checks.sql import Sql
from sdspec.engine.workers import Workers

DDL = "CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT NOT NULL)"

ENDLESS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT COUNT(*) FROM r"
ENDLESS_ROWS = "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT n FROM r"
PRODUCT = "SELECT COUNT(*) FROM t a, t b, t c, t d, t e, t f WHERE a.id + b.id + c.id + d.id + e.id + f.id = 7"
SORTED_PRODUCT = "SELECT a.word, b.word, c.word FROM t a, t b, t c, t d ORDER BY a.word || b.word || c.word || d.word"
DOUBLING = "WITH RECURSIVE r(s) AS (SELECT 'xxxxxxxx' UNION ALL SELECT s || s FROM r) SELECT MAX(LENGTH(s)) FROM r"
COLLECTED = "SELECT GROUP_CONCAT(a.word || b.word || c.word) FROM t a, t b, t c, t d"
DOUBLING_CTES = (
    "WITH a0 AS (SELECT 1 AS x)"
    + "".join(f", a{i} AS (SELECT x FROM a{i - 1} UNION ALL SELECT x FROM a{i - 1})" for i in range(1, 30))
    + " SELECT * FROM a29"
)


def limited(engine: str) -> Sql:
    return Sql(column="solution", dialect=engine, engine=engine, ddl=DDL, timeout_s=0.3, memory_mb=48, rows=60)


async def verdicts(engine, *texts):
    """What one worker says of the texts, in order."""
    workers = Workers(1)
    try:
        return [await workers.examine(limited(engine), text) for text in texts]
    finally:
        await workers.close()


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
async def test_endless_and_enormous_queries_end_at_a_limit(engine):
    """Recursion without end, cartesian products and sorts of them become rejects, and the worker goes on as before."""
    last = "SELECT COUNT(*), MIN(word) FROM t"
    bad = [ENDLESS, ENDLESS_ROWS, PRODUCT, SORTED_PRODUCT, DOUBLING]
    before, *found, after = await verdicts(engine, last, *bad, last)
    assert [verdict.reason for verdict in found[:1]] == ["sql_timeout"]
    assert {verdict.reason for verdict in found} <= {"sql_timeout", "sql_memory"}
    assert [verdict.ok for verdict in found] == [False] * len(bad)
    assert before.ok
    assert before == after


async def test_sqlite_memory_is_limited():
    """Memory is refused when it is asked for: by a sort, by a text that grows, by a query that grows as it is read."""
    found = await verdicts("sqlite", SORTED_PRODUCT, COLLECTED, DOUBLING_CTES, "SELECT ZEROBLOB(900000000)")
    assert {verdict.reason for verdict in found[:2]} <= {"sql_memory", "sql_timeout"}
    assert [verdict.reason for verdict in found[2:]] == ["sql_memory"] * 2


@pytest.mark.parametrize(
    "text",
    [
        "SELECT RANGE(1000000000)",
        "SELECT LENGTH(REPEAT('x', 3000000000))",
        "SELECT STRING_AGG(REPEAT('x', 1000000)) FROM RANGE(100000)",
        "SELECT LIST(r.range) FROM RANGE(100000000) r",
    ],
)
async def test_duckdb_memory_is_limited(text):
    """Also where DuckDB's own memory limit does not look: values that functions make."""
    (found,) = await verdicts("duckdb", text)
    assert found.reason == "sql_memory"
    assert found.detail == "needs more than 48 MB"


async def test_a_function_that_cannot_be_interrupted_is_ended():
    """DuckDB looks for an interrupt only between rows; the time limit holds within one, too."""
    (found,) = await verdicts("duckdb", "SELECT LEVENSHTEIN(REPEAT('a', 100000), REPEAT('b', 100000))")
    assert (found.reason, found.detail) == ("sql_timeout", "took more than 0.3 s of processor time")


async def test_a_bad_query_does_not_spoil_its_neighbours():
    """Verdicts that are reached at the same time as a timeout are the same as alone."""
    workers = Workers(2)
    good = "SELECT COUNT(*) FROM t"
    try:
        found = await asyncio.gather(*(workers.examine(limited("sqlite"), text) for text in [ENDLESS, good, good]))
    finally:
        await workers.close()
    assert [verdict.reason for verdict in found] == ["sql_timeout", "", ""]
