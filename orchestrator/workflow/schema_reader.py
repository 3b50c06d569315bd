"""Checks a JSON Schema as it is written in a workflow: every keyword known and of the right kind, located."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from orchestrator.workflow.fields import as_items, as_mapping
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.yaml_nodes import Node, Scalar, Sequence, json_of, kind_of

TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
SCHEMAS = (
    "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not", "propertyNames", "then",
    "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
MAPS = ("$defs", "dependentSchemas", "patternProperties", "properties")
COUNTS = (
    "maxContains", "maxItems", "maxLength", "maxProperties", "minContains", "minItems", "minLength", "minProperties",
)  # fmt: skip
NUMBERS = ("exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf")
TEXTS = (
    "$anchor",
    "$comment",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "description",
    "format",
    "title",
)
FLAGS = ("deprecated", "readOnly", "uniqueItems", "writeOnly")
ANYTHING = ("const", "default")
KEYWORDS = (
    *SCHEMAS, *LISTS, *MAPS, *COUNTS, *NUMBERS, *TEXTS, *FLAGS, *ANYTHING,
    "$ref", "dependentRequired", "enum", "examples", "pattern", "required", "type",
)  # fmt: skip


def read_schema(problems: Problems, node: Node, what: str) -> dict[str, Any] | None:
    """The schema as plain JSON; every mistake in it is noted, and then None is returned."""
    before = len(problems.found)
    mapping = as_mapping(problems, node, what, "write a JSON Schema such as {type: string}")
    if mapping is None:
        return None
    _Checker(problems, json_of(mapping)).schema(mapping)
    return json_of(mapping) if len(problems.found) == before else None


class _Checker:
    """Walks one schema; `root` is what a `$ref` points into."""

    def __init__(self, problems: Problems, root: Any) -> None:
        self.problems = problems
        self.root = root
        self.rules: dict[str, Callable[[str, Node], None]] = {
            **dict.fromkeys(SCHEMAS, lambda _, node: self.schema(node)),
            **dict.fromkeys(LISTS, self._list),
            **dict.fromkeys(MAPS, self._map),
            **dict.fromkeys(COUNTS, self._count),
            **dict.fromkeys(NUMBERS, self._number),
            **dict.fromkeys(TEXTS, self._text),
            **dict.fromkeys(FLAGS, self._flag),
            **dict.fromkeys(ANYTHING, lambda _key, _node: None),
            "$ref": self._reference,
            "dependentRequired": self._dependent,
            "enum": self._enum,
            "examples": self._enum,
            "pattern": self._pattern,
            "required": self._required,
            "type": self._type,
        }

    def schema(self, node: Node) -> None:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return
        mapping = as_mapping(self.problems, node, "a JSON Schema", "write {type: string} or the like")
        for key, value in mapping.entries.items() if mapping else ():
            rule = self.rules.get(key)
            if rule is not None:
                rule(key, value)
            elif not key.startswith("x-"):
                at = mapping.keys[key] if mapping else node
                self.problems.at(at, f"unknown JSON Schema keyword '{key[:60]}'", _near(key))

    def _list(self, key: str, node: Node) -> None:
        for item in as_items(self.problems, node, f"'{key}'") or ():
            self.schema(item)

    def _map(self, key: str, node: Node) -> None:
        mapping = as_mapping(self.problems, node, f"'{key}'")
        for name, below in mapping.entries.items() if mapping else ():
            if key == "patternProperties" and mapping:
                self._regex(name, mapping.keys[name])
            self.schema(below)

    def _count(self, key: str, node: Node) -> None:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.problems.at(node, f"'{key}' must be a whole number, not below 0")

    def _number(self, key: str, node: Node) -> None:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or (key == "multipleOf" and value <= 0):
            self.problems.at(node, f"'{key}' must be a number" + (" above 0" if key == "multipleOf" else ""))

    def _text(self, key: str, node: Node) -> None:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            self.problems.at(node, f"'{key}' must be text, this is {kind_of(node)}")

    def _flag(self, key: str, node: Node) -> None:
        if not isinstance(node, Scalar) or not isinstance(node.value, bool):
            self.problems.at(node, f"'{key}' must be true or false, this is {kind_of(node)}")

    def _reference(self, _: str, node: Node) -> None:
        text = node.value if isinstance(node, Scalar) else None
        if not isinstance(text, str) or not (text == "#" or text.startswith("#/")):
            self.problems.at(node, "'$ref' must point inside this schema", "write #/$defs/name")
            return
        target = self.root
        for part in text.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(target, dict) or key not in target:
                self.problems.at(node, f"'$ref' leads nowhere: there is no '{key[:60]}'")
                return
            target = target[key]

    def _dependent(self, key: str, node: Node) -> None:
        mapping = as_mapping(self.problems, node, f"'{key}'")
        for below in mapping.entries.values() if mapping else ():
            self._required(key, below)

    def _enum(self, key: str, node: Node) -> None:
        items = as_items(self.problems, node, f"'{key}'")
        if items is not None and not items:
            self.problems.at(node, f"'{key}' is empty")

    def _pattern(self, _: str, node: Node) -> None:
        self._text("pattern", node)
        if isinstance(node, Scalar) and isinstance(node.value, str):
            self._regex(node.value, node)

    def _regex(self, pattern: str, node: Node) -> None:
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            self.problems.at(node, f"not a regular expression: {error}")

    def _required(self, key: str, node: Node) -> None:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            hint = "an input is required unless it has a default; of an object list the required properties"
            self.problems.at(node, f"'{key}' must be a list of names", hint)
            return
        for item in as_items(self.problems, node, f"'{key}'") or ():
            if not isinstance(item, Scalar) or not isinstance(item.value, str):
                self.problems.at(item, f"'{key}' lists names, this is {kind_of(item)}")

    def _type(self, _: str, node: Node) -> None:
        for item in node.items if isinstance(node, Sequence) else [node]:
            text = item.value if isinstance(item, Scalar) else None
            if not isinstance(text, str):
                self.problems.at(item, f"'type' must be text, this is {kind_of(item)}", "put it in quotes")
            elif text not in TYPES:
                self.problems.at(item, f"unknown type '{text[:60]}'", suggest(ALIASES.get(text, text), TYPES))


ALIASES = {
    "str": "string", "text": "string", "int": "integer", "float": "number", "bool": "boolean", "dict": "object",
    "map": "object", "list": "array",
}  # fmt: skip


def _near(key: str) -> str:
    hint = suggest(key, KEYWORDS)
    return hint if hint.startswith("did") else ""
