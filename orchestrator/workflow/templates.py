"""`${{ CEL }}` in text: where the expressions stand and what surrounds them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from orchestrator.errors import ExpressionError
from orchestrator.workflow.cel_tokens import TOKEN

OPEN = "${{"
ESCAPED = "$${{"


@dataclass(frozen=True, slots=True)
class Hole:
    """An expression inside text; `start` is where it begins in the text, counted from 0."""

    expression: str
    start: int


@dataclass(frozen=True, slots=True)
class Template:
    """Text and holes in order. `whole` is the expression where the text is nothing but one `${{ }}`."""

    pieces: tuple[str | Hole, ...]
    whole: str | None

    @property
    def holes(self) -> list[Hole]:
        """The expressions with their places."""
        return [piece for piece in self.pieces if isinstance(piece, Hole)]

    @property
    def expressions(self) -> list[str]:
        """The expressions alone."""
        return [hole.expression for hole in self.holes]


@lru_cache(maxsize=4096)
def template_of(text: str) -> Template:
    """Parse text once.

    Raises:
        ExpressionError: a `${{` is not closed or holds nothing; `column` is its place in the text, counted from 1.
    """
    pieces: list[str | Hole] = []
    literal = ""
    at = 0
    while (opened := text.find(OPEN, at)) >= 0:
        if opened > at and text[opened - 1] == "$":
            literal += text[at : opened - 1] + OPEN
            at = opened + len(OPEN)
            continue
        literal += text[at:opened]
        closed = _close(text, opened + len(OPEN))
        pieces += [literal, _hole(text, opened, closed)]
        literal, at = "", closed + 2
    pieces.append(literal + text[at:])
    solid = tuple(piece for piece in pieces if piece != "")
    filled = [piece for piece in solid if isinstance(piece, Hole) or piece.strip()]
    only = filled[0] if len(filled) == 1 else None
    return Template(solid, only.expression if isinstance(only, Hole) else None)


def text_of(value: Any) -> str:
    """How a value stands inside text: a string as it is, anything else as compact JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _close(text: str, start: int) -> int:
    """Where the `}}` of an expression that starts at `start` stands; braces and strings inside it are respected."""
    depth = 0
    at = start
    while found := TOKEN.match(text, at):
        mark = found.group()
        if mark == "}" and depth == 0:
            if text.startswith("}}", at):
                return at
            break
        depth += {"{": 1, "}": -1}.get(mark, 0)
        at = found.end()
    raise ExpressionError("'${{' is not closed by '}}'", expression=text[start - 3 :], column=start - 2)


def _hole(text: str, opened: int, closed: int) -> Hole:
    inner = text[opened + len(OPEN) : closed]
    expression = inner.strip()
    if not expression:
        raise ExpressionError("'${{ }}' holds no expression", expression=text, column=opened + 1)
    return Hole(expression, opened + len(OPEN) + len(inner) - len(inner.lstrip()))
