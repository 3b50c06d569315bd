"""Readers of the diagrams that `orchestrator plan` writes."""

from __future__ import annotations

import json
import re

NODE = re.compile(r" {4,}(step_[A-Za-z0-9_]+)(\(\"[^\"]*\"\)|\[\"[^\"]*\"\]|\[/\"[^\"]*\"/\])")
EDGE = re.compile(r" {4,}(step_[A-Za-z0-9_]+) (-->|-\.->)(\|\"[^\"|]*\"\|)? (step_[A-Za-z0-9_]+)")
CLASS = re.compile(r"    (classDef \w+ [\w:, -]+|class step_\w+(,step_\w+)* \w+)")
GROUP = re.compile(r" {4,}(subgraph (step_[A-Za-z0-9_]+)\[\"[^\"]*\"\]|end)")

TOKEN = re.compile(r'\s*("(?:[^"\\]|\\.)*"|->|[{}\[\];=,]|[A-Za-z_]\w*)')


def tokens_of(text: str) -> list[str]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = TOKEN.match(text, at)
        assert match is not None, text[at : at + 40]
        found.append(match[1])
        at = match.end()
    return found


class DotReader:
    """As much of dot's grammar as is written: statements of nodes, edges, attributes, ranks and clusters."""

    def __init__(self, text: str) -> None:
        self.tokens, self.at = tokens_of(text), 0
        self.nodes: set[str] = set()
        self.edges: set[tuple[str, str]] = set()
        self.groups: set[str] = set()
        self.expect("digraph")
        self.name = self.text()
        self.block()
        assert self.at == len(self.tokens)

    def peek(self) -> str:
        return self.tokens[self.at]

    def expect(self, token: str) -> None:
        assert self.peek() == token, self.tokens[self.at - 3 : self.at + 3]
        self.at += 1

    def text(self) -> str:
        self.at += 1
        token = self.tokens[self.at - 1]
        assert token[0] == '"' or token.isidentifier(), token
        return json.loads(token) if token[0] == '"' else token

    def block(self) -> None:
        self.expect("{")
        while self.peek() != "}":
            if self.peek() == "{":
                self.block()
            elif self.peek() == "subgraph":
                self.expect("subgraph")
                self.groups.add(self.text())
                self.block()
            else:
                self.statement()
        self.expect("}")

    def statement(self) -> None:
        quoted = self.peek()[0] == '"'
        name = self.text()
        if self.peek() == "=":
            self.expect("=")
            self.text()
        elif self.peek() == "->":
            self.expect("->")
            self.edges.add((name, self.text()))
        elif quoted:
            self.nodes.add(name)
        if self.peek() == "[":
            self.attributes()
        self.expect(";")

    def attributes(self) -> None:
        self.expect("[")
        while self.peek() != "]":
            self.text()
            self.expect("=")
            self.text()
            if self.peek() == ",":
                self.expect(",")
        self.expect("]")
