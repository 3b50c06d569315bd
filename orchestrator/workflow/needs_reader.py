"""Reads `needs`: the steps that must have settled first, and the outcomes that will do."""

from __future__ import annotations

from orchestrator.workflow.fields import as_items, as_text
from orchestrator.workflow.model import OUTCOMES
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.suggestions import suggest
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar

Needs = dict[str, tuple[tuple[str, ...], Node]]
"""For each step that is needed the outcomes that will do, and where it is named."""


def read_needs(problems: Problems, node: Node) -> Needs:
    """`needs` as a list of ids, or as a map from id to outcomes."""
    if isinstance(node, Mapping):
        return {name: (_outcomes(problems, below), node.keys[name]) for name, below in node.entries.items()}
    named = isinstance(node, Scalar) and node.text
    hint = f"write [{node.text[:60]}]" if isinstance(node, Scalar) and named else "write [a, b] or {a: [succeeded]}"
    needs: Needs = {}
    for item in as_items(problems, node, "'needs'", hint) or ():
        name = as_text(problems, item, "a step")
        if name is not None:
            needs[name] = (("succeeded",), item)
    return needs


def _outcomes(problems: Problems, node: Node) -> tuple[str, ...]:
    items = as_items(problems, node, "the outcomes that will do", "write [succeeded, skipped]")
    if items is not None and not items:
        problems.at(node, "no outcome will do, so the step could never start")
    found = []
    for item in items or ():
        text = as_text(problems, item, "an outcome")
        if text is not None and text not in OUTCOMES:
            problems.at(item, f"unknown outcome '{text[:60]}'", suggest(text, OUTCOMES))
        elif text is not None:
            found.append(text)
    return tuple(found)
