from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from workers.arithmetic import number_claims
from workers.failures import Refused
from workers.table_queries import describe, query
from workers.table_questions import figures_from_rows, lay_out, say_rows, write_sql

ORDERS = Path(__file__).parents[3] / "graphs/data/orders.csv"


async def asked(question: str) -> dict[str, Any]:
    """The question with what DuckDB answers to the SQL that is made of it: the input of the later steps."""
    described = await describe.test(files=[str(ORDERS)])
    sql = (await write_sql.test({"question": question, "tables": described.model_dump()["tables"]})).sql
    out = await query.test(files=[str(ORDERS)], sql=sql)
    return {"question": question, **out.model_dump(exclude={"text"})}


@pytest.mark.parametrize(
    ("question", "sql"),
    [
        ("How many orders are there?", "SELECT count(*) AS count"),
        (
            "How many orders are there in each region?",
            'count(*) AS count FROM "orders" GROUP BY "region" ORDER BY "region"',
        ),
        (
            "Which region has the most pieces?",
            'sum("pieces") AS sum_pieces FROM "orders" GROUP BY "region" ORDER BY 2 DESC',
        ),
        ("Which product has the fewest pieces?", 'GROUP BY "product" ORDER BY 2 ASC, 1'),
        ("What is the average price per product?", 'avg("price") AS avg_price FROM "orders" GROUP BY "product"'),
        ("What is the highest price?", 'SELECT max("price") AS max_price FROM "orders"'),
        ("Total of pieces by region and by product", 'GROUP BY "region", "product"'),
        ("How many pieces were sold?", 'SELECT sum("pieces") AS sum_pieces FROM "orders"'),
    ],
)
async def test_a_plain_question_becomes_sql_that_runs(question: str, sql: str) -> None:
    given = await asked(question)
    assert sql in given["sql"]
    assert given["rows"]


async def test_a_question_without_a_number_says_what_there_is() -> None:
    with pytest.raises(Refused, match="order, day, region, product, pieces, price") as caught:
        await asked("Is it raining?")
    assert caught.value.code == "question_unclear"


async def test_the_rows_are_what_they_are_when_counted_by_hand() -> None:
    lines = [line.split(",") for line in ORDERS.read_text().splitlines()[1:]]
    given = await asked("Which region has the most pieces?")
    by_hand = {
        region: sum(int(line[4]) for line in lines if line[2] == region) for region in {line[2] for line in lines}
    }
    assert {row["region"]: row["sum_pieces"] for row in given["rows"]} == by_hand
    assert given["rows"][0]["sum_pieces"] == max(by_hand.values())


@pytest.mark.parametrize(
    ("sentence", "says"),
    [
        ("The west has the most pieces: 155.", ""),
        ("The west has most pieces, 155 of 520.", "the rows do not have 520"),
        ("The west has 131 pieces.", "say the figure of the first row: 155"),
        ("The north has 155 pieces.", "say of what it is the figure: west"),
        ("Many pieces were sold in the west.", "say the figure of the first row"),
    ],
)
async def test_the_sentence_may_say_what_the_rows_say(sentence: str, says: str) -> None:
    given = await asked("Which region has the most pieces?")
    verdict = await figures_from_rows.test({"sentence": sentence}, input=given)
    assert verdict.passed == (not says), verdict.message
    assert says in verdict.message


@pytest.mark.parametrize("question", ["How many orders are there?", "What is the average price per product?"])
async def test_the_sentence_by_rule_always_passes_and_fits(question: str) -> None:
    given = await asked(question)
    sentence = (await say_rows.test(given)).model_dump()
    assert (await figures_from_rows.test(sentence, input=given)).passed
    assert (await lay_out.test({**given, "sentence": sentence})).method == "by rule"
    assert (await say_rows.test({**given, "rows": []})).sentence == "No row answers this."


async def test_the_report_has_a_total_that_adds_up() -> None:
    given = await asked("How many pieces by region?")
    report = await lay_out.test({**given, "sentence": {"sentence": "The east has 113 pieces."}})
    assert report.method == "agent"
    assert "| **Total** | 520 |" in report.markdown
    (claim,) = number_claims(report.markdown)
    assert claim.holds
    assert given["sql"] in report.markdown


async def test_averages_get_no_total_and_long_tables_are_cut() -> None:
    given = await asked("What is the average price per product?")
    report = await lay_out.test({**given, "sentence": {"sentence": "x"}})
    assert "Total" not in report.markdown
    many = {**given, "rows": given["rows"] * 20}
    assert "and 50 rows" in (await lay_out.test({**many, "sentence": {"sentence": "x"}})).markdown
