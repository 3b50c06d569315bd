from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.fields import FieldsIn, extract_fields, fields_evidenced, locate_fields

INVOICE = """# Invoice

**Invoice number:** INV-2026-017
Date of invoice: 5 January 2026, payable by 2026-02-04
| Total | EUR 1,234.50 |
Questions? Write to billing@ferry.example.
"""
FIELDS: list[dict[str, Any]] = [
    {"name": "invoice_number", "required": True},
    {"name": "date", "kind": "date", "labels": ["Date of invoice", "Invoice date"]},
    {"name": "due", "kind": "date", "labels": ["payable by", "due"]},
    {"name": "total", "kind": "amount", "required": True},
    {"name": "contact", "kind": "email"},
    {"name": "site", "kind": "url"},
]
GIVEN = {"text": INVOICE, "fields": FIELDS}


async def test_fields_are_found_with_the_words_that_prove_them() -> None:
    out = await extract_fields.test(GIVEN)
    assert {field.name: field.value for field in out.fields} == {
        "invoice_number": "INV-2026-017",
        "date": "2026-01-05",
        "due": "2026-02-04",
        "total": "1234.50",
        "contact": "billing@ferry.example",
    }
    assert out.missing == ["site"]
    for field in out.fields:
        assert INVOICE[field.start : field.end] == field.quote
    assert (await fields_evidenced.test(out.model_dump(), input=GIVEN)).passed


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("date", "Sept 3, 2026", None),
        ("date", "Sep 3, 2026", "2026-09-03"),
        ("date", "3 May 2026", "2026-05-03"),
        ("date", "2026-02-31", None),
        ("amount", "$5", "5"),
        ("amount", "12.30 €", "12.30"),
        ("number", "1,000,000", "1000000"),
        ("number", "-3.5", "-3.5"),
        ("url", "see https://a.org/x?y=1).", "https://a.org/x?y=1"),
    ],
)
async def test_values_have_one_form(kind: str, text: str, value: str | None) -> None:
    out = await extract_fields.test(text=f"It: {text}", fields=[{"name": "it", "kind": kind}])
    assert [field.value for field in out.fields] == ([] if value is None else [value])


async def test_two_values_without_a_label_are_no_answer() -> None:
    out = await extract_fields.test(text="a@b.org or c@d.org", fields=[{"name": "contact", "kind": "email"}])
    assert out.missing == ["contact"]


async def test_the_quotes_of_an_agent_get_their_places() -> None:
    found = {"fields": [
        {"name": "date", "value": "whatever", "quote": "5  January\n2026"},
        {"name": "total", "value": "9", "quote": "EUR 9"},
    ]}  # fmt: skip
    out = await locate_fields.test({**GIVEN, "found": found})
    (field,) = out.fields
    assert (field.value, field.quote) == ("2026-01-05", "5 January 2026")
    assert INVOICE[field.start : field.end] == field.quote
    assert "total" in out.missing


@pytest.mark.parametrize(
    ("name", "value", "quote", "says"),
    [
        ("total", "1234.5", "EUR 1,234.50", ""),
        ("total", "EUR 1,234.50", "EUR 1,234.50", ""),
        ("total", "EUR 99", "EUR 1,234.50", "but its quote says '1234.50'"),
        ("total", "EUR 99", "EUR 99", "does not stand in the text"),
        ("total", "EUR 5", "5 January 2026", "holds no amount"),
        ("vat", "1", "1", "vat was not asked for"),
    ],
)
async def test_a_value_must_be_what_its_quote_says(name: str, value: str, quote: str, says: str) -> None:
    output = {"fields": [
        {"name": "invoice_number", "value": "INV-2026-017", "quote": "INV-2026-017"},
        {"name": name, "value": value, "quote": quote},
    ]}  # fmt: skip
    verdict = await fields_evidenced.test(output, input=GIVEN)
    assert says in verdict.message
    assert verdict.passed == (not says)


async def test_a_required_field_must_be_there_and_none_twice() -> None:
    verdict = await fields_evidenced.test({"fields": []}, input=GIVEN)
    assert verdict.message == "invoice_number is missing; total is missing"
    twice = [{"name": "total", "value": "1", "quote": "1"}] * 2
    assert "given twice" in (await fields_evidenced.test({"fields": twice}, input=GIVEN)).message


@given(st.text(st.sampled_from("total: EUR 1,2.50-|*\n@a.b"), max_size=200))
def test_whatever_is_found_by_rule_is_evidenced(text: str) -> None:
    specs = [{"name": "total", "kind": kind} for kind in ("text", "number", "amount", "date", "email", "url")]
    for spec in specs:
        asked = FieldsIn.model_validate({"text": text, "fields": [spec]})
        for field in extract_fields(asked).fields:
            assert text[field.start : field.end] == field.quote
