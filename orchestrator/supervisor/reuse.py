"""A fork's beginning: what it takes over from the run that it was forked from, by reference; and its overlay."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.domain import event as events
from orchestrator.domain.fork import Fork, reusable, reused_item, reused_step
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.run import RunState, StepState
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft


async def reuse(draft: Draft, fork: Fork) -> None:
    """Take over what the source has settled and the fork does not do again. What `finally` did is never taken over.

    It is read from the source's checkpoint, which may go on meanwhile: what is taken over is what stands there now, and
    it is committed with the run's own first checkpoint or not at all.
    """
    context, source = draft.context, draft.context.run.forked_from
    assert source is not None, "a fork has a source"
    state = await context.state_of(source)
    if state is None:
        message = f"nothing is known any more of run {source}, which this run was forked from"
        draft.put(stopped=ErrorInfo("fork_source_gone", "error", message))
        return
    steps = context.workflow.steps
    statuses = {step: state.steps[step].status for step in steps if step in state.steps}
    for step in reusable(statuses, {step: spec.needs for step, spec in steps.items()}, fork.steps):
        _take_over(draft, state, reused_step(state.steps[step], source, context.clock()))


def _take_over(draft: Draft, state: RunState, step: StepState) -> None:
    """Put a reused step into the draft, with the items that its output is put together from."""
    draft.put_step(step)
    if step.total is not None:
        for item in state.items.get(step.id, {}).values():
            draft.put_item(reused_item(item))
    data = {
        "from": str(step.reused_from),
        "status": str(step.status),
        "items": step.total,
        "items_failed": step.failed,
        "error": step.error.as_json() if step.error else None,
    }
    draft.say(events.STEP_REUSED, step.id, data, key=f"{events.STEP_REUSED}/{step.id}")


def render_with(
    context: RunContext, step: str, template: Mapping[str, Any], variables: Mapping[str, Any]
) -> dict[str, Any]:
    """A step's `with` with its expressions evaluated, and what a fork lays over it, as it was given.

    Raises:
        ExpressionError: an expression does not evaluate; those that are laid over are not tried.
    """
    fork = context.run.fork
    overlay = {} if fork is None else fork.overlay(step)
    if not overlay:
        rendered: dict[str, Any] = context.expressions.render(template, variables)
        return rendered
    kept = {name: value for name, value in template.items() if name not in overlay}
    values = context.expressions.render(kept, variables)
    in_order = {name: overlay[name] if name in overlay else values[name] for name in template}
    return {**in_order, **overlay}
