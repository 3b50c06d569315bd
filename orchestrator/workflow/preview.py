"""What the inputs alone tell before anything has run: conditions, items, sizes of prompts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.errors import ExpressionError
from orchestrator.workflow.cel_tokens import paths
from orchestrator.workflow.expressions import Expressions
from orchestrator.workflow.model import StepSpec, Workflow
from orchestrator.workflow.templates import template_of, text_of

RUN_ID = "00000000-0000-0000-0000-000000000000"
"""As long as any run's id: what stands for it in the size of a prompt."""

LONGEST_STATUS = "succeeded"
"""No status of a run is longer: what stands for it in the size of a prompt of `finally`."""

MOST_RENDERED = 200
"""Items whose prompts are rendered; the others are taken to be like these on average."""

INSTRUCTION = len("\n\nAnswer with JSON alone, that fits this JSON Schema:\n")


@dataclass(frozen=True, slots=True)
class Known:
    """The value of an expression as far as the inputs decide it.

    Attributes:
        sure: whether they do.
        trouble: why it would fail with these inputs, or an empty string.
        reads: what it waits for, where they do not: `steps.read`.
    """

    sure: bool
    value: Any = None
    trouble: str = ""
    reads: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PromptSize:
    """Bytes and messages of an agent's first call, for one item on average; `reads` are parts that are not in it."""

    size: float
    messages: int
    reads: tuple[str, ...] = ()


class Preview:
    """Evaluates what can be evaluated.

    Args:
        workflow: checked.
        inputs: of the run, with defaults; one that is not there is not known.
        tenant: whose run it would be.
    """

    def __init__(self, workflow: Workflow, inputs: Mapping[str, Any], tenant: str = "default") -> None:
        self._expressions = Expressions()
        run = {"id": RUN_ID, "tenant": tenant, "workflow": workflow.name, "version": workflow.version}
        self._scope: dict[str, Any] = {"inputs": inputs, "run": run}

    def condition(self, spec: StepSpec) -> Known:
        """Whether the step's `when` holds; a step without one is sure to start."""
        if spec.when is None:
            return Known(True, True)
        return self._value(spec.when, self._scope)

    def assignee(self, spec: StepSpec) -> Known:
        """Who would be asked; an empty text where nobody is named."""
        return self._filled(spec.assignee or "", self._scope)

    def with_(self, spec: StepSpec) -> tuple[dict[str, Any], dict[str, Known]]:
        """The parts of a step's `with` that are the same for every item and iteration, and those that are not known."""
        found = {key: self._filled(template, self._scope) for key, template in self._lasting(spec).items()}
        unknown = {key: known for key, known in found.items() if not known.sure}
        return {key: known.value for key, known in found.items() if known.sure}, unknown

    def _lasting(self, spec: StepSpec) -> dict[str, Any]:
        """The step's `with` without what `repeat.with` puts over it in later iterations."""
        overlaid = spec.repeat.with_ if spec.repeat is not None and spec.repeat.max > 1 else {}
        return {key: template for key, template in spec.with_.items() if key not in overlaid}

    def items(self, spec: StepSpec) -> Known:
        """The list of a `foreach`."""
        assert spec.foreach is not None
        known = self._filled(spec.foreach.items, self._scope)
        if known.sure and not isinstance(known.value, list):
            return Known(False, trouble=f"foreach.items is {type(known.value).__name__}, not a list")
        return known

    def prompt(self, spec: StepSpec, items: list[Any] | None) -> PromptSize:
        """The size of an agent's prompt, with its system text and schema.

        Args:
            spec: of kind agent.
            items: the list of its `foreach`, None where it has none or they are not known.
        """
        schema = json.dumps(spec.output, ensure_ascii=False, separators=(",", ":")) if spec.output else ""
        fixed = len(schema.encode()) + INSTRUCTION if schema else 0
        scope = {**self._scope, "run": {**self._scope["run"], "status": LONGEST_STATUS}}
        scopes: list[dict[str, Any]] = [scope]
        if items is not None and spec.foreach is not None:
            name, shown = spec.foreach.as_, items[:MOST_RENDERED]
            scopes = [{**scope, name: item, "index": index} for index, item in enumerate(shown)]
        sizes, reads = [], dict[str, None]()
        for seen_by_item in scopes:
            seen = {**seen_by_item, "with": self._leaves(self._lasting(spec), seen_by_item)}
            size = 0
            for text in (spec.system, spec.prompt):
                length, missing = self._text(text or "", seen)
                size += length
                reads |= dict.fromkeys(missing)
            sizes.append(size)
        messages = 1 + bool(spec.system or schema)
        return PromptSize(fixed + sum(sizes) / max(1, len(sizes)), messages, tuple(reads))

    def _text(self, text: str, scope: Mapping[str, Any]) -> tuple[int, list[str]]:
        size, missing = 0, list[str]()
        for piece in template_of(text).pieces:
            if isinstance(piece, str):
                size += len(piece.encode(errors="replace"))
                continue
            known = self._value(piece.expression, scope)
            if known.sure:
                size += len(text_of(known.value).encode(errors="replace"))
            missing += known.reads
        return size, missing

    def _leaves(self, template: Any, scope: Mapping[str, Any]) -> Any:
        """A rendered `with` without the parts that are not known."""
        if isinstance(template, dict):
            below = {key: self._filled(value, scope) for key, value in template.items()}
            known = {key: found.value for key, found in below.items() if found.sure}
            inner = {key: self._leaves(template[key], scope) for key in below if key not in known}
            return known | {key: value for key, value in inner.items() if isinstance(value, dict)}
        return None

    def _filled(self, template: Any, scope: Mapping[str, Any]) -> Known:
        try:
            return Known(True, self._expressions.render(template, scope))
        except ExpressionError as error:
            return self._unknown(error, scope)

    def _value(self, expression: str, scope: Mapping[str, Any]) -> Known:
        try:
            return Known(True, self._expressions.evaluate(expression, scope))
        except ExpressionError as error:
            return self._unknown(error, scope)

    def _unknown(self, error: ExpressionError, scope: Mapping[str, Any]) -> Known:
        """An expression that fails because it reads what is not there yet; else it would fail in the run, too."""
        given = self._scope["inputs"]
        read = [
            path
            for path in paths(error.expression)
            if path.root == "with"
            or path.root not in scope
            or (path.root == "run" and path.fields and path.fields[0] not in self._scope["run"])
            or (path.root == "inputs" and path.fields and path.fields[0] not in given)
        ]
        # What is none of these is mostly a name of a macro's own.
        later = [path for path in read if path.root in ("steps", "with", "inputs", "run")]
        reads = dict.fromkeys(".".join((path.root, *path.fields[:1])) for path in later or read)
        return Known(False, reads=tuple(reads)) if reads else Known(False, trouble=error.message)
