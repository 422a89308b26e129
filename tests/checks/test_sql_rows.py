"""The rows that check `sql` generates satisfy the schema, make queries worth running, and are always the same."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sdspec.checks.sql import Sql


def result(ddl, query, **options):
    """The rows of a query over the schema; the schema has no problem."""
    check = Sql(column="q", ddl=ddl, max_result_rows=1000, **options)
    assert check.problems({}) == []
    verdict = check.examine(query)
    assert verdict.ok, verdict
    return verdict.evidence["rows"]


SHOP = """
CREATE TABLE customers (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(30) NOT NULL, email TEXT UNIQUE, city TEXT,
  joined DATE NOT NULL, newsletter BOOLEAN NOT NULL DEFAULT 0);
CREATE TABLE products (sku CHAR(6) PRIMARY KEY, name TEXT NOT NULL, price DECIMAL(6, 2) NOT NULL CHECK (price > 0),
  stock INTEGER CHECK (stock BETWEEN 5 AND 8));
CREATE TABLE orders (id INTEGER PRIMARY KEY, customer_id INTEGER NOT NULL REFERENCES customers(id) ON DELETE CASCADE,
  status TEXT NOT NULL CHECK (status IN ('open', 'paid', 'sent')), placed TIMESTAMP NOT NULL, shipped TIMESTAMP,
  CONSTRAINT in_order CHECK (shipped IS NULL OR shipped >= placed));
CREATE TABLE lines (order_id INTEGER, line INTEGER, sku CHAR(6) NOT NULL,
  quantity SMALLINT NOT NULL CHECK (quantity >= 1), PRIMARY KEY (order_id, line),
  FOREIGN KEY (order_id) REFERENCES orders(id), FOREIGN KEY (sku) REFERENCES products(sku));
CREATE TABLE parcels (order_id INTEGER, line INTEGER, weight REAL,
  FOREIGN KEY (order_id, line) REFERENCES lines(order_id, line));
