"""Finds the sums and percentages that a text claims, and computes them again, exactly."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Literal

from pydantic import BaseModel

from orchestrator import Verdict, validator, worker
from workers.sentences import normalised, shortened

MAX_SHOWN = 160

_DASHES = str.maketrans("\u2212\u2013", "--")
"""A minus sign, and the en dash that stands for one."""

_N = r"(?<![\w.,])-?[$€£]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?![\d,]*\d)"
_NUMBER = re.compile(_N)
_EQUATION = re.compile(rf"(?P<parts>{_N}(?:\s*[+-]\s*[$€£]?\d[\d,]*(?:\.\d+)?)+)\s*=\s*(?P<total>{_N})")
_TERM = re.compile(r"([+-])?\s*[$€£]?(\d[\d,]*(?:\.\d+)?)")
_UNITS = r"(?:\s+[^\W\d_][\w'-]*){0,3}"
_LIST = re.compile(
    rf"(?P<parts>{_N}{_UNITS}(?:(?:\s*,\s*and|\s*,|\s+and)\s+{_N}{_UNITS})+)\s*[,:;(\u2014-]*\s*"
    rf"(?:which\s+|that\s+|together\s+)?(?:adds?\s+up\s+to|sums?\s+to|makes?\s+a\s+total\s+of|a\s+total\s+of|"
    rf"in\s+total|altogether|totall?ing|=)\s+(?P<total>{_N})",
    re.IGNORECASE,
)
_SHARE = re.compile(
    rf"(?P<part>{_N}){_UNITS}\s+(?:out\s+of|of)\s+(?:the\s+|all\s+)?(?P<whole>{_N}){_UNITS}\s*"
    rf"(?:[(,]|[-\u2014]|is|are|which\s+is)\s*(?:or\s+|i\.e\.\s+)?(?:about\s+|some\s+|roughly\s+|~\s*)?(?P<percent>{_N})\s*(?:%|percent|per\s+cent)",
    re.IGNORECASE,
)
_SHARE_FIRST = re.compile(
    rf"(?P<percent>{_N})\s*(?:%|percent|per\s+cent)\s*\(\s*(?P<part>{_N}){_UNITS}\s+(?:out\s+of|of)\s+"
    rf"(?:the\s+|all\s+)?(?P<whole>{_N})",
    re.IGNORECASE,
)
_TOTAL_ROW = re.compile(r"\W*(grand\s+|sub)?(total|sum|altogether|overall)\b", re.IGNORECASE)
_NO_SUM = re.compile(r"average|avg|mean|median|rate|ratio|price|per\b|each|min|max|year|rank", re.IGNORECASE)


class NumberClaim(BaseModel):
    """A result that a text states.

    Attributes:
        kind: a sum, or a part of a whole in percent.
        text: the words that state it.
        stated: as it stands in the text.
        computed: what it comes to.
        holds: they agree as far as the stated figures are rounded.
    """

    kind: Literal["sum", "percentage"]
    text: str
    stated: str
    computed: str
    holds: bool


class CheckIn(BaseModel):
    """The text to check; numbers are written as in English: 1,234.5."""

    text: str


class Checked(BaseModel):
    """Every claim that was found; `wrong` is how many of them do not hold."""

    claims: list[NumberClaim]
    wrong: int


@worker("review.check_numbers", pool="documents")
def check_numbers(input: CheckIn) -> Checked:
    """Compute the sums and percentages of a text again: equations, lists with their total, parts of a whole, tables."""
    claims = number_claims(input.text)
    return Checked(claims=claims, wrong=sum(not claim.holds for claim in claims))


@validator("review.numbers_add_up")
def numbers_add_up(output: Any) -> Verdict:
    """Every sum and percentage that the output's texts state comes out, as far as its figures are rounded."""
    claims = [claim for text in _texts(output) for claim in number_claims(text)]
    wrong = [claim for claim in claims if not claim.holds]
    said = "; ".join(f"“{claim.text}”: it is {claim.computed}, not {claim.stated}" for claim in wrong[:5])
    return Verdict(
        passed=not wrong,
        message=said,
        score=1 - len(wrong) / len(claims) if claims else None,
        evidence={"claims": [claim.model_dump() for claim in claims]},
    )


