"""Checks of the whole: every expression against what it may see, every reference, the workers' inputs, cycles."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Mapping as Dict
from typing import Any

from orchestrator.errors import ExpressionError
from orchestrator.workflow.cel_messages import function_hint
from orchestrator.workflow.cel_tokens import Path, bound_names, paths
from orchestrator.workflow.expressions import Expressions
from orchestrator.workflow.graph import cycle
from orchestrator.workflow.json_schema import value_problems
from orchestrator.workflow.model import OUTCOMES
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.step_reader import StepDraft
from orchestrator.workflow.suggestions import nearest, suggest
from orchestrator.workflow.templates import template_of
from orchestrator.workflow.uses import EVERYWHERE, RUN_FIELDS, STEP_FIELDS, Use
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar, Sequence, json_of

CHECKER = Expressions()
WANTED = {"BOOL": "true or false", "LIST": "a list"}
TYPE_WORDS = {
    "INT": "a number",
    "DOUBLE": "a number",
    "UINT": "a number",
    "STRING": "text",
    "BOOL": "true or false",
    "NULL": "null",
}


class ExpressionCheck:
    """Checks expressions against the inputs and steps of one workflow."""

    def __init__(self, problems: Problems, inputs: Iterable[str], steps: Dict[str, StepDraft]) -> None:
        self.problems = problems
        self.inputs = frozenset(inputs)
        self.steps = steps

    def check(self, use: Use) -> None:
        """Note what CEL finds in an expression; if nothing, every name in it that is not known."""
        bound, seen = bound_names(use.expression), EVERYWHERE | use.scope.names
        read = [path for path in paths(use.expression) if path.root not in bound]
        kind = self._compile(use, seen | {path.root for path in read})
        for path in read if kind is not None else ():
            self._path(use, path)
        for name in sorted(bound & seen):
            self._note(use, 0, f"a macro's variable is called '{name}', as one that is there already", "rename it")
        if kind not in (None, "DYN") and use.wants and not str(kind).startswith(use.wants):
            gives = TYPE_WORDS.get(str(kind), str(kind).lower())
            self._note(use, 0, f"{use.what} must be {WANTED[use.wants]}, this gives {gives}")

    def _note(self, use: Use, offset: int, message: str, suggestion: str = "") -> None:
        self.problems.inside(use.text, use.start + offset, message, suggestion)

    def _compile(self, use: Use, names: frozenset[str]) -> str | None:
        """The static type of an expression; None after a mistake of its grammar, functions or types."""
        try:
            return CHECKER.result_type(use.expression, names)
        except ExpressionError as error:
            self._note(use, max(error.column - 1, 0), error.message, function_hint(error.message))
            return None

    def _path(self, use: Use, path: Path) -> None:
        seen = EVERYWHERE | use.scope.names
        if path.root not in seen:
            self._note(use, path.start, f"unknown name '{path.root[:60]}'", suggest(path.root, seen))
        elif path.root == "steps":
            self._step(use, path)
        elif path.root == "inputs":
            self._field(use, path, self.inputs, "unknown input")
        elif path.root == "run":
            self._field(use, path, RUN_FIELDS, "unknown field of 'run':")
        elif path.root == "with" and use.scope.with_keys is not None:
            self._field(use, path, use.scope.with_keys, "unknown field of 'with':")

    def _field(self, use: Use, path: Path, known: Iterable[str], what: str) -> None:
        if path.fields and path.fields[0] not in known:
            name = path.fields[0]
            self._note(use, path.parts[0].start, f"{what} '{name[:60]}'", suggest(name, known))

    def _step(self, use: Use, path: Path) -> None:
        if not path.fields:
            self._note(use, path.start, "a step must be named", "write steps.NAME.output")
            return
        name, at = path.fields[0], path.parts[0].start
        if name == use.scope.step:
            hint = "use 'output'" if "output" in use.scope.names else ""
            self._note(use, at, f"step '{name}' reads itself", hint)
        elif name not in self.steps:
            others = [step for step in self.steps if step != use.scope.step]
            self._note(use, at, f"unknown step '{name[:60]}'", suggest(name, others))
        elif len(path.fields) < 2:
            self._note(use, at, f"read a field of step '{name}'", "known: error, output, status")
        elif path.fields[1] not in STEP_FIELDS:
            field = path.fields[1]
            self._note(use, path.parts[1].start, f"a step has no '{field[:60]}'", suggest(field, STEP_FIELDS))
        elif path.fields[1] == "output" and len(path.fields) > 2:
            self._output_field(use, path)

    def _output_field(self, use: Use, path: Path) -> None:
        """A field that the step's output schema does not list can only be a slip."""
        draft, field = self.steps[path.fields[0]], path.fields[2]
        at = path.parts[2].start
        if "foreach" in draft.values:
            self._note(use, at, f"the output of step '{draft.id}' is a list, it has no '{field[:60]}'")
            return
        schema = draft.values.get("output") or (draft.card.output_schema if draft.card else None)
        if schema is None or any(rule.output is not None for rule in draft.values.get("on_error", ())):
            return
        known = closed_fields(schema)
        if known is not None and field not in known:
            self._note(use, at, f"the output of step '{draft.id}' has no '{field[:60]}'", suggest(field, known))


