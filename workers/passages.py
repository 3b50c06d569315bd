"""Splits a text into passages that a model or an index can take, cut where the text itself pauses."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import pairwise
from typing import Self

from pydantic import BaseModel, Field, model_validator

from workers.pdf_text import PAGE_BREAK

_HEADING = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t]*#*$", re.MULTILINE)
_FENCED = re.compile(r"^[ \t]*(```|~~~).*?(?:^[ \t]*\1[ \t]*$|\Z)", re.MULTILINE | re.DOTALL)
_BORDERS = (
    re.compile(r"\n(?=#{1,6}[ \t])|\f"),
    re.compile(r"\n[ \t]*\n"),
    re.compile(r"(?<=[.!?:;])[\"')\]”]*\s+|(?<=[\u3002\uff01\uff1f])|\n"),
    re.compile(r"\s+"),
)
"""Where to cut, best first: before a heading or at a page's end, between paragraphs, sentences, words."""


class Passage(BaseModel):
    """A stretch of a text: `text == whole[start:end]`.

    Attributes:
        start: offset of its first character.
        end: offset behind its last.
        heading: the last heading at or before its start, or empty.
        page: of a PDF, counted from 1; None where the text has no pages.
        text: the stretch itself.
    """

    start: int
    end: int
    heading: str = ""
    page: int | None = None
    text: str


class Splitting(BaseModel):
    """How texts are split; inputs of workers that split have these fields.

    Attributes:
        characters: of a passage at the most.
        overlap: characters that two neighbours may share.
    """

    characters: int = Field(default=900, ge=100, le=100_000)
    overlap: int = Field(default=120, ge=0)

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.overlap >= self.characters / 2:
            raise ValueError("overlap must be less than half of characters")
        return self


def split(text: str, *, characters: int, overlap: int) -> list[Passage]:
    """Passages in order, which together hold every character of the text but whitespace between them.

    A passage ends at the best border in its second half: a heading, a paragraph, a sentence, a word; only a word
    longer than a passage is cut. The next one begins up to `overlap` characters earlier, at a sentence or word,
    so that what stands at a border is whole in one of the two. Nothing overlaps across a heading or a page.

    Args:
        text: the whole text; form feeds part pages.
        characters: of a passage at the most.
        overlap: characters that two neighbours may share; less than half of `characters`.

    Raises:
        ValueError: the overlap is half of a passage or more.
    """
    if not 0 <= overlap < characters / 2:
        raise ValueError(f"an overlap of {overlap} does not fit passages of {characters} characters")
    fences = [found.span() for found in _FENCED.finditer(text)]
    headings = [
        (found.start(), found[1])
        for found in _HEADING.finditer(text)
        if not any(begin <= found.start() < end for begin, end in fences)
    ]
    breaks = [at for at, character in enumerate(text) if character == PAGE_BREAK]
    hard = sorted({0, len(text), *(at for at, _ in headings), *(at + 1 for at in breaks)})
    passages: list[Passage] = []
    for start, end in _sections(text, hard, characters):
        for begin, stop in _windows(text, start, end, characters, overlap):
            passages += _passage(text, begin, stop, headings, breaks)
    return passages


def _sections(text: str, hard: list[int], characters: int) -> list[tuple[int, int]]:
    """Stretches between headings and page ends; short neighbours on a page go together as far as they fit."""
    sections: list[tuple[int, int]] = []
    for start, end in pairwise(hard):
        before = sections[-1] if sections else None
        small = before is not None and end - before[0] <= characters and before[1] - before[0] < characters / 4
        if before is not None and small and text[start - 1] != PAGE_BREAK:
            sections[-1] = (before[0], end)
        else:
            sections.append((start, end))
    return sections


def _windows(text: str, start: int, end: int, characters: int, overlap: int) -> list[tuple[int, int]]:
    windows: list[tuple[int, int]] = []
    while start < end:
        stop = end if end - start <= characters else _border(text, start + characters // 2, start + characters)
        windows.append((start, stop))
        start = stop if stop == end else _restart(text, stop - overlap, stop)
    return windows


def _border(text: str, low: int, high: int) -> int:
    """The last place in `low … high` where the best kind of border ends; `high` where there is none."""
    for border in _BORDERS:
        places = [found.end() for found in border.finditer(text, low, high) if found.end() > low]
        if places:
            return places[-1]
    return high


def _restart(text: str, low: int, high: int) -> int:
    """The first sentence, else word, that begins in `low … high`; `high` where none does."""
    for border in _BORDERS[2:]:
        found = border.search(text, low, high)
        if found is not None and found.end() < high:
            return found.end()
    return high


def _passage(text: str, start: int, end: int, headings: list[tuple[int, str]], breaks: list[int]) -> list[Passage]:
    piece = text[start:end]
    start += len(piece) - len(piece.lstrip())
    end -= len(piece) - len(piece.rstrip())
    if start >= end:
        return []
    above = bisect_right(headings, start, key=lambda heading: heading[0])
    return [
        Passage(
            start=start,
            end=end,
            heading=headings[above - 1][1] if above else "",
            page=bisect_right(breaks, start) + 1 if breaks else None,
            text=text[start:end],
        )
    ]
