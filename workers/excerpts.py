"""Which parts of a long document a model with a small context gets to see."""

from __future__ import annotations

from dataclasses import dataclass

from workers.sentences import EXCERPT_BREAK


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The text to read, and how many characters of the document are in it."""

    text: str
    characters: int


def excerpt_of(text: str, limit: int) -> Excerpt:
    """The document itself when it fits, else its beginning, a piece of its middle and its end.

    Half of the room goes to the beginning, a quarter to each of the others. A piece starts and ends between lines
    where one is near, else between words. The same document always gives the same excerpt.

    Args:
        text: the whole document.
        limit: characters at most, without the marks of the gaps.
    """
    if len(text) <= limit:
        return Excerpt(text, len(text))
    half, quarter = limit // 2, limit // 4
    middle = (len(text) + half - quarter) // 2 - quarter // 2
    pieces = [
        text[: _cut(text, half)],
        text[_cut(text, middle) : _cut(text, middle + quarter)],
        text[_next(text, len(text) - quarter) :],
    ]
    gap = f"\n\n{EXCERPT_BREAK}\n\n"
    return Excerpt(gap.join(piece.strip("\n") for piece in pieces), sum(len(piece.strip("\n")) for piece in pieces))


def _cut(text: str, at: int) -> int:
    """The nearest place at or before `at` where a line ends, else a word, else `at` itself."""
    for mark, reach in (("\n", 200), (" ", 40)):
        found = text.rfind(mark, max(0, at - reach), at)
        if found > 0:
            return found + 1
    return at


def _next(text: str, at: int) -> int:
    """The nearest place at or after `at` where a line ends, else a word, else `at` itself."""
    for mark, reach in (("\n", 200), (" ", 40)):
        found = text.find(mark, at, at + reach)
        if found > 0:
            return found + 1
    return at
