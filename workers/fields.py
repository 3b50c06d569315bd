"""Fields of a document, each with the words that prove it and where they stand: by rule, and judged."""

from __future__ import annotations

import datetime
import re
from decimal import Decimal, InvalidOperation
from typing import Literal, Self

from pydantic import BaseModel, Field, model_validator

from orchestrator import Context, Verdict, validator, worker
from workers.sentences import normalised

Kind = Literal["text", "number", "amount", "date", "email", "url"]

MAX_VALUE = 200
_FIGURE = r"-?\d{1,3}(?:,\d{3})+(?:\.\d+)?|-?\d+(?:\.\d+)?"
_MONTHS = [datetime.date(2000, number, 1).strftime("%B") for number in range(1, 13)]
_MONTH = rf"(?:{'|'.join(f'{month[:3]}(?:{month[3:]})?' for month in _MONTHS)})\.?"
_CURRENCY = r"(?:[$€£]|\b(?:USD|EUR|GBP|CHF)\b)"
_DATE = rf"\b\d{{4}}-\d\d-\d\d\b|\b\d{{1,2}} {_MONTH} \d{{4}}\b|\b{_MONTH} \d{{1,2}}, \d{{4}}\b"
_PATTERNS: dict[Kind, re.Pattern[str]] = {
    "text": re.compile(r"[^\s|][^\n|]{0,198}"),
    "number": re.compile(rf"(?<![\w.,])(?:{_FIGURE})(?![\w])"),
    "amount": re.compile(rf"{_CURRENCY}\s?(?:{_FIGURE})|(?:{_FIGURE})\s?{_CURRENCY}"),
    "date": re.compile(_DATE),
    "email": re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"),
    "url": re.compile(r"https?://[^\s<>\"')\]]+"),
}


class FieldSpec(BaseModel):
    """A field that a document may have.

    Attributes:
        name: of the field in the output.
        kind: what its value is: `date` as 2026-01-05, 5 January 2026 or January 5, 2026; figures as 1,234.50.
        labels: what may stand before it in the document; its name, where none is given.
        required: whether a document without it is refused by `review.fields_evidenced`.
    """

    name: str = Field(min_length=1, max_length=60)
    kind: Kind = "text"
    labels: list[str] = Field(default=[], max_length=20)
    required: bool = False

    @property
    def known_as(self) -> list[str]:
        """The labels to look for."""
        return self.labels or [self.name.replace("_", " ")]


class FieldsIn(BaseModel):
    """The text and its fields."""

    text: str = Field(max_length=1_000_000)
    fields: list[FieldSpec] = Field(min_length=1, max_length=50)


class FieldFound(BaseModel):
    """A value, and the stretch of the text that it was taken from.

    Attributes:
        value: as it is meant: a date as ISO text, a figure without commas, text with single spaces.
        quote: as it stands in the text; `text[start:end]`.
        start: -1 where an agent gave none; `extraction.locate_fields` finds it.
    """

    name: str
    value: str = Field(max_length=MAX_VALUE)
    quote: str = Field(min_length=1, max_length=MAX_VALUE)
    start: int = -1
    end: int = -1


class Fields(BaseModel):
    """The fields that were found, at most one of each name, and the names of the others."""

    fields: list[FieldFound]
    missing: list[str] = []

    @model_validator(mode="after")
    def _once(self) -> Self:
        names = [field.name for field in self.fields]
        if len(set(names)) < len(names):
            raise ValueError("a field is given twice; give each name once")
        return self


@worker("extraction.fields", pool="documents")
def extract_fields(input: FieldsIn) -> Fields:
    """Find each field by its label (`Date: 5 January 2026`), or by its kind where only one stands there; no model."""
    found = [field for spec in input.fields if (field := _find(input.text, spec)) is not None]
    names = {field.name for field in found}
    return Fields(fields=found, missing=[spec.name for spec in input.fields if spec.name not in names])


class LocateIn(FieldsIn):
    """The text, its fields, and what an agent found: quotes without places."""

    found: Fields


@worker("extraction.locate_fields", pool="documents")
def locate_fields(input: LocateIn) -> Fields:
    """Give every quote of an agent its place, and every value its form; what stands nowhere is left out as missing."""
    kinds = {spec.name: spec.kind for spec in input.fields}
    located = []
    for field in input.found.fields:
        place = _place(input.text, field.quote)
        if place is None or field.name not in kinds:
            continue
        quote = input.text[slice(*place)]
        value = _value(quote, kinds[field.name])
        if value is not None:
            located.append(FieldFound(name=field.name, value=value, quote=quote, start=place[0], end=place[1]))
    names = {field.name for field in located}
    return Fields(fields=located, missing=[spec.name for spec in input.fields if spec.name not in names])


