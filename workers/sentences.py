"""Plain text as sentences, and which of them matter: no model, the same answer every time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

MIN_QUOTE = 20
MAX_QUOTE = 240
REPEATED_WORDS = 6
EXCERPT_BREAK = "[…]"
"""Stands on a line of its own where an excerpt leaves out a part of its document."""

_FENCE = re.compile(r"\s*(```|~~~)")
_NOT_PROSE = re.compile(r"\s*(#{1,6}\s|\||<[^>]+>\s*$|[=\-*_~^+#.]{3,}\s*$)")
_LIST_ITEM = re.compile(r"\s*(?:[-*+•>]|\d{1,3}[.)])\s+")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]”]*\s+|(?<=[\u3002\uff01\uff1f])")
_WORD = re.compile(r"[^\W\d_]{4,}")
_COMMON = frozenset(
    """
    about after also been before being both could does doing down each else even every from have here into just like
    made make many more most much must only other over same should some such than that their them then there these
    they this those through under until very want were what when where which while will with without would your
    yours
    """.split()  # noqa: SIM905 - a list of sixty literals would be sixty lines
)


def normalised(text: str) -> str:
    """The text with every run of whitespace as one space."""
    return " ".join(text.split())


def content_words(text: str) -> set[str]:
    """Words that carry meaning: four letters or more, common English ones left out, case folded."""
    return {word for word in map(str.casefold, _WORD.findall(text)) if word not in _COMMON}


def segments(text: str) -> list[str]:
    """The stretches of an excerpt that are continuous in its document, whitespace normalised."""
    parts: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip() == EXCERPT_BREAK:
            parts.append([])
        else:
            parts[-1].append(line)
    return [found for part in parts if (found := normalised("\n".join(part)))]


def shortened(text: str, limit: int, mark: str = "…") -> str:
    """At most `limit` characters, cut between words where that is possible; `mark` shows the cut."""
    if len(text) <= limit:
        return text
    cut = text[: limit - len(mark)]
    return (cut.rsplit(" ", 1)[0] or cut).rstrip(" ,;:") + mark


def repeated_words(text: str) -> str:
    """The first six words that stand in the text a second time, or nothing: small models go round in circles."""
    words = re.findall(r"[\w'\u2019]+", text.casefold())
    seen: set[tuple[str, ...]] = set()
    for at in range(len(words) - REPEATED_WORDS + 1):
        piece = tuple(words[at : at + REPEATED_WORDS])
        if piece in seen:
            return " ".join(piece)
        seen.add(piece)
    return ""


def sentences(text: str) -> list[str]:
    """The sentences of the prose in a Markdown or plain text; headings, tables and code are passed over.

    Each is whitespace-normalised and stands in the text without a gap.
    """
    return [
        sentence
        for block in _blocks(text)
        for piece in _SENTENCE_END.split(normalised(block))
        if (sentence := piece.strip())
    ]


def key_sentences(text: str, limit: int) -> list[str]:
    """The sentences that matter most, most telling first, none saying again what an earlier one said.

    A sentence is worth the mean frequency of its words in the text, a little more near the start (H. P. Luhn,
    "The Automatic Creation of Literature Abstracts", 1958).

    Args:
        text: a document or an excerpt of one.
        limit: how many at most.

    Returns:
        At least one quote of up to `MAX_QUOTE` characters, as long as there is any text.
    """
    prose = [sentence for sentence in sentences(text) if quotable(sentence)]
    frequency = Counter(word for sentence in prose for word in content_words(sentence))
    ranked = sorted(range(len(prose)), key=lambda at: (-_worth(prose[at], at / len(prose), frequency), at))
    chosen: list[str] = []
    for at in ranked:
        if len(chosen) < limit and not any(_alike(prose[at], other) for other in chosen):
            chosen.append(prose[at])
    return chosen or [shortened(part, MAX_QUOTE, "") for part in sorted(segments(text), key=len)[-1:]]


def _blocks(text: str) -> Iterator[str]:
    """Paragraphs and list items, each a stretch of adjacent lines."""
    block: list[str] = []
    fenced = False
    for line in text.splitlines():
        fence = _FENCE.match(line) is not None
        fenced ^= fence
        starts = _LIST_ITEM.match(line)
        if fence or fenced or starts or not line.strip() or line.strip() == EXCERPT_BREAK or _NOT_PROSE.match(line):
            if block:
                yield "\n".join(block)
            block = [line[starts.end() :]] if starts and not fenced else []
        else:
            block.append(line)
    if block:
        yield "\n".join(block)


def quotable(sentence: str) -> bool:
    """Whether a sentence is prose of a sensible length, and no code, figures or fragment."""
    letters = sum(character.isalpha() or character.isspace() for character in sentence)
    return MIN_QUOTE <= len(sentence) <= MAX_QUOTE and len(sentence.split()) >= 4 and letters >= 0.8 * len(sentence)


def _worth(sentence: str, position: float, frequency: Counter[str]) -> float:
    words = content_words(sentence)
    if len(words) < 3:
        return 0.0
    return sum(frequency[word] for word in words) / len(words) * (1.25 - 0.25 * position)


def _alike(one: str, other: str) -> bool:
    left, right = content_words(one), content_words(other)
    return len(left & right) > 0.5 * min(len(left), len(right))
