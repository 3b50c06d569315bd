"""Reads what goes into a step: `with`, and `repeat`, which puts other values over it from the second time on."""

from __future__ import annotations

from typing import Any

from orchestrator.workflow.fields import Fields, as_mapping
from orchestrator.workflow.language import REPEAT
from orchestrator.workflow.model import RepeatSpec
from orchestrator.workflow.step_draft import StepReading
from orchestrator.workflow.yaml_nodes import Mapping


def read_with(step: StepReading) -> None:
    """`with`, whose expressions see one item."""
    node = step.fields.node("with")
    mapping = as_mapping(step.problems, node, "'with'") if node is not None else None
    if mapping is not None:
        step.draft.with_node = mapping
        step.values["with_"] = step.uses.template(mapping, step.item_scope, "'with'")


def read_repeat(step: StepReading) -> None:
    """`repeat`: when it ends, and what the next iteration is given."""
    node = step.fields.node("repeat")
    mapping = as_mapping(step.problems, node, "'repeat'", "write {until: …, max: 3}") if node is not None else None
    if mapping is None:
        return
    if "foreach" in step.fields:
        hint = "repeat in a workflow of its own, and let 'kind: workflow' run that for each item"
        step.problems.at(step.fields.mapping.keys["repeat"], "'repeat' does not go together with 'foreach'", hint)
    fields = Fields(step.problems, mapping, "'repeat'", known=REPEAT)
    until = _until(step, fields)
    fields.require("max", "the most iterations")
    most = fields.integer("max")
    overlay = _overlay(step, fields)
    if until is not None and most is not None:
        step.values["repeat"] = RepeatSpec(until=until, max=most, with_=overlay)


def _until(step: StepReading, fields: Fields) -> str | None:
    node = fields.require("until", "what must be true of 'output'")
    if node is None:
        return None
    until = step.uses.condition(node, step.scope.plus("output", "input", "iteration"), "'until'")
    if until is not None and until.strip() == "false":
        step.problems.at(node, "'until' is always false, so the step fails after its last iteration")
    return until


def _overlay(step: StepReading, fields: Fields) -> Any:
    node = fields.node("with")
    mapping = as_mapping(step.problems, node, "'repeat.with'") if node is not None else None
    if not isinstance(mapping, Mapping):
        return {}
    step.draft.again = mapping
    return step.uses.template(mapping, step.scope.plus("previous", "iteration"), "'repeat.with'")
