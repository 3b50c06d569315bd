"""The brief: written by rule where the agent's own was not good enough, and laid out as Markdown."""

from __future__ import annotations

from pydantic import BaseModel, Field

from orchestrator import worker
from workers.documents import Document
from workers.extraction import Failure, Source
from workers.sentences import shortened

MAX_STATEMENTS = 8
MAX_STATEMENT = 240
MAX_TITLE = 80


class Statement(BaseModel):
    """A sentence of the brief and the numbers of the sources that it rests on."""

    text: str = Field(min_length=1, max_length=MAX_STATEMENT)
    sources: list[int] = Field(min_length=1)


class Brief(BaseModel):
    """What the agent writes."""

    title: str = Field(min_length=1, max_length=MAX_TITLE)
    statements: list[Statement] = Field(min_length=1)


class ComposeIn(BaseModel):
    """What the brief is about (may be empty) and the points it is written from."""

    topic: str
    sources: list[Source] = Field(min_length=1)


@worker("writing.compose_brief", pool="documents")
def compose_brief(input: ComposeIn) -> Brief:
    """Let the documents speak: one quote of each, each with its number; no model."""
    first: dict[str, Source] = {}
    for source in input.sources:
        first.setdefault(source.document, source)
    title = input.topic or f"What {len(first)} document{'s' if len(first) > 1 else ''} say{'s' * (len(first) == 1)}"
    return Brief(
        title=shortened(title, MAX_TITLE),
        statements=[
            Statement(text=shortened(source.quote, MAX_STATEMENT), sources=[source.number])
            for source in list(first.values())[:MAX_STATEMENTS]
        ],
    )


class LayOutIn(BaseModel):
    """A brief and everything that its reader should know about where it comes from."""

    brief: Brief
    sources: list[Source]
    documents: list[Document]
    failed: list[Failure] = []
    left_out: list[str] = []
    skipped: list[str] = []


class Citation(BaseModel):
    """A source that the brief cites."""

    number: int
    document: str
    quote: str


class LaidOut(BaseModel):
    """The brief as Markdown, and the sources that it cites, by number."""

    markdown: str
    citations: list[Citation]


@worker("writing.lay_out", pool="documents")
def lay_out(input: LayOutIn) -> LaidOut:
    """Lay a brief out as Markdown with its citations, all points, and how much of what was read.

    Quotes come from the checked points and never from the text of the brief.
    """
    cited = {number for statement in input.brief.statements for number in statement.sources}
    parts = [f"# {_inline(input.brief.title)}", *dict.fromkeys(map(_paragraph, input.brief.statements)), "## Points"]
    for path in dict.fromkeys(source.document for source in input.sources):
        lines = [_entry(source) for source in input.sources if source.document == path]
        parts.append(f"### {path}\n\n" + "\n".join(lines))
    parts += ["## What was read", "\n".join(_reading(input))]
    return LaidOut(
        markdown="\n\n".join(parts) + "\n",
        citations=[
            Citation(number=source.number, document=source.document, quote=source.quote)
            for source in input.sources
            if source.number in cited
        ],
    )


def _inline(text: str) -> str:
    return " ".join(text.split())


def _paragraph(statement: Statement) -> str:
    return f"{_inline(statement.text)} " + "".join(f"[{number}]" for number in dict.fromkeys(statement.sources))


def _entry(source: Source) -> str:
    said = "" if source.method == "extractive" or source.point == source.quote else f"{source.point}: "
    return f"- [{source.number}] {said}“{source.quote}” ({source.method})"


def _reading(input: LayOutIn) -> list[str]:
    lines = [
        f"- {document.path}: {document.read_characters:,} of {document.characters:,} characters"
        for document in input.documents
    ]
    lines += [f"- {failure.document}: no points ({_inline(failure.message)})" for failure in input.failed]
    lines += [f"- not used: {name}" for name in input.skipped]
    lines += [f"- left out, because of `max_documents`: {name}" for name in input.left_out]
    return lines
