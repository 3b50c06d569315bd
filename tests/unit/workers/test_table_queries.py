from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import duckdb
import pytest

from workers.failures import Refused
from workers.table_files import table_name
from workers.table_queries import DescribeOut, QueryOut, describe, query

SALES = """day,region,pieces,price
2026-01-05,north,10,2.50
2026-01-06,south,4,3.00
2026-01-07,north,6,2.50
"""


@pytest.fixture
def sales(root: Path) -> str:
    (root / "sales.csv").write_text(SALES)
    return "sales.csv"


async def rows(sql: str, *files: str, **fields: Any) -> list[dict[str, Any]]:
    out = await query.test({"files": files or ["sales.csv"], "sql": sql, **fields})
    assert isinstance(out, QueryOut)
    return out.rows


async def refusal(sql: str, *files: str, **fields: Any) -> Refused:
    with pytest.raises(Refused) as caught:
        await rows(sql, *files, **fields)
    return caught.value


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def test_a_table_is_described_for_a_prompt(sales: str) -> None:
    out = await describe.test({"files": [sales], "samples": 1})
    assert isinstance(out, DescribeOut)
    (table,) = out.tables
    assert (table.name, table.rows) == ("sales", 3)
    assert [(column.name, column.type) for column in table.columns] == [
        ("day", "DATE"),
        ("region", "VARCHAR"),
        ("pieces", "BIGINT"),
        ("price", "DOUBLE"),
    ]
    assert table.samples == [{"day": "2026-01-05", "region": "north", "pieces": 10, "price": 2.5}]
    assert "- pieces (BIGINT)" in out.text
    assert "day=2026-01-05, region=north" in out.text


async def test_csv_and_parquet_are_joined(root: Path, sales: str) -> None:
    target = root / "Regions 2026.parquet"
    duckdb.sql("SELECT 'north' AS region, 'Anna' AS manager").write_parquet(str(target))
    sql = "SELECT manager, sum(pieces * price) AS total FROM sales JOIN regions_2026 USING (region) GROUP BY manager"
    assert await rows(sql, sales, target.name) == [{"manager": "Anna", "total": 40.0}]


async def test_every_value_has_a_json_form(sales: str) -> None:
    sql = """SELECT DATE '2026-01-05' AS day, 1.10::DECIMAL(9,2) AS price,
        170141183460469231731687303715884105727 AS huge,
        12345678901234567890.123456789::DECIMAL(38,9) AS exact,
        'NaN'::DOUBLE AS nan, 'infinity'::DOUBLE AS endless,
        '\\xFF'::BLOB AS bytes, [1, NULL] AS list, {'a': TIMESTAMP '2026-01-05 10:00:00'} AS struct,
        INTERVAL 90 SECOND AS span, NULL AS nothing, repeat('x', 5000) AS long, 1 AS day"""
    (row,) = await rows(sql)
    assert row.pop("long") == "x" * 1_999 + "…"
    assert row == {
        "day": "2026-01-05", "price": 1.1, "huge": 170141183460469231731687303715884105727,
        "exact": "12345678901234567890.123456789", "nan": None, "endless": None, "bytes": "ff", "list": [1, None],
        "struct": {"a": "2026-01-05T10:00:00"}, "span": "0:01:30", "nothing": None, "day_2": 1,
    }  # fmt: skip


async def test_times_with_a_zone_are_text(root: Path) -> None:
    (root / "calls.csv").write_text("call,began\n1,2026-01-05T10:00:00Z\n2,2026-01-06 10:00:00+02\n")
    described = await describe.test({"files": ["calls.csv"], "samples": 1})
    assert isinstance(described, DescribeOut)
    assert described.tables[0].columns[1].type == "TIMESTAMP WITH TIME ZONE"
    assert described.tables[0].samples[0]["began"].startswith("2026-01-05")
    sql = """SELECT call, ';é' AS mark, began AT TIME ZONE 'UTC' AS utc, began, [began] AS list
        FROM calls ORDER BY call DESC; -- newest first"""
    newest, oldest = await rows(sql, "calls.csv")
    assert (newest["call"], newest["utc"]) == (2, "2026-01-06T08:00:00")
    assert (oldest["call"], oldest["utc"]) == (1, "2026-01-05T10:00:00")
    assert newest["began"] in newest["list"]
    assert "now" in (await rows("SELECT now() AS now", "calls.csv"))[0]


async def test_rows_beyond_the_limit_are_left_out_and_it_is_said(sales: str) -> None:
    out = await query.test({"files": [sales], "sql": "SELECT * FROM range(1000)", "max_rows": 10})
    assert (len(out.rows), out.more) == (10, True)
    out = await query.test({"files": [sales], "sql": "SELECT * FROM range(10)", "max_rows": 10})
    assert (len(out.rows), out.more) == (10, False)