"""


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
@pytest.mark.parametrize(
    "broken",
    [
        "SELECT 1 FROM orders WHERE customer_id NOT IN (SELECT id FROM customers)",
        "SELECT 1 FROM lines WHERE order_id NOT IN (SELECT id FROM orders)",
        "SELECT 1 FROM lines WHERE sku NOT IN (SELECT sku FROM products)",
        "SELECT 1 FROM parcels p LEFT JOIN lines l ON l.order_id = p.order_id AND l.line = p.line "
        "WHERE p.order_id IS NOT NULL AND p.line IS NOT NULL AND l.sku IS NULL",
        "SELECT 1 FROM products WHERE price <= 0 OR price >= 10000 OR stock NOT BETWEEN 5 AND 8 OR LENGTH(sku) > 6",
        "SELECT 1 FROM orders WHERE status NOT IN ('open', 'paid', 'sent') OR shipped < placed",
        "SELECT 1 FROM customers WHERE joined < '2020-01-01' OR joined > '2030-01-01' OR LENGTH(name) > 30",
        "SELECT email FROM customers WHERE email IS NOT NULL GROUP BY email HAVING COUNT(*) > 1",
    ],
)
def test_rows_satisfy_types_keys_and_checks(engine, broken):
    """No row breaks a reference (composite ones too), a key, a CHECK, a length or a range."""
    assert result(SHOP, broken, engine=engine, ddl_dialect="sqlite", dialect=engine) == []


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
@pytest.mark.parametrize(
    ("query", "least"),
    [
        ("SELECT 1 FROM customers", 50),
        ("SELECT 1 FROM orders", 50),
        ("SELECT 1 FROM lines", 40),
        ("SELECT 1 FROM customers WHERE email IS NULL OR city IS NULL", 1),
        ("SELECT city FROM customers WHERE city IS NOT NULL GROUP BY city HAVING COUNT(*) > 1", 3),
        ("SELECT customer_id FROM orders GROUP BY customer_id HAVING COUNT(*) > 1", 5),
        ("SELECT c.id FROM customers c LEFT JOIN orders o ON o.customer_id = c.id WHERE o.id IS NULL", 5),
        ("SELECT DISTINCT status FROM orders", 3),
        ("SELECT 1 FROM customers c JOIN orders o ON o.customer_id = c.id JOIN lines l ON l.order_id = o.id", 40),
        ("SELECT 1 FROM parcels JOIN lines USING (order_id, line)", 30),
        ("SELECT 1 FROM customers WHERE email LIKE '%@%'", 30),
    ],
)
def test_rows_make_queries_give_results(engine, query, least):
    """Joins match, groups have several rows, some parents have no child, some values are missing."""
    assert len(result(SHOP, query, engine=engine, ddl_dialect="sqlite", dialect=engine)) >= least


def test_rows_depend_on_the_ddl_alone():
    """Both engines get the same rows for the same text, and another text gives others."""
    query = "SELECT id, name, city FROM customers ORDER BY id"
    one = result(SHOP, query)
    assert one == result(SHOP, query, engine="duckdb", dialect="duckdb", ddl_dialect="sqlite")
    assert one != result(SHOP + " ", query)
    assert one[:10] != result(SHOP + " ", query, rows=10)


def test_a_table_that_refers_to_itself():
    """A nullable reference is NULL or an earlier row; the first row of one that may not be NULL refers to itself."""
    ddl = """CREATE TABLE staff (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES staff(id));
             CREATE TABLE nodes (id INTEGER PRIMARY KEY, up INTEGER NOT NULL REFERENCES nodes(id));"""
    assert result(ddl, "SELECT COUNT(*) FROM staff WHERE boss IS NULL OR boss < id") == [[50]]
    assert result(ddl, "SELECT COUNT(*) > 0 FROM staff WHERE boss IS NULL") == [[1]]
    assert result(ddl, "SELECT up FROM nodes WHERE id = 1") == [[1]]
    assert result(ddl, "SELECT COUNT(*) FROM nodes a JOIN nodes b ON b.id = a.up") == [[50]]


def test_tables_that_refer_to_each_other():
    """A cycle is entered where a reference may be NULL, and closed once both tables have rows."""
    ddl = """CREATE TABLE teams (id INTEGER PRIMARY KEY, captain_id INTEGER REFERENCES players(id));
             CREATE TABLE players (id INTEGER PRIMARY KEY, team_id INTEGER NOT NULL REFERENCES teams(id));"""
    assert result(ddl, "SELECT COUNT(*) FROM players p JOIN teams t ON t.id = p.team_id") == [[50]]
    assert result(ddl, "SELECT COUNT(*) > 30 FROM teams t JOIN players p ON p.id = t.captain_id") == [[1]]


def test_one_to_one_and_many_to_many():
    """A key that is itself a reference takes each parent once; a table between two takes each pair once."""
    ddl = """CREATE TABLE people (id INTEGER PRIMARY KEY);
             CREATE TABLE passports (person_id INTEGER PRIMARY KEY REFERENCES people(id), number TEXT NOT NULL UNIQUE);
             CREATE TABLE clubs (name TEXT PRIMARY KEY CHECK (name IN ('chess', 'choir')));
             CREATE TABLE members (person_id INTEGER REFERENCES people(id), club TEXT REFERENCES clubs(name),
               PRIMARY KEY (person_id, club));"""
    assert result(ddl, "SELECT COUNT(*), COUNT(DISTINCT person_id) FROM passports") == [[50, 50]]
    assert result(ddl, "SELECT name FROM clubs ORDER BY name") == [["chess"], ["choir"]]
    assert result(ddl, "SELECT COUNT(*) > 30, COUNT(*) = COUNT(DISTINCT person_id || club) FROM members") == [[1, 1]]


@pytest.mark.parametrize(
    ("dialect", "ddl", "query", "rows"),
    [
        (
            "postgres",
            """CREATE TYPE mood AS ENUM ('glad', 'sad');
               CREATE TABLE public.people (id SERIAL PRIMARY KEY, mood mood NOT NULL, born DATE NOT NULL,
                 seen TIMESTAMPTZ DEFAULT now(), kind TEXT NOT NULL CHECK (kind = ANY (ARRAY['a'::text, 'b'::text])));
               CREATE TABLE pets (id BIGSERIAL PRIMARY KEY, owner_id INT NOT NULL, tag UUID NOT NULL, notes JSONB);
               ALTER TABLE ONLY pets ADD CONSTRAINT owned FOREIGN KEY (owner_id) REFERENCES public.people (id);
               COMMENT ON TABLE pets IS 'all of them'; CREATE UNIQUE INDEX tags ON pets (tag);""",
            "SELECT (SELECT COUNT(*) FROM pets p JOIN public.people o ON o.id = p.owner_id), "
            "(SELECT COUNT(DISTINCT mood) + COUNT(DISTINCT kind) FROM people)",
            [[50, 4]],
        ),
        (
            "mysql",
            """CREATE TABLE `a` (`id` INT UNSIGNED NOT NULL AUTO_INCREMENT, `e` ENUM('x', 'y') NOT NULL DEFAULT 'x',
                 on_sale TINYINT(1) NOT NULL, KEY `k` (`e`), PRIMARY KEY (`id`)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4;
               CREATE TABLE `b` (id INT PRIMARY KEY AUTO_INCREMENT, a_id INT UNSIGNED NOT NULL,
                 CONSTRAINT `of_a` FOREIGN KEY (`a_id`) REFERENCES `a` (`id`));""",
            "SELECT COUNT(*), COUNT(DISTINCT `e`), MAX(on_sale) FROM `b` JOIN `a` ON `a`.`id` = b.a_id",
            [[50, 2, 1]],
        ),
        (
            "tsql",
            """CREATE TABLE [dbo].[rooms] ([id] INT IDENTITY(1, 1) PRIMARY KEY, [name] NVARCHAR(20) NOT NULL, b BIT);
               GO
               CREATE TABLE [dbo].[stays] ([room] INT NOT NULL FOREIGN KEY REFERENCES [dbo].[rooms]([id]), d DATETIME2);
               GO""",
            "SELECT COUNT(*) FROM [dbo].[stays] s JOIN [dbo].[rooms] r ON r.[id] = s.[room]",
            [[50]],
        ),
    ],
)
@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_ddl_of_other_dialects(dialect, ddl, query, rows, engine):
    """SERIAL, IDENTITY, AUTO_INCREMENT, enums, quoting of all kinds, ALTER TABLE: tables and rows in either engine."""
    assert result(ddl, query, dialect=dialect, engine=engine) == rows


def test_inserts_of_the_schema_are_the_rows():
    """A table that the DDL fills itself keeps those rows, and other tables refer to them."""
    ddl = """CREATE TABLE sizes (code TEXT PRIMARY KEY); INSERT INTO sizes VALUES ('S'), ('XL');
             CREATE TABLE shirts (id INTEGER PRIMARY KEY, size TEXT NOT NULL REFERENCES sizes(code));
             CREATE VIEW counts AS SELECT size, COUNT(*) AS n FROM shirts GROUP BY size;"""
    assert result(ddl, "SELECT size FROM counts ORDER BY size") == [["S"], ["XL"]]
    assert result(ddl, "SELECT COUNT(*) FROM sizes") == [[2]]


def test_sqlite_keeps_its_own_words():
    """WITHOUT ROWID, STRICT, untyped and computed columns, [quoted names] and COLLATE run as they are written."""
    ddl = """CREATE TABLE tags ([the tag] TEXT PRIMARY KEY COLLATE NOCASE, anything) WITHOUT ROWID;
             CREATE TABLE boxes (id INTEGER PRIMARY KEY, w REAL NOT NULL, h REAL NOT NULL, a REAL AS (w * h)) STRICT;"""
    assert result(ddl, "SELECT COUNT(*) FROM boxes WHERE ABS(a - w * h) < 0.001") == [[50]]
    assert result(ddl, "SELECT COUNT(*) FROM tags WHERE LOWER([the tag]) = [the tag] COLLATE NOCASE") == [[50]]


COLUMNS = st.lists(
    st.sampled_from(
        (
            "name TEXT NOT NULL",
            "email TEXT UNIQUE",
            "price DECIMAL(5, 2)",
            "at TIMESTAMP NOT NULL",
            "n SMALLINT",
            "b BLOB",
            "ok BOOLEAN",
            "day DATE",
            "code VARCHAR(3) UNIQUE",
            "kind TEXT CHECK (kind IN ('x', 'y'))",
            "r REAL CHECK (r < 0)",
        )
    ),
    unique_by=lambda column: column.split()[0],
)
REFERENCES = st.lists(st.tuples(st.integers(0, 5), st.booleans()), max_size=3)
TABLES = st.lists(st.tuples(COLUMNS, REFERENCES), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(TABLES)
def test_every_reference_of_every_schema_is_kept(tables):
    """Whatever tables refer to whatever earlier tables or to themselves, every reference finds its row."""
    ddl, broken = "", "SELECT 0"
    for number, (columns, references) in enumerate(tables):
        lines = ["id INTEGER PRIMARY KEY", *columns]
        for position, (target, nullable) in enumerate(references):
            parent = f"t{min(target, number)}"
            lines.append(f"ref{position} INTEGER {'' if nullable else 'NOT NULL'} REFERENCES {parent}(id)")
            broken += (
                f" UNION ALL SELECT COUNT(*) FROM t{number} WHERE ref{position} IS NOT NULL"
                f" AND ref{position} NOT IN (SELECT id FROM {parent})"
            )
        ddl += f"CREATE TABLE t{number} ({', '.join(lines)});\n"
    assert {count for (count,) in result(ddl, broken, rows=12)} == {0}
    assert result(ddl, "SELECT COUNT(*) FROM t0", rows=12) == [[12]]
