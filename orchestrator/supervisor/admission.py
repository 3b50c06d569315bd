"""Admission: show every step as waiting, say that the run has started, and find the first candidates."""

from __future__ import annotations

from orchestrator.domain import event as events
from orchestrator.domain.run import StepState
from orchestrator.store import inbox
from orchestrator.supervisor.accounting import open_account
from orchestrator.supervisor.draft import Draft


async def admit(draft: Draft) -> None:
    """Lay out the steps; those that need nothing are the first candidates, unless the run was cancelled before."""
    context = draft.context
    for step in context.workflow.all_steps:
        draft.put_step(StepState(step, final=step in context.workflow.finally_))
    data = {"workflow": context.workflow.name, "version": context.workflow.version}
    draft.say(events.RUN_STARTED, "", data, key=events.RUN_STARTED)
    draft.put(started_at=context.clock())
    if (account := open_account(context)) is not None:
        draft.put(account=account)
    rows = await context.inbox.ask(context.run_id)
    draft.consumed += [row.id for row in rows]
    if any(row.kind == inbox.CANCEL for row in rows):
        draft.put(cancelled=True)
    else:
        draft.candidates += [spec.id for spec in context.workflow.steps.values() if not spec.needs]
