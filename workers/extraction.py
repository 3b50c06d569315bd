"""Key points with quotes: by rule where the model's own were not good enough, and all of them put together."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any, Literal

from pydantic import BaseModel, Field

from orchestrator import Context, worker
from workers.documents import Document
from workers.sentences import MAX_QUOTE, MIN_QUOTE, key_sentences, normalised, shortened

MAX_POINTS = 2
MAX_POINT = 160
OWN_WORDS = "In the document's words: "
"""How a point begins that the extractive worker made; see `gather`."""


class Point(BaseModel):
    """What a document says, and the words in which it says so."""

    quote: str = Field(min_length=MIN_QUOTE, max_length=MAX_QUOTE)
    point: str = Field(min_length=1, max_length=MAX_POINT)


class Extraction(BaseModel):
    """The key points of one document."""

    points: list[Point] = Field(min_length=1, max_length=MAX_POINTS)


class ExtractIn(BaseModel):
    """The document, as `documents.read_folder` gives it."""

    document: Document


@worker("extraction.extractive", pool="documents")
def extractive(input: ExtractIn) -> Extraction:
    """Take the most telling sentences as they stand; no model."""
    return _by_rule(input.document)


class ItemResult(BaseModel):
    """One item of `foreach` with `on_item_error: collect`."""

    ok: bool
    value: Extraction | None = None
    error: dict[str, Any] | None = None


class GatherIn(BaseModel):
    """Documents and their extractions, in the same order.

    Attributes:
        writer_points: how many points the writer gets to see, the first of each document first.
    """

    documents: list[Document]
    results: list[ItemResult]
    writer_points: int = Field(default=24, ge=1)


class Source(BaseModel):
    """A numbered point. `method` says whether the agent or the extractive worker made it."""

    number: int
    document: str
    point: str
    quote: str
    method: Literal["agent", "extractive"]


class PointCounts(BaseModel):
    """How many points came from which path."""

    agent: int
    extractive: int


class Failure(BaseModel):
    """A document without points, and why."""

    document: str
    message: str


class Gathered(BaseModel):
    """All points, numbered from 1 by document; `for_writer` are those that the brief is written from."""

    sources: list[Source]
    for_writer: list[Source]
    counts: PointCounts
    failed: list[Failure]


@worker("extraction.gather", pool="documents")
def gather(input: GatherIn, ctx: Context) -> Gathered:
    """Number the points of all documents, and count which path each came from.

    Nobody is asked which path it was: the extractive worker is a pure function, so its result is computed again and
    compared; its points begin in a way that no prompt shows. So a model can neither claim nor hide anything.

    Raises:
        ValueError: there are not as many results as documents.
    """
    sources: list[Source] = []
    failed: list[Failure] = []
    for document, result in zip(input.documents, input.results, strict=True):
        if result.ok and result.value is not None:
            sources += _numbered(document, result.value, len(sources))
        else:
            message = str((result.error or {}).get("message", "no result"))
            failed.append(Failure(document=document.path, message=message))
    by_rule = sum(source.method == "extractive" for source in sources)
    ctx.log.info("points gathered", agent=len(sources) - by_rule, extractive=by_rule, failed=len(failed))
    return Gathered(
        sources=sources,
        for_writer=_spread(sources, input.writer_points),
        counts=PointCounts(agent=len(sources) - by_rule, extractive=by_rule),
        failed=failed,
    )


def _by_rule(document: Document) -> Extraction:
    quotes = key_sentences(document.text, MAX_POINTS)
    room = MAX_POINT - len(OWN_WORDS)
    return Extraction(points=[Point(quote=quote, point=OWN_WORDS + shortened(quote, room)) for quote in quotes])


def _numbered(document: Document, extraction: Extraction, before: int) -> list[Source]:
    """The points of one document; a quote that was given twice counts once."""
    method: Literal["agent", "extractive"] = "extractive" if extraction == _by_rule(document) else "agent"
    different = {normalised(point.quote): point for point in reversed(extraction.points)}
    return [
        Source(
            number=before + place,
            document=document.path,
            point=normalised(point.point),
            quote=quote,
            method=method,
        )
        for place, (quote, point) in enumerate(reversed(different.items()), start=1)
    ]


def _spread(sources: list[Source], limit: int) -> list[Source]:
    """The first point of every document, then the second ones, until `limit`; in order of number."""
    by_document: dict[str, list[Source]] = {}
    for source in sources:
        by_document.setdefault(source.document, []).append(source)
    rounds = zip_longest(*by_document.values())
    chosen = [source for row in rounds for source in row if source is not None][:limit]
    return sorted(chosen, key=lambda source: source.number)