def closed_fields(schema: dict[str, Any]) -> list[str] | None:
    """The properties that a schema lists, None where it may allow others."""
    opening = {"$ref", "allOf", "anyOf", "oneOf", "if", "patternProperties", "$dynamicRef"} & schema.keys()
    if opening or "properties" not in schema or schema.get("additionalProperties", False) is not False:
        return None
    return list(schema["properties"])


def check_with(problems: Problems, draft: StepDraft) -> None:
    """The keys and the literal values of `with` against the worker's input schema."""
    schema = draft.card.input_schema if draft.card else None
    if schema is None or draft.card is None:
        return
    given = draft.with_node.entries if draft.with_node else {}
    where = draft.with_node or draft.place or draft.key
    known = closed_fields(schema)
    for name in given if known is not None and draft.with_node else ():
        if name not in (known or ()):
            at = draft.with_node.keys[name] if draft.with_node else where
            problems.at(at, f"worker '{draft.card.name}' takes no '{name[:60]}'", suggest(name, known or ()))
    misspelt = {nearest(name, known) for name in given if name not in known} if known else set()
    for name in schema.get("required", ()):
        if name not in given and name not in misspelt:
            problems.at(where, f"worker '{draft.card.name}' needs '{name}' in 'with'")
    for name, node in given.items():
        field = schema.get("properties", {}).get(name)
        if isinstance(field, dict) and (is_literal(node) or _is_text(node)):
            _check_literal(problems, node, name, schema, field)


def _check_literal(problems: Problems, node: Node, name: str, schema: dict[str, Any], field: dict[str, Any]) -> None:
    value = json_of(node)
    if not is_literal(node):
        if field.get("type") not in (None, "string") and _embedded(node):
            problems.at(node, f"'{name}' must be {field['type']}, text with an expression inside is a string")
        return
    if _fits(value, field):
        return
    definitions = {"$defs": schema["$defs"]} if "$defs" in schema else {}
    for problem in value_problems({**field, **definitions}, value):
        problems.at(node, f"'{name}': {problem}")


def _fits(value: Any, field: dict[str, Any]) -> bool:
    """Whether a value fits a schema that says nothing but the simplest: the common case, without a validator."""
    simple = not (field.keys() - {"type", "title", "description", "default"})
    kinds = {"string": str, "boolean": bool, "array": list, "object": dict, "integer": int}
    kind = kinds.get(str(field.get("type")))
    return simple and kind is not None and type(value) is kind


def is_literal(node: Node) -> bool:
    """Whether a value holds no expression at all."""
    if isinstance(node, Mapping):
        return all(map(is_literal, node.entries.values()))
    if isinstance(node, Sequence):
        return all(map(is_literal, node.items))
    return not (isinstance(node, Scalar) and isinstance(node.value, str) and "${{" in node.value)


def _is_text(node: Node) -> bool:
    return isinstance(node, Scalar) and isinstance(node.value, str)


def _embedded(node: Node) -> bool:
    """Whether text holds more than one whole expression."""
    try:
        return isinstance(node, Scalar) and template_of(node.text).whole is None and "$${{" not in node.text
    except ExpressionError:
        return False


def settle_needs(problems: Problems, draft: StepDraft, steps: Dict[str, StepDraft]) -> dict[str, tuple[str, ...]]:
    """What a step waits for: inferred from what its expressions read; where `needs` names a step, that decides."""
    for name, (_, node) in draft.needs.items():
        if name == draft.id:
            problems.at(node, f"step '{name}' needs itself")
        elif name not in steps:
            problems.at(
                node, f"unknown step '{name[:60]}'", suggest(name, [step for step in steps if step != draft.id])
            )
    read: dict[str, bool] = {}
    for name, attribute in references(draft.uses):
        if name in steps and name != draft.id:
            read[name] = read.get(name, False) or attribute == "output"
    inferred = {name: ("succeeded",) if output else OUTCOMES for name, output in read.items()}
    explicit = {name: outcomes for name, (outcomes, _) in draft.needs.items() if name in steps and name != draft.id}
    return inferred | explicit


def references(uses: Iterable[Use]) -> list[tuple[str, str]]:
    """The `(step, attribute)` pairs that expressions read, in order, each once."""
    pairs = (
        (path.fields[0], path.fields[1] if len(path.fields) > 1 else "")
        for use in uses
        for path in paths(use.expression)
        if path.root == "steps" and path.fields
    )
    return list(dict.fromkeys(pairs))


def check_cycle(problems: Problems, needs: Dict[str, Dict[str, Any]], steps: Dict[str, StepDraft]) -> None:
    """Note a circle of steps that wait for each other, as a path."""
    found = cycle(needs)
    if found:
        problems.at(steps[found[0]].key, f"steps wait for each other: {' → '.join(found)}")
