"""Reads `budget`: limits of money, tokens and time, and what happens once one is reached."""

from __future__ import annotations

from orchestrator.domain.budget import Budget, OnExceed
from orchestrator.workflow.fields import NOT_YET, Fields, as_mapping
from orchestrator.workflow.language import BUDGET, LIMITS
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.yaml_nodes import Node, Scalar


def read_budget(problems: Problems, node: Node) -> Budget | None:
    """A budget with one limit at least."""
    mapping = as_mapping(problems, node, "'budget'", "write {usd: 1.50}")
    if mapping is None:
        return None
    fields = Fields(problems, mapping, "'budget'", known=BUDGET)
    budget = Budget(
        usd=fields.amount("usd"), tokens=fields.integer("tokens"), wall=fields.duration("wall"),
        on_exceed=_on_exceed(fields),
    )  # fmt: skip
    if all(map(fields.lacks, LIMITS)):
        problems.at(mapping, "'budget' has no limit", "give usd, tokens or wall")
    return budget


def _on_exceed(fields: Fields) -> OnExceed:
    node = fields.node("on_exceed")
    if isinstance(node, Scalar) and node.value == "downgrade":
        fields.problems.at(node, f"'on_exceed: downgrade' {NOT_YET}", f"known: {', '.join(sorted(OnExceed))}")
        return OnExceed.PAUSE
    word = fields.choice("on_exceed")
    return OnExceed.PAUSE if word is None else OnExceed(word)