@pytest.mark.parametrize(
    ("sql", "code", "says"),
    [
        ("SELECT piecs FROM sales", "sql_wrong", 'Candidate bindings: "pieces"'),
        ("SELECT * FROM sale", "sql_wrong", 'Did you mean "sales"'),
        ("SELEC 1", "sql_wrong", "syntax error"),
        ("", "sql_refused", "there are 0 statements"),
        ("-- nothing", "sql_refused", "there are 0 statements"),
        ("SELECT 1; SELECT 2", "sql_refused", "there are 2 statements"),
    ],
)
async def test_what_is_wrong_with_a_query_is_said_so_that_it_can_be_mended(
    sales: str, sql: str, code: str, says: str
) -> None:
    error = await refusal(sql) if sql else await refusal(" ")
    assert error.code == code
    assert says in str(error)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY sales TO '{out}'",
        "COPY (SELECT 1) TO '{out}' (FORMAT parquet)",
        "EXPORT DATABASE '{out}'",
        "ATTACH '{out}' AS other",
        "CREATE TABLE copy AS SELECT * FROM sales",
        "DELETE FROM sales",
        "UPDATE sales SET pieces = 0",
        "DROP TABLE sales",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 64",
        "RESET memory_limit",
        "SET enable_external_access = true",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "CHECKPOINT",
        "COMMIT",
        "EXPLAIN ANALYZE SELECT 1",
        "CREATE SECRET s (TYPE s3)",
        "PREPARE p AS SELECT 1",
        "SELECT 1; COPY sales TO '{out}'",
    ],
)
async def test_nothing_but_a_select_is_run(root: Path, sales: str, sql: str) -> None:
    before = names(root)
    error = await refusal(sql.format(out=root / "out"))
    assert error.code == "sql_refused", error
    assert names(root) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_csv_auto('{root}/sales.csv')",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM read_parquet('{root}/x.parquet')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM glob('/*')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM 'https://example.org/x.csv'",
        "SELECT * FROM parquet_metadata('{root}/x.parquet')",
        "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
        "SELECT getenv('HOME')",
        "FROM sales, read_text('/etc/passwd')",
        "WITH gone AS (DELETE FROM sales RETURNING *) SELECT * FROM gone",
        "WITH more AS (INSERT INTO sales VALUES (NULL, NULL, 1, 1) RETURNING *) SELECT * FROM more",
        "SELECT * FROM root",  # a variable of the Python process
    ],
)
async def test_a_select_reaches_nothing_but_the_tables(root: Path, sales: str, sql: str) -> None:
    error = await refusal(sql.format(root=root))
    assert error.code == "sql_wrong"
    assert "root:" not in str(error)
    assert await rows("SELECT count(*) AS n FROM sales") == [{"n": 3}]


async def test_an_endless_query_is_stopped(sales: str) -> None:
    started = time.monotonic()
    sql = "SELECT sum(a.range * b.range % 7) FROM range(1000000) a, range(1000000) b"
    assert (await refusal(sql, seconds=0.5)).code == "sql_timeout"
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT length(repeat('x', 4000000000))",
        "SELECT list(a.range) FROM range(100000000) a, range(100) b",
        "SELECT * FROM range(2000000000) ORDER BY hash(range) LIMIT 1 OFFSET 1999999999",
    ],
)
async def test_a_query_that_needs_too_much_memory_is_stopped(sales: str, sql: str) -> None:
    assert (await refusal(sql, seconds=15)).code in ("sql_memory", "sql_timeout")
    assert await rows("SELECT 1 AS one") == [{"one": 1}]


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("gone.csv", None, "file_missing"),
        ("notes.md", b"# no table", "format_unknown"),
        ("broken.parquet", b"PAR1 nothing", "file_unreadable"),
        ("binary.csv", bytes(range(256)) * 20, "file_unreadable"),
    ],
)
async def test_a_file_that_is_no_table_is_refused(root: Path, name: str, content: bytes | None, code: str) -> None:
    if content is not None:
        (root / name).write_bytes(content)
    error = await refusal("SELECT 1", name)
    assert error.code == code
    assert name in str(error)


async def test_a_pattern_in_a_name_stands_for_itself(root: Path, sales: str) -> None:
    (root / "s[a]*es.csv").write_text("pieces\n99\n")
    assert await rows("SELECT pieces FROM s_a_es", "s[a]*es.csv") == [{"pieces": 99}]


@pytest.mark.parametrize(
    ("file", "name"),
    [("a/Sales 2026.csv", "sales_2026"), ("2026.csv", "t_2026"), ("é.csv", "t_"), ("x" * 90 + ".csv", "t_" + "x" * 61)],
)
def test_a_table_is_named_after_its_file(file: str, name: str) -> None:
    assert table_name(file) == name


async def test_two_files_of_one_name_are_refused(root: Path) -> None:
    with pytest.raises(Exception, match="table of the same name"):
        await rows("SELECT 1", "a/x.csv", "b/x.csv")
