"""The `admit` and `plan` nodes: make the run known, and lay out its steps."""

from __future__ import annotations

from langgraph.runtime import Runtime

from orchestrator.domain import event as events
from orchestrator.domain.run import Patch, StepState
from orchestrator.store import inbox
from orchestrator.supervisor.accounting import open_account
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.state import SupervisorState, SupervisorUpdate


async def admit(state: SupervisorState, runtime: Runtime[RunContext]) -> SupervisorUpdate:
    """Show every step as waiting, and say that the run has started."""
    context = runtime.context
    draft = Draft(context, state["run"])
    for step in context.workflow.all_steps:
        draft.put_step(StepState(step, final=step in context.workflow.finally_))
    data = {"workflow": context.workflow.name, "version": context.workflow.version}
    draft.say(events.RUN_STARTED, "", data, key=events.RUN_STARTED)
    await draft.write(context.database)
    return {"run": draft.patch(started_at=context.clock(), account=open_account(context))}


async def plan(state: SupervisorState, runtime: Runtime[RunContext]) -> SupervisorUpdate:
    """The steps that need nothing are the first candidates, unless the run was cancelled before it began."""
    context = runtime.context
    rows = await inbox.read_inbox(context.database, context.run_id)
    if any(row.kind == inbox.CANCEL for row in rows):
        return {"run": Patch(cancelled=True, consumed=tuple(row.id for row in rows))}
    return {"run": Patch(candidates=tuple(spec.id for spec in context.workflow.steps.values() if not spec.needs))}