@validator("review.fields_evidenced")
def fields_evidenced(output: Fields, ctx: Context) -> Verdict:
    """Every field is one that was asked for, its quote stands in the text, and its value is what the quote says."""
    given = FieldsIn.model_validate(ctx.input)
    specs = {spec.name: spec for spec in given.fields}
    says = [wrong for field in output.fields if (wrong := _wrong(field, specs, given.text))]
    there = {field.name for field in output.fields}
    says += [f"{spec.name} is missing" for spec in given.fields if spec.required and spec.name not in there]
    return Verdict(passed=not says, message="; ".join(says), evidence={"fields": sorted(there)})


def _wrong(field: FieldFound, specs: dict[str, FieldSpec], text: str) -> str:
    """What is wrong with a field, or nothing."""
    spec = specs.get(field.name)
    if spec is None:
        return f"{field.name} was not asked for (asked: {', '.join(specs)})"
    if _place(text, field.quote) is None:
        return f"the quote of {field.name} does not stand in the text: “{field.quote}”; copy it letter by letter"
    meant = _value(field.quote, spec.kind)
    if meant is None:
        return f"the quote of {field.name} holds no {spec.kind}: “{field.quote}”"
    return (
        "" if _same(field.value, meant, spec.kind) else f"{field.name} is {field.value!r}, but its quote says {meant!r}"
    )


def _same(value: str, meant: str, kind: Kind) -> bool:
    if kind in ("number", "amount"):
        figure = _figure(value)
        return figure is not None and Decimal(figure) == Decimal(meant)
    return normalised(value) in meant if kind == "text" else _value(value, kind) == meant


def _find(text: str, spec: FieldSpec) -> FieldFound | None:
    pattern = _PATTERNS[spec.kind]
    for label in spec.known_as:
        words = r"\s+".join(map(re.escape, label.split()))
        for mark in re.finditer(
            rf"(?<!\w){words}(?!\w)[ \t*_]*(?:[:=|]|\bis\b|\bof\b|-)?[ \t*_|]*\n?[ \t]*", text, re.IGNORECASE
        ):
            line_end = text.find("\n", mark.end())
            found = pattern.search(text, mark.end(), len(text) if line_end < 0 else line_end)
            if found and (spec.kind != "text" or found.start() == mark.end()):
                return _field(text, spec, *found.span())
    spans = {found[0]: found.span() for found in pattern.finditer(text)} if spec.kind != "text" else {}
    return _field(text, spec, *next(iter(spans.values()))) if len(spans) == 1 and not spec.labels else None


def _field(text: str, spec: FieldSpec, start: int, end: int) -> FieldFound | None:
    quote = text[start:end].rstrip(" \t*_.,;")
    value = _value(quote, spec.kind)
    if value is None:
        return None
    return FieldFound(name=spec.name, value=value, quote=quote, start=start, end=start + len(quote))


def _place(text: str, quote: str) -> tuple[int, int] | None:
    """Where a quote stands; whitespace may differ."""
    words = quote.split()
    found = re.search(r"\s+".join(map(re.escape, words)), text) if words else None
    return found.span() if found else None


def _value(quote: str, kind: Kind) -> str | None:
    """What a quote means, or None where it holds nothing of the kind."""
    found = _PATTERNS[kind].search(normalised(quote))
    if found is None:
        return None
    match kind:
        case "number" | "amount":
            return _figure(found[0])
        case "date":
            return _date(found[0])
    return normalised(found[0])


def _figure(text: str) -> str | None:
    found = re.search(_FIGURE, text)
    try:
        return str(Decimal(found[0].replace(",", ""))) if found else None
    except InvalidOperation:
        return None


def _date(text: str) -> str | None:
    try:
        if text[4:5] == "-":
            return datetime.date.fromisoformat(text).isoformat()
        year, day = re.findall(r"\d{4}", text)[0], re.findall(r"\b\d{1,2}\b", text)[0]
        month = next(number for number, name in enumerate(_MONTHS, start=1) if name[:3] in text)
        return datetime.date(int(year), month, int(day)).isoformat()
    except ValueError:
        return None
