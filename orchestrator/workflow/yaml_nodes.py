"""YAML text as located nodes: 1.2 scalars, no duplicate keys, and bounded whatever the text says.

Built from the parser's events, because `yaml.compose` recurses in C: a few thousand `- - -` crash the process.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import yaml

from orchestrator.workflow.problems import Problems

LONGEST_TEXT = 4_000_000
MOST_NODES = 100_000
DEEPEST = 64
INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
LEADING = re.compile(r"[-+]?0[0-9_]*[0-9]")
SEXAGESIMAL = re.compile(r"[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?")
SPECIAL = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
WORDS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
FLOW = "inside { } and [ ] put ${{ … }} in quotes"
WHOLE = "put the whole value in quotes"
EXPRESSION = re.compile(r"\$\{\{|[!=<>]=|&&|\|\||\bsteps\.|\binputs\.|\boutput\.")
OLD_WORDS = {
    **dict.fromkeys(("y", "yes", "on"), "true"),
    **dict.fromkeys(("n", "no", "off"), "false"),
}
MERGE = "<<"
STRING_TAG = "tag:yaml.org,2002:str"


@dataclass(slots=True, eq=False)
class Node:
    """A place in the document. Lines and columns count from 0, as the parser gives them."""

    line: int
    column: int
    end_line: int
    size: int = 1


@dataclass(slots=True, eq=False)
class Scalar(Node):
    """A scalar: its JSON `value`, its `text` as written, and how it was written."""

    value: Any = None
    text: str = ""
    style: str = ""


@dataclass(slots=True, eq=False)
class Sequence(Node):
    """A list of nodes."""

    items: list[Node] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Mapping(Node):
    """Nodes by key, in order, with the nodes of the keys themselves."""

    entries: dict[str, Node] = field(default_factory=dict)
    keys: dict[str, Scalar] = field(default_factory=dict)


COLLECTION_TAGS = {Mapping: "tag:yaml.org,2002:map", Sequence: "tag:yaml.org,2002:seq"}


def json_of(node: Node) -> Any:
    """The plain JSON value of a node and all below it."""
    if isinstance(node, Mapping):
        return {key: json_of(value) for key, value in node.entries.items()}
    if isinstance(node, Sequence):
        return [json_of(item) for item in node.items]
    return node.value if isinstance(node, Scalar) else None


def kind_of(node: Node) -> str:
    """What a node is, for messages: `text`, `a number`, `a list` and so on."""
    if isinstance(node, Mapping):
        return "a mapping"
    if isinstance(node, Sequence):
        return "a list"
    value = node.value if isinstance(node, Scalar) else None
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, int | float):
        return "a number"
    return "empty" if value is None else "text"


def trap(node: Node, kinds: Collection[str]) -> str:
    """How to write what YAML 1.1 would have read as another type than 1.2 does; empty where that is not the point."""
    text = node.text if isinstance(node, Scalar) and not node.style and isinstance(node.value, str) else ""
    word = OLD_WORDS.get(text.lower())
    if word and "boolean" in kinds:
        return f"YAML 1.2 takes {text} as text; write {word}"
    return "YAML 1.2 takes this as text" if SEXAGESIMAL.fullmatch(text) and {"integer", "number"} & set(kinds) else ""


def read_yaml(text: str, problems: Problems) -> Node | None:
    """The one document of a text; None after a mistake that leaves nothing to read on with."""
    if len(text) > LONGEST_TEXT:
        problems.at_line(0, 0, f"the file is longer than {LONGEST_TEXT:,} characters")
        return None
    loader = yaml.CSafeLoader(text)
    try:
        return _Builder(loader, problems).document()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line, mark.column) if mark else (0, 0)
        problem = str(error.problem or error.context)
        source = problems.lines[min(line, len(problems.lines) - 1)]
        problems.at_line(line, column, f"not YAML: {problem}", _quoting(problem, source))
    except yaml.reader.ReaderError as error:
        problems.at_line(*_place(text), f"not YAML: {error.reason}")
    except _Hopeless:
        pass
    finally:
        loader.dispose()
    return None


class _Hopeless(Exception):
    """A problem has been noted and the rest of the document cannot be read."""


@dataclass(slots=True)
class _Frame:
    """A collection that is being read; `key` is the mapping's key that waits for its value."""

    node: Mapping | Sequence
    anchor: str | None
    key: Scalar | None = None


