"""How a step's `on_error` picks its rule, and what a rule's output is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.domain.item import ChooseRule
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.policy import ErrorRule, RuleKind
from orchestrator.errors import ExpressionError
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft
from orchestrator.workflow import StepSpec


async def chooser(draft: Draft, spec: StepSpec) -> ChooseRule:
    """How `on_error` picks its rule; a `continue` rule's output is stored on the way."""
    context = draft.context
    scope = await context.scope(draft.state(), spec) if spec.on_error else {}

    def choose(error: ErrorInfo, used: tuple[int, ...]) -> tuple[int, ErrorRule] | None:
        variables = {**scope, "error": error.as_json()}
        for place, rule in enumerate(spec.on_error):
            if place not in used and _applies(context, rule, variables):
                return place, _with_output(draft, rule, variables)
        return None

    return choose


def _with_output(draft: Draft, rule: ErrorRule, variables: dict[str, Any]) -> ErrorRule:
    """A `continue` rule with its output rendered and stored; one that does not evaluate leaves the step failed."""
    if rule.kind is not RuleKind.CONTINUE:
        return rule
    try:
        rendered = draft.context.expressions.render(rule.output, variables)
    except ExpressionError:
        return ErrorRule(RuleKind.FAIL)
    draft.put_value(rendered)
    return replace(rule, output=rendered)


def _applies(context: RunContext, rule: ErrorRule, variables: dict[str, Any]) -> bool:
    if not rule.condition:
        return True
    try:
        return context.expressions.evaluate(rule.condition, variables) is True
    except ExpressionError:
        return False
