"""Reads `foreach`: the list, the name of its elements, and what becomes of those that fail."""

from __future__ import annotations

from typing import Any

from orchestrator.workflow.fields import Fields, as_items, as_mapping, as_name
from orchestrator.workflow.language import FOREACH
from orchestrator.workflow.model import ForeachSpec
from orchestrator.workflow.reading import CEL_WORDS, IDENTIFIER, IDENTIFIER_MEANS
from orchestrator.workflow.step_draft import StepReading
from orchestrator.workflow.yaml_nodes import Scalar, kind_of

RESERVED = frozenset({"inputs", "steps", "run", "with", "index", "input", "output", "error", "previous"})


def read_foreach(step: StepReading) -> None:
    """`foreach` of a step; sets what the expressions of one item see."""
    node = step.fields.node("foreach")
    hint = "write {items: ${{ … }}, as: item}"
    mapping = as_mapping(step.problems, node, "'foreach'", hint) if node is not None else None
    if mapping is None:
        return
    fields = Fields(step.problems, mapping, "'foreach'", known=FOREACH)
    items = _items(step, fields)
    name = _item_name(fields)
    policy = fields.choice("on_item_error") or "fail"
    parallel = fields.integer("max_parallel")
    share = fields.number("min_success")
    if share is not None and policy != "collect":
        step.problems.at(mapping.keys["min_success"], "'min_success' goes with 'on_item_error: collect' only")
    step.item_scope = step.scope.plus("index")
    if name is not None:
        step.item_scope = step.scope.plus(name, "index")
        step.values["foreach"] = ForeachSpec(
            items=items, as_=name, max_parallel=parallel,
            on_item_error="collect" if policy == "collect" else "fail", min_success=share,
        )  # fmt: skip


def _items(step: StepReading, fields: Fields) -> Any:
    node = step.draft.items = fields.require("items", "a list, or ${{ … }} that gives one")
    if node is None:
        return None
    if not isinstance(node, Scalar):
        if as_items(step.problems, node, "'items'") is None:
            return None
        return step.uses.template(node, step.scope, "'items'")
    if not isinstance(node.value, str) or "${{" not in node.value:
        step.problems.at(node, f"'items' must be a list, this is {kind_of(node)}", "write ${{ … }}")
        return None
    before = len(step.uses.all)
    step.uses.text(step.problems.text_of(node), step.scope, "'items'", wants="LIST")
    if not all(use.whole for use in step.uses.all[before:]):
        step.problems.at(node, "'items' must be a list, an expression with text around it gives text")
    return node.value


def _item_name(fields: Fields) -> str | None:
    node = fields.require("as", "the name by which 'with' sees an item")
    if node is None:
        return None
    name = as_name(fields.problems, node, "'as'", IDENTIFIER, IDENTIFIER_MEANS)
    if name is not None and (name in RESERVED or name in CEL_WORDS):
        fields.problems.at(node, f"'{name}' has a meaning in expressions already", "choose another name")
        return None
    return name