def number_claims(text: str) -> list[NumberClaim]:
    """The claims of a text, in the order of their kinds: tables, equations, lists, percentages."""
    text = text.translate(_DASHES)
    prose = "\n".join("" if line.lstrip().startswith("|") else line for line in text.splitlines())
    found = [*_table_claims(text)]
    for sentence in re.split(r"(?<=[.!?;])\s+(?=[^\d\s])|\n\s*\n", prose):
        flat = normalised(sentence)[:2_000]
        found += [_sum(match[0], _terms(match["parts"]), match["total"]) for match in _EQUATION.finditer(flat)]
        found += [
            _sum(match[0], [_value(each) for each in _NUMBER.findall(match["parts"])], match["total"])
            for match in _LIST.finditer(flat)
        ]
        for pattern in (_SHARE, _SHARE_FIRST):
            found += [_percentage(match) for match in pattern.finditer(flat) if _value(match["whole"])]
    return found


def _table_claims(text: str) -> Iterator[NumberClaim]:
    for block in re.findall(r"(?:^[ \t]*\|.*\|[ \t]*(?:\n|\Z)){3,}", text, re.MULTILINE):
        rows = [[cell.strip(" \t*_`") for cell in line.strip().strip("|").split("|")] for line in block.splitlines()]
        rows = [row for row in rows if not all(re.fullmatch(r":?-+:?", cell) for cell in row)]
        for place, row in enumerate(rows[1:], start=1):
            if row and _TOTAL_ROW.match(row[0]) and place > 1:
                yield from _row_claims(rows[0], rows[1:place], row)
                break


def _row_claims(header: list[str], body: list[list[str]], total: list[str]) -> Iterator[NumberClaim]:
    for column in range(1, len(total)):
        title = header[column] if column < len(header) else ""
        cells = [row[column] for row in body if column < len(row) and row[column] not in ("", "-", "\u2014")]
        numbers = [_only_number(cell) for cell in (*cells, total[column])]
        if len(cells) > 1 and all(numbers) and not _NO_SUM.search(title):
            *parts, stated = [number for number in numbers if number]
            yield _sum(f"{title}: {' + '.join(cells)} = {total[column]}", [_value(each) for each in parts], stated)


def _only_number(cell: str) -> str:
    found = re.fullmatch(rf"({_N})\s*(?:%|[^\W\d_]{{1,3}}|[$€£])?", cell)
    return found[1] if found else ""


def _sum(text: str, parts: list[Decimal], total: str) -> NumberClaim:
    """A sum may be off by half a unit of the last place, once for each rounded part and once for itself."""
    computed, stated = sum(parts, Decimal()), _value(total)
    # Whole numbers are counted, not rounded; unless the total shows that something was.
    units = [_unit(each) for each in (*parts, stated)]
    exact = all(unit == 1 for unit in units)
    slack = Decimal() if exact else sum(units, Decimal()) / 2
    return NumberClaim(
        kind="sum",
        text=shortened(normalised(text), MAX_SHOWN),
        stated=total,
        computed=f"{computed:,}",
        holds=abs(computed - stated) <= slack,
    )


def _percentage(match: re.Match[str]) -> NumberClaim:
    part, whole, stated = _value(match["part"]), _value(match["whole"]), _value(match["percent"])
    computed, unit = 100 * part / whole, _unit(stated)
    shown = computed.quantize(min(unit, Decimal("0.1")), ROUND_HALF_UP)
    return NumberClaim(
        kind="percentage",
        text=shortened(match[0], MAX_SHOWN),
        stated=f"{match['percent']}%",
        computed=f"{shown}%",
        holds=abs(computed - stated) <= unit / 2,
    )


def _terms(text: str) -> list[Decimal]:
    return [_value(number) * (-1 if sign == "-" else 1) for sign, number in _TERM.findall(text)]


def _value(number: str) -> Decimal:
    return Decimal(re.sub(r"[$€£,]", "", number))


def _unit(value: Decimal) -> Decimal:
    """One of the last place that is written: 0.01 for 2.50, 1 for 12."""
    exponent = value.as_tuple().exponent
    return Decimal(1).scaleb(exponent) if isinstance(exponent, int) and exponent < 0 else Decimal(1)


def _texts(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for each in value.values():
                yield from _texts(each)
        case list():
            for each in value:
                yield from _texts(each)
