"""Answers to questions from numbered passages: by rule where the agent's own was not good enough, and laid out."""

from __future__ import annotations

import math
import re
from collections import Counter

from pydantic import BaseModel, Field

from orchestrator import worker
from workers.sentences import content_words, normalised, quotable, sentences, shortened

MAX_ANSWER = 400
MAX_CITED = 3
MAX_QUOTE = 300
NOTHING = "The documents do not say anything about this."

_WORD = re.compile(r"[^\W\d_]{3,}")
_ENDING = re.compile(r"(ations?|ings?|edly|ied|ed|ers?|ies|es|s|e|ly|y)$")
_COMMON = frozenset(
    """
    all and any are but can did for had happen happened happens has her him his how its may mean means not our out own
    she the too use used uses was way who why you
    """.split()  # noqa: SIM905 - a list of forty literals would be forty lines
)


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


class SelectIn(AnswerIn):
    """The question, its passages, and how many sentences of each to keep."""

    sentences: int = Field(default=2, ge=1, le=20)


class Selected(BaseModel):
    """The same passages, each with only the sentences that are nearest to the question, in their order."""

    sources: list[Evidence]


@worker("writing.select_sentences", pool="documents")
def select_sentences(input: SelectIn) -> Selected:
    """Keep of each passage the sentences that say most of a question: a small model gets lost in more; no model."""
    asked = stems(input.question)
    spoken = {source.number: _prose(source) for source in input.sources}
    rarity = _rarity([stems(sentence) for each in spoken.values() for sentence in each])
    sources = []
    for source in input.sources:
        ranked = sorted(spoken[source.number], key=lambda each: -_worth(each, source, asked, rarity))
        kept = set(ranked[: input.sentences])
        text = " ".join(sentence for sentence in spoken[source.number] if sentence in kept)
        sources.append(source.model_copy(update={"text": text}))
    return Selected(sources=[source for source in sources if source.text])


class Answer(BaseModel):
    """An answer, and the numbers of the passages that it rests on."""

    answer: str = Field(min_length=1, max_length=MAX_ANSWER)
    sources: list[int] = Field(max_length=MAX_CITED)


@worker("writing.answer_extractive", pool="documents")
def answer_extractive(input: AnswerIn) -> Answer:
    """Answer in the documents' words: the sentences that share most with the question; no model."""
    return answer_by_rule(input)


def answer_by_rule(input: AnswerIn) -> Answer:
    """The sentence of the passages that says most of the question, and a second one where it says more of it."""
    said = [(sentence, source) for source in input.sources for sentence in _prose(source)]
    rarity = _rarity([stems(sentence) for sentence, _ in said])
    missing = stems(input.question)
    chosen: list[tuple[str, Evidence]] = []
    while said and len(chosen) < 2:
        best = max(said, key=lambda each: _worth(each[0], each[1], missing, rarity))
        if chosen and not stems(best[0]) & missing:
            break
        chosen.append(best)
        said.remove(best)
        missing -= stems(best[0]) | stems(best[1].heading)
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
    """The words that carry meaning, without their endings: `kills`, `killed` and `killing` are one."""
    short = {word for word in map(str.casefold, _WORD.findall(text)) if len(word) == 3}
    meant = (content_words(text) | short) - _COMMON
    return {_ENDING.sub("", word) if len(word) > 4 else word.rstrip("s") for word in meant}


def _prose(source: Evidence) -> list[str]:
    """The sentences of a passage, those that are prose where it has any; at the least the passage itself."""
    spoken = sentences(source.text) or [text for text in [normalised(source.text)] if text]
    return list(filter(quotable, spoken)) or spoken


def _rarity(sentences: list[set[str]]) -> dict[str, float]:
    """What a word tells: more, the fewer sentences have it."""
    counts = Counter(stem for stems in sentences for stem in stems)
    return {stem: math.log(1 + len(sentences) / count) for stem, count in counts.items()}


def _worth(sentence: str, source: Evidence, asked: set[str], rarity: dict[str, float]) -> float:
    """How much of the question is in a sentence; its heading counts half, and a better passage decides a tie."""
    inside = stems(sentence) & asked
    above = (stems(source.heading) & asked) - inside
    told = sum(rarity[stem] for stem in inside) + sum(rarity.get(stem, 1.0) for stem in above) / 2
    return told + 1 / (1 + source.number)


def _cited(source: Evidence, answer: str) -> Cited:
    said = stems(answer)
    quote = max(_prose(source), key=lambda sentence: len(stems(sentence) & said), default="")
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
