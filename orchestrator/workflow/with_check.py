"""Checks `with` against the worker's input model: keys, literal values, and what expressions give, also nested."""

from __future__ import annotations

from typing import Any

from orchestrator.errors import ExpressionError
from orchestrator.workflow.json_schema import value_problems
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.shapes import Shape, conflict
from orchestrator.workflow.step_draft import StepDraft
from orchestrator.workflow.step_shapes import StepShapes
from orchestrator.workflow.suggestions import nearest, suggest
from orchestrator.workflow.templates import template_of
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar, Sequence, json_of, trap


def check_with(problems: Problems, draft: StepDraft, shapes: StepShapes) -> None:
    """Note every value in `with` that the worker or the workflow cannot take, and every one that it lacks."""
    signature = draft.signature
    takes = signature.takes.resolved() if signature and signature.takes else None
    if signature is None or takes is None:
        return
    check, who = _WithCheck(problems, draft, shapes), signature.called
    check.given(draft.with_node, takes, who, "")
    check.missing(draft.with_node, draft.with_node or draft.place or draft.key, takes, who, "")
    check.given(draft.again, takes, who, "")


class _WithCheck:
    """The values of one step's `with`. `who` takes them; `path` is empty for `with` itself."""

    def __init__(self, problems: Problems, draft: StepDraft, shapes: StepShapes) -> None:
        self.problems, self.shapes = problems, shapes
        foreach = draft.values.get("foreach")
        own = (foreach.as_, "index") if foreach else ("previous", "iteration")
        self.names = shapes.names(draft, draft.scope.plus(*own))

    def given(self, node: Mapping | None, shape: Shape, who: str, path: str) -> None:
        """Note unknown keys, and values of a wrong type."""
        known = shape.fields
        for name, below in node.entries.items() if node is not None else ():
            if node is not None and known is not None and name not in known:
                self.problems.at(node.keys[name], f"{who} takes no '{name[:60]}'", suggest(name, known))
            field = shape.at(name)
            if field is not None:
                self._value(below, field, f"{path}.{name}".lstrip("."))

    def missing(self, node: Mapping | None, where: Node, shape: Shape, who: str, path: str) -> None:
        """Note required keys that are not there."""
        given, known = node.entries if node is not None else {}, shape.fields
        misspelt = {nearest(name, known) for name in given if name not in known} if known else set()
        for name in shape.schema.get("required", ()) if shape.plain else ():
            if name not in given and name not in misspelt:
                self.problems.at(where, f"{who} needs '{name}'" + ("" if path else " in 'with'"))

    def _value(self, node: Node, shape: Shape, name: str) -> None:
        if isinstance(node, Mapping) and shape.plain and shape.kinds == {"object"} and "properties" in shape.schema:
            self.given(node, shape, f"'{name}'", name)
            self.missing(node, node, shape, f"'{name}'", name)
        elif is_literal(node):
            self._literal(node, shape, name)
        elif isinstance(node, Sequence) and shape.kinds == {"array"} and shape.items is not None:
            for index, item in enumerate(node.items):
                self._value(item, shape.items, f"{name}[{index}]")
        elif isinstance(node, Scalar) and _embedded(node):
            if shape.kinds and "string" not in shape.kinds:
                kinds = " or ".join(sorted(shape.kinds))
                self.problems.at(node, f"'{name}' must be {kinds}, text with an expression inside is a string")
        else:
            found = conflict(self.shapes.of_node(node, self.names), shape, name)
            if found:
                self.problems.at(node, found)

    def _literal(self, node: Node, shape: Shape, name: str) -> None:
        value = json_of(node)
        if _fits(value, shape):
            return
        definitions = {"$defs": shape.root["$defs"]} if "$defs" in shape.root else {}
        for problem in value_problems({**shape.schema, **definitions}, value):
            self.problems.at(node, f"'{name}': {problem}", trap(node, shape.kinds))


def is_literal(node: Node) -> bool:
    """Whether a value holds no expression at all."""
    if isinstance(node, Mapping):
        return all(map(is_literal, node.entries.values()))
    if isinstance(node, Sequence):
        return all(map(is_literal, node.items))
    return not (isinstance(node, Scalar) and isinstance(node.value, str) and "${{" in node.value)


def _fits(value: Any, shape: Shape) -> bool:
    """Whether a value fits a schema that says nothing but the simplest: the common case, without a validator."""
    field = shape.schema
    simple = not (field.keys() - {"type", "title", "description", "default"})
    kinds = {"string": str, "boolean": bool, "array": list, "object": dict, "integer": int}
    kind = kinds.get(str(field.get("type")))
    return simple and kind is not None and type(value) is kind


def _embedded(node: Scalar) -> bool:
    """Whether text holds more than one whole expression."""
    try:
        return template_of(node.text).whole is None and "$${{" not in node.text
    except ExpressionError:
        return False
