from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.arithmetic import check_numbers, number_claims, numbers_add_up

TABLE = """Sales of the week.

| region | pieces | value | average price |
|---|---:|---:|---:|
| north | 16 | 40.00 € | 2.50 |
| south | 4 | 12.05 € | 3.01 |
| **Total** | **{pieces}** | **{value} €** | **2.60** |
"""

RIGHT = [
    "12 + 30 = 42.",
    "It is 1,200 + 300 \u2212 50 = 1,450 in all.",
    "$2.50 + $3.00 = $5.50",
    "We sold 16 pieces, 4 boxes and 2 pallets, altogether 22.",
    "The 3 cats, 4 dogs and 5 birds add up to 12 animals.",
    "1.25 and 1.25 sum to 2.5.",
    "45 of 60 pupils (75%) passed.",
    "2 out of 3, or about 67%, agreed.",
    "33.3% (1 of 3) agreed.",
    "1 of 8 is 12.5%.",
    "0.33 + 0.33 + 0.33 = 1.00",  # three thirds, each rounded
]
WRONG = [
    ("12 + 30 = 43.", "42", "43"),
    ("It is 1,200 + 300 \u2212 50 = 1,550 in all.", "1,450", "1,550"),
    ("We sold 16 pieces, 4 boxes and 2 pallets, altogether 23.", "22", "23"),
    ("The 3 cats, 4 dogs and 5 birds add up to 13 animals.", "12", "13"),
    ("45 of 60 pupils (80%) passed.", "75.0%", "80%"),
    ("2 out of 3, or about 66%, agreed.", "66.7%", "66%"),
    ("33.4% (1 of 3) agreed.", "33.3%", "33.4%"),
    ("$2.50 + $3.00 = $5.60", "5.50", "$5.60"),
]
NO_CLAIMS = [
    "In 2019 and 2020 we moved to 42 Main Street.",
    "Version 1.2 of 3.11 came on 2026-01-05.",
    "See pages 3, 4 and 5.",
    "10 of 20 were read.",
    "a + b = c, and 5 = 5",
    "",
]


@pytest.mark.parametrize("text", RIGHT)
def test_what_adds_up_holds(text: str) -> None:
    claims = number_claims(text)
    assert len(claims) == 1, claims
    assert claims[0].holds, claims


@pytest.mark.parametrize(("text", "computed", "stated"), WRONG)
async def test_what_does_not_add_up_is_said_with_the_right_figure(text: str, computed: str, stated: str) -> None:
    (claim,) = number_claims(text)
    assert (claim.holds, claim.computed, claim.stated) == (False, computed, stated)
    verdict = await numbers_add_up.test({"markdown": text, "others": ["1 + 1 = 2"]})
    assert not verdict.passed
    assert f"it is {computed}, not {stated}" in verdict.message
    assert verdict.score == 0.5


@pytest.mark.parametrize("text", NO_CLAIMS)
def test_numbers_that_claim_no_result_are_left_alone(text: str) -> None:
    assert number_claims(text) == []


async def test_the_total_row_of_a_table_is_computed_again() -> None:
    out = await check_numbers.test(text=TABLE.format(pieces=20, value="52.05"))
    assert [(claim.stated, claim.holds) for claim in out.claims] == [("20", True), ("52.05", True)]
    out = await check_numbers.test(text=TABLE.format(pieces=21, value="52.50"))
    assert [(claim.computed, claim.holds) for claim in out.claims] == [("20", False), ("52.05", False)]
    assert out.wrong == 2


def test_a_table_without_a_total_and_a_column_of_words_claim_nothing() -> None:
    assert number_claims("| a | b |\n|---|---|\n| x | 1 |\n| y | 2 |\n") == []
    assert number_claims("| a | b |\n|---|---|\n| x | one |\n| y | 2 |\n| total | 3 |\n") == []


async def test_an_output_without_claims_passes() -> None:
    verdict = await numbers_add_up.test({"text": "Nothing to compute.", "n": 3})
    assert (verdict.passed, verdict.score) == (True, None)


@given(st.lists(st.decimals(0, 100_000, places=2), min_size=2, max_size=6))
def test_every_true_sum_of_any_numbers_holds_and_a_false_one_does_not(parts: list[Decimal]) -> None:
    total = sum(parts, Decimal())
    written = " + ".join(f"{part:,}" for part in parts)
    (claim,) = number_claims(f"{written} = {total:,}")
    assert claim.holds
    (claim,) = number_claims(f"{written} = {total + 1:,}")
    assert not claim.holds
    assert claim.computed == f"{total:,}"


@given(st.text(st.sampled_from("0123456789 ,.+-=|%()of and total\n"), max_size=300))
def test_any_text_is_read(text: str) -> None:
    number_claims(text)
