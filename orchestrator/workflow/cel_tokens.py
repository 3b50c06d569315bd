"""What can be read off a CEL expression without compiling it: its tokens, the names it uses, the paths below them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*)
    |(?P<string>(?:[rR][bB]?|[bB][rR])(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"[^"\n]*"|'[^'\n]*')
      |[bB]?(?:\"{3}(?:\\.|[^\\])*?\"{3}|'{3}(?:\\.|[^\\])*?'{3}|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))
    |(?P<number>0x[0-9a-fA-F]+[uU]?|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?[uU]?)
    |(?P<name>[A-Za-z_]\w*)
    |(?P<mark>.)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
LITERALS = frozenset({"true", "false", "null", "in"})
TYPES = frozenset({"int", "uint", "double", "bool", "string", "bytes", "list", "map", "null_type", "type", "dyn"})
MACROS = frozenset({"map", "filter", "exists", "exists_one", "all"})
SIMPLE_STRING = re.compile(r"""(["'])([^"'\\]*)\1""")


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of an expression; `kind` is string, number, name or mark, `start` counts characters from 0."""

    kind: str
    text: str
    start: int


@dataclass(frozen=True, slots=True)
class Part:
    """One `.name` or `["name"]` below a root, or one `[3]` (then `key` is an int)."""

    key: str | int
    start: int


@dataclass(frozen=True, slots=True)
class Path:
    """A name that the expression reads, and the fixed part of the way below it.

    `whole` is True where the expression is nothing but this path.
    """

    root: str
    start: int
    parts: tuple[Part, ...]
    whole: bool = False

    @property
    def fields(self) -> tuple[str, ...]:
        """The leading parts that are field names."""
        keys = []
        for part in self.parts:
            if not isinstance(part.key, str):
                break
            keys.append(part.key)
        return tuple(keys)


@lru_cache(maxsize=8192)
def tokens(expression: str) -> tuple[Token, ...]:
    """The tokens of an expression, blanks and comments left out. Never fails: nonsense becomes marks."""
    return tuple(
        Token(found.lastgroup or "mark", found.group(), found.start())
        for found in TOKEN.finditer(expression)
        if found.lastgroup != "blank"
    )


@lru_cache(maxsize=8192)
def paths(expression: str) -> tuple[Path, ...]:
    """Every variable that the expression reads, with the fixed path below it, in order."""
    stream = tokens(expression)
    found = []
    for at, token in enumerate(stream):
        if token.kind != "name" or token.text in LITERALS or token.text in TYPES:
            continue
        if at > 0 and stream[at - 1].text == ".":
            continue
        if at + 1 < len(stream) and stream[at + 1].text == "(":
            continue
        parts, end = _parts(stream, at + 1)
        found.append(Path(token.text, token.start, parts, whole=at == 0 and end == len(stream)))
    return tuple(found)


@lru_cache(maxsize=8192)
def bound_names(expression: str) -> frozenset[str]:
    """The variables that macros of the expression bind, such as `r` in `q.filter(r, r.ok)`."""
    stream = tokens(expression)
    return frozenset(
        variable.text
        for name, mark, variable, comma in zip(stream, stream[1:], stream[2:], stream[3:], strict=False)
        if name.text in MACROS and mark.text == "(" and variable.kind == "name" and comma.text == ","
    )


def _parts(stream: tuple[Token, ...], at: int) -> tuple[tuple[Part, ...], int]:
    """The parts from token `at` on, and the token after them. A method call is not a part."""
    parts: list[Part] = []
    while at + 1 < len(stream):
        mark, name = stream[at], stream[at + 1]
        after = stream[at + 2].text if at + 2 < len(stream) else ""
        if mark.text == "." and name.kind == "name" and after != "(":
            parts.append(Part(name.text, name.start))
            at += 2
        elif mark.text == "[" and after == "]" and (key := _index(name)) is not None:
            parts.append(Part(key, name.start))
            at += 3
        else:
            break
    return tuple(parts), at


def _index(token: Token) -> str | int | None:
    if token.kind == "string" and (simple := SIMPLE_STRING.fullmatch(token.text)):
        return simple.group(2)
    if token.kind == "number" and token.text.isdecimal() and len(token.text) < 10:
        return int(token.text)
    return None
