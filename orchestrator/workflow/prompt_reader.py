"""Reads the prompts of an agent: text, or a file's text."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.workflow.fields import Fields, as_text
from orchestrator.workflow.language import PROMPT_FILE
from orchestrator.workflow.problems import LocatedText
from orchestrator.workflow.step_draft import StepReading
from orchestrator.workflow.yaml_nodes import Mapping, Scalar


def read_prompts(step: StepReading) -> None:
    """`prompt` and `system`; `with` must have been read, because they see its fields."""
    given = step.draft.with_node.entries.keys() if step.draft.with_node else frozenset()
    scope = replace(step.item_scope.plus("with"), with_keys=step.draft.later_keys | given)
    if "prompt" not in step.fields:
        step.needs("prompt", "text, or {file: prompts/x.md}")
    for key in ("prompt", "system"):
        text = _prompt(step, key)
        if text is not None:
            step.uses.text(text, scope, f"'{key}'")
            step.values[key] = text.text


def _prompt(step: StepReading, key: str) -> LocatedText | None:
    node = step.fields.node(key)
    if isinstance(node, Mapping):
        fields = Fields(step.problems, node, f"'{key}'", known=PROMPT_FILE)
        file = fields.require("file")
        return None if file is None else step.reading.prompt_file(file)
    if node is None or as_text(step.problems, node, f"'{key}'") is None or not isinstance(node, Scalar):
        return None
    return step.problems.text_of(node)
