"""Reads `budget`: limits of money, tokens and time, and what happens once one is reached."""

from __future__ import annotations

from orchestrator.domain.budget import Budget, OnExceed
from orchestrator.workflow.fields import Fields, as_mapping
from orchestrator.workflow.language import BUDGET, LIMITS
from orchestrator.workflow.problems import Problems
from orchestrator.workflow.yaml_nodes import Mapping, Node, Scalar


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


def read_attempt_budget(problems: Problems, node: Node) -> Budget | None:
    """What each attempt of a step may use: money and tokens. Its `on_exceed` is PAUSE where the run's counts."""
    budget = read_budget(problems, node)
    entries = node.entries if isinstance(node, Mapping) else {}
    if "wall" in entries:
        problems.at(entries["wall"], "an attempt has no 'wall'", "write timeout: {attempt: 10m} at the step")
    said = entries.get("on_exceed")
    if said is not None and isinstance(said, Scalar) and said.value == OnExceed.PAUSE:
        problems.at(said, "the budget of a step does not pause", "leave out on_exceed: then that of the run counts")
    return budget


def _on_exceed(fields: Fields) -> OnExceed:
    word = fields.choice("on_exceed")
    return OnExceed.PAUSE if word is None else OnExceed(word)