class _Builder:
    """Turns events into nodes, without recursion."""

    def __init__(self, loader: Any, problems: Problems) -> None:
        self.loader = loader
        self.problems = problems
        self.anchors: dict[str, Node] = {}
        self.frames: list[_Frame] = []
        self.root: Node | None = None

    def document(self) -> Node | None:
        documents = 0
        next_event: Callable[[], Any] = self.loader.get_event
        while (kind := type(event := next_event())) is not yaml.StreamEndEvent:
            if kind is yaml.ScalarEvent:
                self._add(self._scalar(event), event.anchor)
            elif kind in (yaml.MappingStartEvent, yaml.SequenceStartEvent):
                self._open(event)
            elif kind in (yaml.MappingEndEvent, yaml.SequenceEndEvent):
                self._close(event)
            elif kind is yaml.AliasEvent:
                self._add(self._alias(event), None)
            elif kind is yaml.DocumentStartEvent:
                documents += 1
                if documents > 1:
                    self._hopeless(event.start_mark, "a file holds one document; this begins a second")
        return self.root

    def _close(self, event: Any) -> None:
        frame = self.frames.pop()
        frame.node.end_line = event.end_mark.line
        self._add(frame.node, frame.anchor)

    def _open(self, event: Any) -> None:
        mark = event.start_mark
        if len(self.frames) >= DEEPEST:
            self._hopeless(mark, f"nested deeper than {DEEPEST} levels")
        kind = Mapping if isinstance(event, yaml.MappingStartEvent) else Sequence
        if event.tag not in (None, "!", COLLECTION_TAGS[kind]):
            self.problems.at_line(mark.line, mark.column, f"tags such as '{event.tag[:40]}' are not supported")
        self.frames.append(_Frame(kind(mark.line, mark.column, mark.line), event.anchor))

    def _add(self, node: Node, anchor: str | None) -> None:
        if anchor is not None:
            self.anchors[anchor] = node
        if not self.frames:
            self.root = node
            return
        frame = self.frames[-1]
        frame.node.size += node.size
        if frame.node.size > MOST_NODES:
            self.problems.at_line(node.line, node.column, f"the document has more than {MOST_NODES:,} nodes")
            raise _Hopeless
        if isinstance(frame.node, Sequence):
            frame.node.items.append(node)
        elif frame.key is None:
            frame.key = self._key(node)
        else:
            self._entry(frame.node, frame.key, node)
            frame.key = None

    def _key(self, node: Node) -> Scalar:
        if not isinstance(node, Scalar):
            self.problems.at(node, f"a key must be text, this is {kind_of(node)}")
            return Scalar(node.line, node.column, node.end_line, text="")
        if not isinstance(node.value, str):
            self.problems.at(node, f"a key must be text, '{node.text[:40]}' is {kind_of(node)}", "put it in quotes")
        elif node.text == MERGE:
            self.problems.at(node, "merge keys (<<) are not part of YAML 1.2")
        return node

    def _entry(self, mapping: Mapping, key: Scalar, node: Node) -> None:
        if key.text == MERGE:
            return
        if key.text in mapping.entries:
            first = mapping.keys[key.text].line + 1
            self.problems.at(key, f"duplicate key '{key.text[:60]}'", f"it stands already on line {first}")
            return
        mapping.entries[key.text] = node
        mapping.keys[key.text] = key

    def _alias(self, event: Any) -> Node:
        mark = event.start_mark
        if any(frame.anchor == event.anchor for frame in self.frames):
            self._hopeless(mark, f"'*{event.anchor}' stands inside what it names")
        if event.anchor not in self.anchors:
            self._hopeless(mark, f"unknown anchor '*{event.anchor}'")
        return self.anchors[event.anchor]

    def _scalar(self, event: Any) -> Scalar:
        start = event.start_mark
        node = Scalar(start.line, start.column, event.end_mark.line, text=event.value, style=event.style or "")
        if event.tag not in (None, STRING_TAG, "!"):
            meant = EXPRESSION.search(event.tag)
            hint = "put the expression in quotes" if meant else ""
            self.problems.at(node, f"tags such as '{event.tag[:40]}' are not supported", hint)
            node.text = f"{event.tag} {event.value}".strip() if meant else node.text
        node.value = node.text
        if event.tag is None and event.implicit[0]:
            self._resolve(node)
        return node

    def _resolve(self, node: Scalar) -> None:
        """Give a plain scalar the value that YAML 1.2's core schema gives it."""
        text = node.text
        if text in WORDS:
            node.value = WORDS[text]
        elif text[0] not in "-+.0123456789":
            return
        elif INTEGER.fullmatch(text):
            self._integer(node)
        elif FLOAT.fullmatch(text):
            node.value = float(text)
            if not math.isfinite(node.value):
                self.problems.at(node, f"the number {text[:40]} is too large")
                node.value = 0.0
        elif SPECIAL.fullmatch(text):
            self.problems.at(node, f"JSON has no {text}", "put it in quotes if text is meant")

    def _integer(self, node: Scalar) -> None:
        text = node.text
        if LEADING.fullmatch(text):
            number = text.lstrip("+-0")[:40] or "0"
            hint = f"write {number}, or '{text[:40]}' if text is meant"
            self.problems.at(node, f"{text[:40]} is {number} in YAML 1.2 and an octal number in YAML 1.1", hint)
        value = int(text, 0 if text[:2] in ("0o", "0x") else 10) if len(text) <= 40 else 2**63
        if not -(2**63) <= value < 2**63:
            self.problems.at(node, f"the number {text[:40]} is too large", "put it in quotes if text is meant")
            value = 0
        node.value = value

    def _hopeless(self, mark: Any, message: str) -> None:
        self.problems.at_line(mark.line, mark.column, message)
        raise _Hopeless


def _place(text: str) -> tuple[int, int]:
    """The line and column of the first character that YAML does not allow."""
    found = yaml.reader.Reader.NON_PRINTABLE.search(text)
    before = text[: found.start()] if found else ""
    return before.count("\n"), len(before) - before.rfind("\n") - 1


def _quoting(problem: str, source: str) -> str:
    """What to put in quotes, where an expression on the line is the likely cause."""
    if "${{" in source and ("',' or" in problem or "flow" in problem):
        return FLOW
    if "mapping values" in problem:
        return f"{WHOLE}: it holds ': '"
    return WHOLE if EXPRESSION.search(source) else ""
