"""A CEL expression as a tree, for the checks that CEL itself does not make: guards, fields of schemas.

Only what CEL has compiled is parsed, so the grammar here may be generous; what it does not know it gives up on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from orchestrator.workflow.cel_tokens import SIMPLE_STRING, Token, tokens

DEEPEST = 100
BINARY = (("==", "!=", "<", "<=", ">", ">=", "in"), ("+", "-"), ("*", "/", "%"))
PAIRS = frozenset({"==", "!=", "<=", ">=", "&&", "||"})


@dataclass(frozen=True, slots=True)
class Tree:
    """One node of an expression.

    Attributes:
        kind: `name`, `field` (of `below[0]`), `index` (`below` is what and where), `call` (a function of `below`),
            `method` (of `below[0]`, with the rest as arguments), `operator` (`? :` is `?`), `string`, `number`,
            `word` (true, false, null), `list` or `map` (keys and values in turn).
        text: the name, the operator, or the literal (a string without its quotes).
        start: where it stands in the expression, counted from 0; of a field and a method the name.
    """

    kind: str
    text: str
    start: int
    below: tuple[Tree, ...] = ()


@lru_cache(maxsize=8192)
def tree_of(expression: str) -> Tree | None:
    """The tree of an expression that CEL has compiled; None where this parser gives up."""
    parser = _Parser(_joined(tokens(expression)))
    try:
        tree = parser.conditional()
    except _GivenUp:
        return None
    return tree if parser.at == len(parser.stream) else None


class _GivenUp(Exception):
    """The expression is nothing that this parser knows."""


def _joined(stream: tuple[Token, ...]) -> list[Token]:
    """The tokens with `=` `=` and the like as one."""
    joined: list[Token] = []
    for token in stream:
        last = joined[-1] if joined else None
        if (
            last
            and last.start + 1 == token.start
            and last.kind == token.kind == "mark"
            and last.text + token.text in PAIRS
        ):
            joined[-1] = Token("mark", last.text + token.text, last.start)
        else:
            joined.append(token)
    return joined


class _Parser:
    """Recursive descent over the tokens of one expression."""

    def __init__(self, stream: list[Token]) -> None:
        self.stream = stream
        self.at = 0
        self.depth = 0

    def conditional(self) -> Tree:
        self.depth += 1
        if self.depth > DEEPEST:
            raise _GivenUp
        tree = self._either()
        if self._takes("?"):
            yes = self._either()
            self._must(":")
            tree = Tree("operator", "?", tree.start, (tree, yes, self.conditional()))
        self.depth -= 1
        return tree

    def _either(self) -> Tree:
        terms = [self._both()]
        while self._takes("||"):
            terms.append(self._both())
        return terms[0] if len(terms) == 1 else Tree("operator", "||", terms[0].start, tuple(terms))

    def _both(self) -> Tree:
        terms = [self._binary(0)]
        while self._takes("&&"):
            terms.append(self._binary(0))
        return terms[0] if len(terms) == 1 else Tree("operator", "&&", terms[0].start, tuple(terms))

    def _binary(self, level: int) -> Tree:
        if level == len(BINARY):
            return self._unary()
        tree = self._binary(level + 1)
        while (token := self._peek()) is not None and token.text in BINARY[level] and token.kind in ("mark", "name"):
            self.at += 1
            tree = Tree("operator", token.text, token.start, (tree, self._binary(level + 1)))
        return tree

    def _unary(self) -> Tree:
        token = self._peek()
        if token is None or token.kind != "mark" or token.text not in "!-":
            return self._member()
        times = 0
        while self._takes(token.text):
            times += 1
        tree = self._member()
        return tree if times % 2 == 0 else Tree("operator", token.text, token.start, (tree,))

    def _member(self) -> Tree:
        tree = self._primary()
        while True:
            if self._takes("."):
                name = self._next()
                if name.kind != "name":
                    raise _GivenUp
                if self._takes("("):
                    tree = Tree("method", name.text, name.start, (tree, *self._arguments(")")))
                else:
                    tree = Tree("field", name.text, name.start, (tree,))
            elif self._takes("["):
                where = self.conditional()
                self._must("]")
                simple = where.kind == "string"
                tree = Tree("field", where.text, where.start, (tree,)) if simple else _index(tree, where)
            else:
                return tree

    def _primary(self) -> Tree:
        self._takes(".")
        token = self._next()
        if token.kind == "mark":
            return self._bracketed(token)
        if token.kind == "string":
            return _string(token)
        if token.kind == "name" and self._takes("("):
            return Tree("call", token.text, token.start, self._arguments(")"))
        kind = "word" if token.text in ("true", "false", "null") else token.kind
        return Tree(kind, token.text, token.start)

    def _bracketed(self, token: Token) -> Tree:
        if token.text == "(":
            tree = self.conditional()
            self._must(")")
            return tree
        if token.text == "[":
            return Tree("list", "", token.start, self._arguments("]"))
        if token.text == "{":
            return Tree("map", "", token.start, self._entries())
        raise _GivenUp

    def _arguments(self, end: str) -> tuple[Tree, ...]:
        found: list[Tree] = []
        while not self._takes(end):
            found.append(self.conditional())
            if not self._takes(","):
                self._must(end)
                break
        return tuple(found)

    def _entries(self) -> tuple[Tree, ...]:
        found: list[Tree] = []
        while not self._takes("}"):
            found.append(self.conditional())
            self._must(":")
            found.append(self.conditional())
            if not self._takes(","):
                self._must("}")
                break
        return tuple(found)

    def _peek(self) -> Token | None:
        return self.stream[self.at] if self.at < len(self.stream) else None

    def _next(self) -> Token:
        token = self._peek()
        if token is None:
            raise _GivenUp
        self.at += 1
        return token

    def _takes(self, mark: str) -> bool:
        token = self._peek()
        found = token is not None and token.kind == "mark" and token.text == mark
        self.at += found
        return found

    def _must(self, mark: str) -> None:
        if not self._takes(mark):
            raise _GivenUp


def _index(tree: Tree, where: Tree) -> Tree:
    return Tree("index", "", where.start, (tree, where))


def _string(token: Token) -> Tree:
    """A plain string literal; of one with escapes or a prefix the value is not known."""
    simple = SIMPLE_STRING.fullmatch(token.text)
    return Tree("string", simple.group(2), token.start) if simple else Tree("text", "", token.start)
