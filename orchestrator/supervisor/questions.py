"""What a person is asked, and for how long: questions are attempts that nobody claims."""

from __future__ import annotations

from typing import Any

from orchestrator.domain.item import ItemState
from orchestrator.supervisor.context import item_scope
from orchestrator.supervisor.draft import Draft
from orchestrator.workflow import StepSpec


async def question(draft: Draft, spec: StepSpec, item: ItemState) -> dict[str, Any]:
    """The input of an attempt that waits for a person; a step of another kind asks for its output.

    Raises:
        ExpressionError: `assignee` does not evaluate.
    """
    context = draft.context
    assert item.with_ is not None, "an item is prepared before it is sent"
    rejected = None if item.rejected is None else await context.payloads.value(context.tenant, item.rejected)
    return {
        "form": spec.output if spec.output is not None else spec.form,
        "with": await context.payloads.value(context.tenant, item.with_),
        "assignee": await _assignee(draft, spec, item),
        "description": spec.description,
        "feedback": list(item.feedback),
        "rejected": rejected,
        "verdicts": [
            {"validator": said.validator, "passed": said.passed, "score": said.score, "message": said.message}
            for said in item.verdicts
        ],
    }


def expires_at(spec: StepSpec, now: float) -> float | None:
    """When an answer is no longer waited for (Unix seconds), None for never."""
    return None if spec.expires is None else now + spec.expires.after


async def _assignee(draft: Draft, spec: StepSpec, item: ItemState) -> str | None:
    if spec.assignee is None:
        return None
    context = draft.context
    scope = await context.scope(draft.state(), spec)
    items = draft.step(spec.id).items
    if items is not None:
        values = await context.payloads.value(context.tenant, items)
        scope = item_scope(spec, scope, item.index, values[item.index])
    return context.expressions.render_text(spec.assignee, scope)
