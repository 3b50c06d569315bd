"""Collects located mistakes, and finds the place of an expression inside a scalar."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from orchestrator.errors import Problem

if TYPE_CHECKING:
    from orchestrator.workflow.yaml_nodes import Node, Scalar

LINE_BREAK = re.compile(r"\r\n|[\n\r\x85\u2028\u2029]")
PROBE = 40
CUT_OFF = ("ends too early", "is not closed", "is missing")
MOST_PROBLEMS = 1_000


class LocatedText(Protocol):
    """Text that knows where each of its characters stands."""

    @property
    def text(self) -> str:
        """The text itself."""
        ...

    def place(self, offset: int) -> tuple[str, int, int]:
        """File, line and column (from 1) of a character of `text`."""
        ...

    def hint(self, message: str) -> str:
        """How the way in which the text is written may have caused a mistake; empty where it has not."""
        ...


@dataclass(slots=True)
class Problems:
    """The mistakes of one workflow file and the prompt files that it names."""

    file: str
    source: str
    found: list[Problem] = field(default_factory=list)
    _lines: list[str] | None = None

    @property
    def lines(self) -> list[str]:
        """The file's lines, split where YAML splits them."""
        if self._lines is None:
            self._lines = LINE_BREAK.split(self.source)
        return self._lines

    def at_line(self, line: int, column: int, message: str, suggestion: str = "") -> None:
        """Note a mistake at a line and column that count from 0."""
        self._note(Problem(self.file, line + 1, column + 1, message, suggestion))

    def at(self, node: Node, message: str, suggestion: str = "") -> None:
        """Note a mistake at the beginning of a node."""
        self.at_line(node.line, node.column, message, suggestion)

    def inside(self, text: LocatedText, offset: int, message: str, suggestion: str = "") -> None:
        """Note a mistake at a character of a text."""
        self._note(Problem(*text.place(offset), message, suggestion))

    def text_of(self, node: Scalar) -> ScalarText:
        """A scalar's text, located."""
        return ScalarText(node.text, node, self)

    def _note(self, problem: Problem) -> None:
        if len(self.found) < MOST_PROBLEMS:
            self.found.append(problem)


@dataclass(frozen=True, slots=True)
class ScalarText:
    """The text of a YAML scalar. Where escapes or folding hide a character, its place is the scalar's beginning."""

    text: str
    node: Scalar
    problems: Problems

    def place(self, offset: int) -> tuple[str, int, int]:
        """File, line and column (from 1) of a character of `text`."""
        line, column = self._find(offset)
        return self.problems.file, line + 1, column + 1

    def hint(self, message: str) -> str:
        """YAML ends a plain scalar at ` #`, and `{ }` end it at a comma: the expression is then cut off."""
        if self.node.style or not message.endswith(CUT_OFF):
            return ""
        lines = self.problems.lines
        rest = (
            lines[self.node.line][self.node.column + len(self.text) :].lstrip() if self.node.line < len(lines) else ""
        )
        return "put the expression in quotes" if rest.startswith(("#", ",", "]", "}")) else ""

    def _find(self, offset: int) -> tuple[int, int]:
        node, lines = self.node, self.problems.lines
        row = self.text.count("\n", 0, offset)
        into = offset - (self.text.rfind("\n", 0, offset) + 1)
        if node.style == "|":
            wanted = self.text.split("\n")[row]
            at = node.line + 1 + row
            if at < len(lines) and lines[at].endswith(wanted):
                return at, len(lines[at]) - len(wanted) + into
        elif "\n" not in self.text and (begin := lines[node.line].find(self.text, node.column)) >= 0:
            return node.line, begin + offset
        return self._search(offset)

    def _search(self, offset: int) -> tuple[int, int]:
        """Look for the next few characters in the scalar's source lines."""
        node, lines = self.node, self.problems.lines
        probe = self.text[offset : offset + PROBE].split("\n")[0].rstrip()
        for at in range(node.line, min(node.end_line + 1, len(lines))) if probe else ():
            begin = lines[at].find(probe, node.column if at == node.line else 0)
            if begin >= 0:
                return at, begin
        return node.line, node.column


@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a prompt file."""

    text: str
    file: str

    def hint(self, _: str) -> str:
        """Nothing: in a prompt file nothing is cut off."""
        return ""

    def place(self, offset: int) -> tuple[str, int, int]:
        """File, line and column (from 1) of a character of `text`."""
        return self.file, self.text.count("\n", 0, offset) + 1, offset - self.text.rfind("\n", 0, offset)
