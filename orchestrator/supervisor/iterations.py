"""A step's `repeat`: whether a valid output was the last, as its `until` says."""

from __future__ import annotations

from dataclasses import replace

from orchestrator.domain import event as events
from orchestrator.domain.item import ItemState, by_rule
from orchestrator.domain.repetition import on_iterated
from orchestrator.errors import ExpressionError
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.ending import expression_error
from orchestrator.supervisor.rules import chooser
from orchestrator.workflow import StepSpec


async def iterated(draft: Draft, spec: StepSpec, item: ItemState) -> ItemState:
    """What becomes of an item that has SUCCEEDED with the output of one iteration."""
    repeat, context = spec.repeat, draft.context
    assert repeat is not None and item.output is not None and item.with_ is not None
    values = await context.payloads.values(context.tenant, [item.output, item.with_])
    variables = {
        **await context.scope(draft.base, spec),
        "output": values[item.output.sha256],
        "input": values[item.with_.sha256],
        "iteration": item.iteration,
    }
    choose = await chooser(draft, spec)
    try:
        done = context.truth(repeat.until, variables, "until")
    except ExpressionError as problem:
        error = expression_error(problem)
        return by_rule(replace(item, error=error), error, choose)
    data = {"iteration": item.iteration, "until": done, "max": repeat.max}
    key = f"{events.STEP_ITERATION}/{spec.id}/{item.iteration}"
    draft.say(events.STEP_ITERATION, spec.id, data, attempt=item.attempt, key=key)
    return on_iterated(item, repeat.max, done=done, until=repeat.until, choose=choose)
