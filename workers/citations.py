"""Validators of texts that cite numbered sources: `[1]` must exist, every claim must cite, every quote must be true."""

from __future__ import annotations

import re

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from orchestrator import Context, Verdict, validator
from workers.answers import Answer, AnswerIn, answer_by_rule, stems
from workers.sentences import content_words, normalised, repeated_words, shortened

SHARED_STEMS = 2
MIN_CLAIM_WORDS = 6
MIN_QUOTE_WORDS = 3

_MARK = re.compile(r"\[(\d{1,4}(?:\s*,\s*\d{1,4})*)\]")
_NOT_A_CLAIM = re.compile(r"\s*(#{1,6}\s|\||```|~~~|>|\[\d+\]:?\s|[=\-*_]{3,}\s*$)")
_ASKS = re.compile(r"\?\s*$")
_QUOTES = re.compile(r"“([^“”]{8,600})”|«([^«»]{8,600})»|(?<!\w)\"([^\"\n]{8,600})\"(?!\w)")

_STRAIGHT = str.maketrans("\u2019\u2018“”", "''\"\"")


class Prose(BaseModel):
    """An output with a text in it, under whichever of the usual names."""

    model_config = ConfigDict(extra="ignore")

    text: str = Field(validation_alias=AliasChoices("text", "markdown", "answer", "summary", "report"))


class NumberedSource(BaseModel):
    """A source that may be cited."""

    model_config = ConfigDict(extra="ignore")

    number: int
    text: str = Field(default="", validation_alias=AliasChoices("text", "quote", "body"))


class SourcesIn(BaseModel):
    """What the judged step was given: `sources`, `hits` or `passages`, each with `number` and `text` (or `quote`)."""

    model_config = ConfigDict(extra="ignore")

    sources: list[NumberedSource] = Field(validation_alias=AliasChoices("sources", "hits", "passages"))


@validator("review.paragraphs_cited")
def paragraphs_cited(output: Prose, ctx: Context) -> Verdict:
    """Every number in brackets is one of the sources, and every paragraph that claims something has one."""
    known = {source.number for source in SourcesIn.model_validate(ctx.input).sources}
    cited = {int(number) for mark in _MARK.findall(output.text) for number in mark.split(",")}
    unknown = sorted(cited - known)
    claims = _claims(output.text)
    bare = [claim for claim in claims if not _MARK.search(claim)]
    says = []
    if unknown:
        there = ", ".join(map(str, sorted(known))) or "none"
        says.append(f"no source has the number {', '.join(map(str, unknown))}; there are {there}")
    if bare:
        named = "”, “".join(shortened(claim, 60) for claim in bare[:3])
        says.append(f"{len(bare)} of {len(claims)} paragraphs cite nothing: “{named}”; end each like [1]")
    return Verdict(
        passed=not says,
        message="; ".join(says),
        score=1 - len(bare) / len(claims) if claims else None,
        evidence={"cited": sorted(cited), "unknown": unknown, "uncited": bare},
    )


@validator("review.quotes_in_sources")
def quotes_in_sources(output: Prose, ctx: Context) -> Verdict:
    """Every quote of three words or more stands in one of the sources, word for word; only whitespace may differ."""
    texts = [_plain(source.text) for source in SourcesIn.model_validate(ctx.input).sources]
    quotes = [_plain("".join(found)) for found in _QUOTES.findall(output.text)]
    quotes = [quote for quote in dict.fromkeys(quotes) if len(quote.split()) >= MIN_QUOTE_WORDS]
    false = [quote for quote in quotes if not any(quote.rstrip(".,;:!?") in text for text in texts)]
    named = "”, “".join(shortened(quote, 80) for quote in false)
    says = f"{len(false)} of {len(quotes)} quotes stand in no source: “{named}”; copy letter by letter"
    return Verdict(
        passed=not false,
        message=says if false else "",
        score=1 - len(false) / len(quotes) if quotes else None,
        evidence={"quotes": len(quotes), "false": false},
    )


@validator("review.answer_cited")
def answer_cited(output: Answer, ctx: Context) -> Verdict:
    """An answer cites passages that it was given, shares words with them, and is more than the question again."""
    asked = AnswerIn.model_validate(ctx.input)
    if output == answer_by_rule(asked):
        return Verdict(passed=True, message="in the documents' own words")
    texts = {source.number: f"{source.heading} {source.text}" for source in asked.sources}
    unknown = sorted(set(output.sources) - texts.keys())
    if unknown or not output.sources:
        there = ", ".join(map(str, sorted(texts)))
        what = f"no source has the number {', '.join(map(str, unknown))}" if unknown else "the answer cites nothing"
        return Verdict(passed=False, message=f"{what}; there are {there}", evidence={"unknown": unknown})
    said = stems(output.answer)
    grounds: set[str] = set().union(*(stems(texts[number]) for number in output.sources))
    invented = said - grounds - stems(asked.question)
    says = []
    if len((said & grounds) - stems(asked.question)) < SHARED_STEMS:
        says.append("the answer says nothing that its sources say; use their words")
    elif len(invented) > len(said) / 3:
        words = sorted(word for word in content_words(output.answer) if stems(word) & invented)
        says.append(f"the sources do not speak of {', '.join(words[:6])}; say only what they say")
    if not says and (idle := [n for n in output.sources if len(stems(texts[n]) & said) < SHARED_STEMS]):
        says.append(f"nothing of this stands in {''.join(f'[{number}]' for number in idle)}; do not cite it")
    if again := repeated_words(output.answer):
        says.append(f"say nothing twice: “{again}”")
    if not output.answer.rstrip().endswith((".", "!", "?", "”", '"')):
        says.append("end with a whole sentence, and be shorter")
    if not says and not said & stems(asked.question):
        says.append("the answer does not take up the question")
    return Verdict(passed=not says, message="; ".join(says), evidence={"invented": sorted(invented)})


def _claims(text: str) -> list[str]:
    """Paragraphs and list items that say something: no headings, tables, code, questions or lists of sources."""
    outside = re.sub(r"^(```|~~~).*?^\1", "", text, flags=re.MULTILINE | re.DOTALL)
    parts = re.split(r"\n\s*\n|\n(?=\s*(?:[-*+•]|\d{1,3}[.)])\s)", outside)
    return [
        normalised(part)
        for part in parts
        if len(part.split()) >= MIN_CLAIM_WORDS
        and not _NOT_A_CLAIM.match(part)
        and not _ASKS.search(part)
        and not part.rstrip().endswith(":")
    ]


def _plain(text: str) -> str:
    """Whitespace and the forms of quotation marks and apostrophes do not matter."""
    return normalised(text.translate(_STRAIGHT))
