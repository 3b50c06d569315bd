"""Reads what an agent's model may call."""

from __future__ import annotations

from orchestrator.domain.worker import CALLABLE, LONGEST_TOOL_NAME, MAX_TURNS, RESERVED, tool_name
from orchestrator.workflow.fields import as_items, as_text
from orchestrator.workflow.step_draft import StepReading
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.yaml_nodes import Node


def read_tools(step: StepReading) -> None:
    """`tools` and `max_turns`."""
    node, turns = step.fields.node("tools"), step.fields.integer("max_turns")
    if node is None:
        step.fields.forbid(("max_turns",), "goes only with 'tools'", "without them a model is asked once")
        return
    items = as_items(step.problems, node, "'tools'", "write [research.search]")
    if items == []:
        step.problems.at(node, "'tools' is empty", "leave it out")
    names: list[str] = []
    for item in items or ():
        name = _tool(step, item)
        if name is not None and name in names:
            step.problems.at(item, f"tool '{name[:80]}' is listed twice")
        elif name is not None:
            names.append(name)
    step.values["tools"] = tuple(names)
    step.values["max_turns"] = turns or MAX_TURNS


def _tool(step: StepReading, node: Node) -> str | None:
    name, catalogue = as_text(step.problems, node, "a tool"), step.reading.catalogue
    if name is None:
        return None
    card = None if catalogue is None else catalogue.get(name)
    if name.startswith(RESERVED):
        step.problems.at(node, f"'{name}' is no tool")
    elif card is not None and card.kind not in CALLABLE:
        step.problems.at(node, f"'{name}' is a {card.kind}, not a tool")
    elif catalogue is not None and card is None:
        known = [other.name for other in catalogue.values() if other.kind in CALLABLE]
        step.problems.at(node, f"unknown tool '{name[:80]}'", suggest(name, known))
    elif len(tool_name(name)) > LONGEST_TOOL_NAME:
        step.problems.at(node, f"tool '{name}' has a longer name than models take: {LONGEST_TOOL_NAME} characters")
    return name
