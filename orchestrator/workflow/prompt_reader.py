"""Reads prompts: text, or a file's text."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.workflow.fields import Fields, as_text
from orchestrator.workflow.language import PROMPT_FILE
from orchestrator.workflow.problems import LocatedText
from orchestrator.workflow.reading import Reading
from orchestrator.workflow.step_draft import StepReading
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar


def read_prompts(step: StepReading) -> None:
    """`prompt` and `system`; `with` must have been read, because they see its fields."""
    scope = replace(step.item_scope.plus("with"), with_keys=step.draft.with_keys)
    if "prompt" not in step.fields:
        step.needs("prompt", "text, or {file: prompts/x.md}")
    for key in ("prompt", "system"):
        text = read_prompt(step.reading, step.fields.node(key), key)
        if text is not None:
            step.uses.text(text, scope, f"'{key}'")
            step.values[key] = text.text


def read_prompt(reading: Reading, node: Node | None, key: str) -> LocatedText | None:
    """The text at a node, or that of the file which it names; None after a mistake."""
    if isinstance(node, Mapping):
        fields = Fields(reading.problems, node, f"'{key}'", known=PROMPT_FILE)
        file = fields.require("file")
        return None if file is None else reading.prompt_file(file)
    if node is None or as_text(reading.problems, node, f"'{key}'") is None or not isinstance(node, Scalar):
        return None
    return reading.problems.text_of(node)
