"""Validators: what has to be true of an output before anything downstream may see it."""

from __future__ import annotations

import re

from orchestrator import Context, Verdict, validator
from workers.extraction import ExtractIn, Extraction
from workers.policy import Reply, policy_breaches
from workers.sentences import MIN_QUOTE, content_words, normalised, segments, shortened
from workers.writing import Brief, ComposeIn, Statement

SHARED_WORDS = 2
STEM = 5
CITED_DOCUMENTS = 3


@validator("review.quotes_verbatim")
def quotes_verbatim(output: Extraction, ctx: Context) -> Verdict:
    """Every quote stands in the document, word for word; only whitespace may differ."""
    document = ExtractIn.model_validate(ctx.input).document
    readable = segments(document.text)
    quotes = [normalised(point.quote) for point in output.points]
    short = [quote for quote in quotes if len(quote) < MIN_QUOTE]
    false = [quote for quote in quotes if len(quote) >= MIN_QUOTE and not any(quote in part for part in readable)]
    says = []
    if false:
        named = "; ".join(f"“{shortened(quote, 80)}”" for quote in dict.fromkeys(false))
        says.append(f"{len(false)} of {len(quotes)} quotes do not stand in {document.path}: {named}")
    if short:
        says.append(f"a quote needs at least {MIN_QUOTE} characters: “{'”, “'.join(short)}”")
    if says:
        says.append("copy whole sentences from the document, letter by letter")
    return Verdict(
        passed=not says,
        message=". ".join(says),
        score=1 - (len(false) + len(short)) / len(quotes),
        evidence={"quotes": len(quotes), "false": false, "short": short},
    )


@validator("review.citations_exist")
def citations_exist(output: Brief, ctx: Context) -> Verdict:
    """Every number that the brief cites is one of its sources, and it cites more than a document or two."""
    sources = {source.number: source.document for source in ComposeIn.model_validate(ctx.input).sources}
    cited = {number for statement in output.statements for number in statement.sources}
    inline = {int(number) for statement in output.statements for number in re.findall(r"\[(\d+)\]", statement.text)}
    unknown = sorted((cited | inline) - sources.keys())
    documents, known = set(sources.values()), {sources[number] for number in cited if number in sources}
    least = min(CITED_DOCUMENTS, len(documents))
    says = []
    if unknown:
        numbers = ", ".join(map(str, sorted(sources)))
        says.append(f"no source has the number {', '.join(map(str, unknown))}; there are {numbers}")
    if len(known) < least:
        says.append(f"sources of {len(known)} of {len(documents)} documents are cited; cite at least {least} documents")
    return Verdict(
        passed=not says,
        message="; ".join(says),
        score=len(cited & sources.keys()) / len(cited),
        evidence={"cited": sorted(cited), "unknown": unknown, "documents": sorted(known)},
    )


@validator("review.statements_grounded")
def statements_grounded(output: Brief, ctx: Context) -> Verdict:
    """Every statement shares words with the quotes that it cites: no proof, but it catches free invention."""
    words = {source.number: _stems(source.quote) for source in ComposeIn.model_validate(ctx.input).sources}
    adrift: list[str] = []
    says: list[str] = []
    for statement in output.statements:
        spoken = _stems(statement.text)
        cited: set[str] = set().union(*(words.get(number, set()) for number in statement.sources))
        if len(spoken & cited) < min(SHARED_WORDS, len(cited)):
            adrift.append(statement.text)
            says.append(_adrift(statement, spoken, words))
    return Verdict(
        passed=not adrift,
        message="; ".join(dict.fromkeys(says)),
        score=1 - len(adrift) / len(output.statements),
        evidence={"adrift": adrift},
    )


def _stems(text: str) -> set[str]:
    """Content words by their first letters, so that `bridges` and `bridge` are one."""
    return {word[:STEM] for word in content_words(text)}


def _adrift(statement: Statement, spoken: set[str], words: dict[int, set[str]]) -> str:
    cites = "".join(f"[{number}]" for number in statement.sources)
    nearest = max(words, key=lambda number: len(words[number] & spoken))
    hint = f", [{nearest}] is nearer" if len(words[nearest] & spoken) >= SHARED_WORDS else ""
    return f"“{shortened(normalised(statement.text), 80)}” has little to do with {cites}{hint}"


@validator("review.reply_policy")
def reply_policy(output: Reply) -> Verdict:
    """A reply greets, has a sensible length, promises no money, and names no address, number or link."""
    broken = policy_breaches(output.reply)
    return Verdict(passed=not broken, message="; ".join(broken), evidence={"broken": broken})
