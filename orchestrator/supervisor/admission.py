"""Admission: show every step as waiting, say that the run has started, and find the first candidates."""

from __future__ import annotations

from orchestrator.domain import event as events
from orchestrator.domain.run import StepState
from orchestrator.store import inbox
from orchestrator.supervisor.accounting import open_account
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.reuse import reuse
from orchestrator.workflow import StepSpec


async def admit(draft: Draft) -> None:
    """Lay out the steps, a fork's with what it reuses; what may be ready is a candidate, unless it was cancelled."""
    context = draft.context
    for step in context.workflow.all_steps:
        draft.put_step(StepState(step, final=step in context.workflow.finally_))
    data = {"workflow": context.workflow.name, "version": context.workflow.version}
    draft.say(events.RUN_STARTED, "", data, key=events.RUN_STARTED)
    draft.put(started_at=context.clock())
    if (account := open_account(context)) is not None:
        draft.put(account=account)
    if context.run.fork is not None:
        await reuse(draft, context.run.fork)
    rows = await context.inbox.ask(context.run_id)
    draft.consumed += [row.id for row in rows]
    if any(row.kind == inbox.CANCEL for row in rows):
        draft.put(cancelled=True)
    else:
        draft.candidates += [spec.id for spec in context.workflow.steps.values() if _may_start(draft, spec)]


def _may_start(draft: Draft, spec: StepSpec) -> bool:
    """Whether a step is still to be done and may be ready, or may be skipped, already."""
    settled = [draft.step(needed).settled for needed in spec.needs]
    return not draft.step(spec.id).settled and (not settled or any(settled))
