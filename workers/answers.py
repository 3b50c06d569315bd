"""Answers to questions from numbered passages: by rule where the agent's own was not good enough, and laid out."""

from __future__ import annotations

from pydantic import BaseModel, Field

from orchestrator import worker
from workers.sentences import content_words, normalised, sentences, shortened

MAX_ANSWER = 400
MAX_CITED = 3
MAX_QUOTE = 300
STEM = 5
NOTHING = "The documents do not say anything about this."


class Evidence(BaseModel):
    """A numbered passage of a document; `start` and `end` are offsets in the document's text."""

    number: int
    document: str
    text: str
    start: int = 0
    end: int = 0
    heading: str = ""
    page: int | None = None


class AnswerIn(BaseModel):
    """A question, and the passages that it may be answered from, the best ones first."""

    question: str = Field(min_length=1)
    sources: list[Evidence]


class Answer(BaseModel):
    """An answer, and the numbers of the passages that it rests on."""

    answer: str = Field(min_length=1, max_length=MAX_ANSWER)
    sources: list[int] = Field(max_length=MAX_CITED)


@worker("writing.answer_extractive", pool="documents")
def answer_extractive(input: AnswerIn) -> Answer:
    """Answer in the documents' words: the sentences that share most with the question; no model."""
    return answer_by_rule(input)


def answer_by_rule(input: AnswerIn) -> Answer:
    """The best sentence of the passages, and a second one where it adds words of the question."""
    asked = stems(input.question)
    candidates = [
        (sentence, source)
        for source in input.sources
        for sentence in sentences(source.text) or [normalised(source.text)]
        if sentence
    ]
    chosen: list[tuple[str, Evidence]] = []
    missing = set(asked)
    while candidates and len(chosen) < 2 and (not chosen or missing):
        best = max(candidates, key=lambda each: (_worth(each[0], each[1], missing or asked), -each[1].number))
        found = stems(best[0]) | stems(best[1].heading)
        if chosen and not found & missing:
            break
        chosen.append(best)
        missing -= found
        candidates.remove(best)
    room = MAX_ANSWER // max(len(chosen), 1) - 1
    text = " ".join(dict.fromkeys(shortened(sentence, room) for sentence, _ in chosen))
    return Answer(answer=text or NOTHING, sources=list(dict.fromkeys(source.number for _, source in chosen)))


class LayOutIn(BaseModel):
    """A question, its answer, and the passages it was answered from."""

    question: str
    answer: Answer
    sources: list[Evidence]


class Cited(BaseModel):
    """A passage that an answer cites: where it stands, and the words of it that are nearest to the answer."""

    number: int
    document: str
    start: int
    end: int
    page: int | None
    quote: str


class LaidOut(BaseModel):
    """The answer as Markdown, the passages that it cites, and whether the agent or the rule wrote it."""

    markdown: str
    citations: list[Cited]
    method: str


@worker("writing.lay_out_answer", pool="documents")
def lay_out_answer(input: LayOutIn) -> LaidOut:
    """Lay an answer out as Markdown, with a quote of each passage that it cites and the place where it stands."""
    known = {source.number: source for source in input.sources}
    citations = [_cited(known[number], input.answer.answer) for number in input.answer.sources if number in known]
    marks = "".join(f"[{each.number}]" for each in citations)
    lines = [f"[{each.number}] {each.document}{_place(each)}: “{each.quote}”" for each in citations]
    by_rule = answer_by_rule(AnswerIn(question=input.question, sources=input.sources))
    return LaidOut(
        markdown="\n\n".join(
            [f"# {normalised(input.question)}", f"{normalised(input.answer.answer)} {marks}".strip(), *lines]
        )
        + "\n",
        citations=citations,
        method="extractive" if input.answer == by_rule else "agent",
    )


def stems(text: str) -> set[str]:
    """Content words by their first letters, so that `bridges` and `bridge` are one."""
    return {word[:STEM] for word in content_words(text)}


def _worth(sentence: str, source: Evidence, asked: set[str]) -> float:
    """How much of the question is in a sentence; its heading counts half, and a better passage decides a tie."""
    inside = len(stems(sentence) & asked)
    above = len((stems(source.heading) - stems(sentence)) & asked)
    return inside + above / 2 + 1 / (1 + source.number)


def _cited(source: Evidence, answer: str) -> Cited:
    said = stems(answer)
    spoken = sentences(source.text) or [normalised(source.text)]
    quote = max(spoken, key=lambda sentence: len(stems(sentence) & said))
    return Cited(
        number=source.number,
        document=source.document,
        start=source.start,
        end=source.end,
        page=source.page,
        quote=shortened(quote, MAX_QUOTE),
    )


def _place(cited: Cited) -> str:
    return f", page {cited.page}" if cited.page else f", characters {cited.start:,} to {cited.end:,}"
