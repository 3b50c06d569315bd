"""What is known of inputs, of steps' outputs and of the variables that a step's expressions see."""

from __future__ import annotations

from collections.abc import Mapping as Dict
from typing import Any

from orchestrator.domain.policy import RemedyKind, RuleKind
from orchestrator.errors import ExpressionError
from orchestrator.workflow.cel_tree import tree_of
from orchestrator.workflow.expression_types import ExpressionTypes
from orchestrator.workflow.expressions import Expressions
from orchestrator.workflow.shapes import Shape, either, list_of, object_of, of_kind, of_value
from orchestrator.workflow.step_draft import StepDraft
from orchestrator.workflow.templates import template_of
from orchestrator.workflow.uses import EVERYWHERE, RUN_FIELDS, Scope
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar, Sequence

TEXT = of_kind("string")
RUN = object_of(dict.fromkeys(RUN_FIELDS, TEXT))
OVER = object_of({**dict.fromkeys(RUN_FIELDS, TEXT), "status": Shape({"enum": ["succeeded", "failed", "cancelled"]})})
"""`run` as `finally` sees it."""
ERROR = object_of(dict.fromkeys(("code", "class", "message", "detail"), TEXT))
STATUS = Shape({"enum": ["succeeded", "failed", "skipped", "cancelled"]})
CEL_KINDS = {"INT": "integer", "UINT": "integer", "DOUBLE": "number", "STRING": "string", "BOOL": "boolean"}
CHECKER = Expressions()


class StepShapes:
    """The shapes of one workflow."""

    def __init__(self, inputs: dict[str, dict[str, Any]], steps: Dict[str, StepDraft]) -> None:
        self.inputs = inputs
        self.steps = steps
        self._inputs = object_of({name: Shape(schema, schema) for name, schema in inputs.items()})
        self._names: dict[str, dict[str, Shape | None]] = {}

    def of_step(self, name: str, attribute: str) -> Shape | None:
        """The shape of `steps.NAME.ATTRIBUTE`."""
        draft = self.steps.get(name)
        if attribute != "output":
            return {"status": STATUS, "error": ERROR}.get(attribute)
        if draft is None:
            return None
        shape = self._output(draft)
        foreach = draft.values.get("foreach")
        if foreach is None:
            return shape
        if foreach.on_item_error == "collect":
            return list_of(object_of({"ok": of_kind("boolean"), "value": shape, "error": None}))
        return list_of(shape)

    def names(self, draft: StepDraft | None, scope: Scope) -> dict[str, Shape | None]:
        """The shapes of the variables that an expression sees; of those that are not known, None."""
        known: dict[str, Shape | None] = {"inputs": self._inputs, "run": OVER if scope.ending else RUN}
        if draft is not None:
            if draft.id not in self._names:
                self._names[draft.id] = self._of_draft(draft)
            known = {**known, **self._names[draft.id]}
            if "with" in scope.names or "input" in scope.names:
                known["with"] = known["input"] = self._input(draft, known)
        return {name: shape for name, shape in known.items() if name in scope.names or name in EVERYWHERE}

    def _input(self, draft: StepDraft, names: Dict[str, Shape | None]) -> Shape | None:
        """What `with` gives, in any iteration."""
        first = self.of_node(draft.with_node, names) if draft.with_node else None
        if draft.again is None:
            return first
        given = draft.with_node.entries if draft.with_node else {}
        fields = {name: self.of_node(node, names) for name, node in given.items()}
        for name, node in draft.again.entries.items():
            again = self.of_node(node, names)
            fields[name] = either(fields[name], again) if name in fields else again
        return object_of(fields)

    def of_node(self, node: Node, names: Dict[str, Shape | None]) -> Shape | None:
        """What a template gives."""
        if isinstance(node, Mapping):
            return object_of({key: self.of_node(below, names) for key, below in node.entries.items()})
        if isinstance(node, Sequence):
            shapes = [self.of_node(item, names) for item in node.items]
            kinds = {shape.kinds if shape else frozenset() for shape in shapes}
            return list_of(shapes[0] if len(shapes) == 1 else of_kind(*kinds.pop()) if len(kinds) == 1 else None)
        value = node.value if isinstance(node, Scalar) else None
        if not isinstance(value, str) or "${{" not in value:
            return of_value(value)
        try:
            whole = template_of(value).whole
        except ExpressionError:
            return None
        return TEXT if whole is None else self.of_expression(whole, names)

    def of_expression(self, expression: str, names: Dict[str, Shape | None]) -> Shape | None:
        """What an expression gives: what CEL knows, or else what schemas tell."""
        tree = tree_of(expression)
        if tree is None:
            return None
        return ExpressionTypes(self.of_step).shape(tree, names)

    def _output(self, draft: StepDraft) -> Shape | None:
        """A step's output (of a `foreach` one item's); None where something may put another in its place."""
        schema = draft.values.get("output")
        rules, remedies = draft.values.get("on_error", ()), draft.values.get("on_invalid", ())
        if any(rule.output is not None for rule in rules):
            return None
        if schema is not None:
            return Shape(schema, schema)
        others = any(rule.kind is RuleKind.ESCALATE for rule in rules)
        if others or any(remedy.kind is RemedyKind.ESCALATE for remedy in remedies):
            return None
        return draft.signature.gives if draft.signature else None

    def _of_draft(self, draft: StepDraft) -> dict[str, Shape | None]:
        outside: dict[str, Shape | None] = {"inputs": self._inputs, "run": RUN}
        output = self._output(draft)
        found: dict[str, Shape | None] = {"output": output, "error": ERROR, "index": of_kind("integer")}
        if draft.values.get("repeat") is not None:
            found |= {"previous": object_of({"output": output}), "iteration": of_kind("integer")}
        foreach = draft.values.get("foreach")
        if foreach is not None:
            items = self.of_node(draft.items, outside) if draft.items is not None else None
            items = items and items.resolved()
            found[foreach.as_] = items.items if items is not None and items.kinds == {"array"} else None
        return found
