"""Reads typed fields out of a mapping, notes every mistake with its place, and goes on."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from orchestrator.domain.rate import Rate
from orchestrator.workflow.durations import parse_duration
from orchestrator.workflow.language import Section
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.suggestions import nearest, suggest
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar, kind_of, trap
from orchestrator.workflow.yaml_nodes import Sequence as NodeSequence

NOT_NAMES = frozenset({"yes", "no", "on", "off", "true", "false", "null"})
NOT_YET = "is not supported yet"


def as_mapping(problems: Problems, node: Node, what: str, suggestion: str = "") -> Mapping | None:
    """The node as a mapping; anything else is a mistake."""
    if isinstance(node, Mapping):
        return node
    problems.at(node, f"{what} must be a mapping, this is {kind_of(node)}", suggestion)
    return None


def as_items(problems: Problems, node: Node, what: str, suggestion: str = "") -> list[Node] | None:
    """The node's items if it is a list; anything else is a mistake."""
    if isinstance(node, NodeSequence):
        return node.items
    problems.at(node, f"{what} must be a list, this is {kind_of(node)}", suggestion)
    return None


def as_text(problems: Problems, node: Node, what: str) -> str | None:
    """The node's text; anything else is a mistake."""
    if isinstance(node, Scalar) and isinstance(node.value, str):
        if node.value.strip():
            return node.value
        problems.at(node, f"{what} is empty")
        return None
    hint = "put it in quotes" if isinstance(node, Scalar) and node.value is not None else ""
    problems.at(node, f"{what} must be text, this is {kind_of(node)}", hint)
    return None


def as_name(problems: Problems, node: Node, what: str, form: re.Pattern[str], means: str) -> str | None:
    """The node's text if it has the form of a name; `means` says the form for people."""
    text = as_text(problems, node, what)
    if text is not None and not form.fullmatch(text):
        problems.at(node, f"'{text[:60]}' is not a good name: {means}")
        return None
    if text is not None and text.lower() in NOT_NAMES:
        problems.at(node, f"'{text}' is not a good name: older YAML tools read it as true or false")
        return None
    return text


class Fields:
    """The fields of one mapping. Unknown keys are noted at once; every getter returns None after a mistake."""

    def __init__(
        self, problems: Problems, mapping: Mapping, where: str, *, known: Section, later: Collection[str] = ()
    ) -> None:
        self.problems = problems
        self.mapping = mapping
        self.where = where
        self.section = known
        self.misspelt: set[str] = set()
        for key, node in mapping.keys.items():
            if key in later:
                problems.at(node, f"'{key}' {NOT_YET}")
            elif key not in known:
                problems.at(node, f"unknown key '{key[:60]}' in {where}", _meant(key, known))
                self.misspelt.add(nearest(key, known) or "")

    def __contains__(self, key: str) -> bool:
        return key in self.mapping.entries

    def node(self, key: str) -> Node | None:
        """The value of a key, None where it is not given."""
        return self.mapping.entries.get(key)

    def require(self, key: str, suggestion: str = "") -> Node | None:
        """The value of a key that must be there."""
        node = self.node(key)
        if self.lacks(key):
            self.problems.at(self.mapping, f"{self.where} needs '{key}'", suggestion)
        return node

    def lacks(self, key: str) -> bool:
        """Whether a key is missing, and not just misspelt, which has been noted."""
        return key not in self.mapping.entries and key not in self.misspelt

    def text(self, key: str) -> str | None:
        """Text that is not empty."""
        node = self.node(key)
        return None if node is None else as_text(self.problems, node, f"'{key}'")

    def boolean(self, key: str) -> bool | None:
        """True or false."""
        node = self.node(key)
        if node is None or (isinstance(node, Scalar) and isinstance(node.value, bool)):
            return node.value if isinstance(node, Scalar) else None
        self.problems.at(node, f"'{key}' must be true or false, this is {kind_of(node)}", trap(node, ["boolean"]))
        return None

    def integer(self, key: str) -> int | None:
        """A whole number within the bounds of its key."""
        node = self.node(key)
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        least, most = self.section.bounds(key)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            self.problems.at(node, f"'{key}' must be a whole number from {least} to {most}")
            return None
        return value

    def number(self, key: str) -> float | None:
        """A number within the bounds of its key."""
        node = self.node(key)
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        least, most = self.section.bounds(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            self.problems.at(node, f"'{key}' must be a number from {least:g} to {most:g}")
            return None
        return float(value)

    def amount(self, key: str) -> float | None:
        """A number above zero, within the bound of its key."""
        node = self.node(key)
        if node is None:
            return None
        value = node.value if isinstance(node, Scalar) else None
        most = self.section.keys[key].takes["maximum"]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
            self.problems.at(node, f"'{key}' must be a number above 0, {most:,} at most")
            return None
        return float(value)

    def choice(self, key: str) -> str | None:
        """One of the words that its key takes."""
        node = self.node(key)
        if node is None or (text := as_text(self.problems, node, f"'{key}'")) is None:
            return None
        options = self.section.options(key)
        if text not in options:
            listed = ", ".join(options)
            self.problems.at(node, f"'{key}' must be one of {listed}, not '{text[:60]}'", _near(text, options))
            return None
        return text

    def duration(self, key: str) -> float | None:
        """Seconds, more than zero."""
        node = self.node(key)
        return None if node is None else as_duration(self.problems, node, f"'{key}'")

    def rate(self, key: str) -> str | None:
        """A rate such as `60/m`."""
        node = self.node(key)
        if node is None:
            return None
        try:
            return str(Rate.parse(node.value if isinstance(node, Scalar) else None))
        except ValueError as error:
            self.problems.at(node, f"'{key}': {error}")
            return None

    def forbid(self, keys: Sequence[str], why: str, suggestion: str = "") -> None:
        """Note each of the keys that is given although it has no meaning here."""
        for key in keys:
            if key in self.mapping.entries:
                self.problems.at(self.mapping.keys[key], f"'{key}' {why}", suggestion)


def as_duration(problems: Problems, node: Node, what: str) -> float | None:
    """The node as seconds, more than zero."""
    try:
        seconds = parse_duration(node.value if isinstance(node, Scalar) else None)
    except ValueError as error:
        problems.at(node, f"{what}: {error}")
        return None
    if seconds == 0:
        problems.at(node, f"{what} must be longer than zero")
        return None
    return seconds


def _meant(key: str, known: Section) -> str:
    """The key that was meant; or that it is the end of an expression which a comma has cut in two."""
    return "put an expression with commas in quotes" if set(key) & set("()=<>!&|?.'\"") else suggest(key, known)


def _near(text: str, options: Sequence[str]) -> str:
    hint = suggest(text, options)
    return hint if hint.startswith("did") else ""
