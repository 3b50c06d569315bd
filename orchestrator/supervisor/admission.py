"""The `admit` and `plan` nodes: make the run known, and lay out its steps."""

from __future__ import annotations

from langgraph.runtime import Runtime

from orchestrator.domain import event as events
from orchestrator.domain.run import Patch, StepState
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.state import SupervisorState, SupervisorUpdate


async def admit(state: SupervisorState, runtime: Runtime[RunContext]) -> SupervisorUpdate:
    """Show every step as waiting, and say that the run has started."""
    context = runtime.context
    draft = Draft(context, state["run"])
    for step in context.workflow.steps:
        draft.put_step(StepState(step))
    data = {"workflow": context.workflow.name, "version": context.workflow.version}
    draft.say(events.RUN_STARTED, "", data, key=events.RUN_STARTED)
    await draft.write(context.database)
    return {"run": draft.patch(started_at=context.clock())}


async def plan(state: SupervisorState, runtime: Runtime[RunContext]) -> SupervisorUpdate:
    """The steps that need nothing are the first candidates."""
    roots = tuple(spec.id for spec in runtime.context.workflow.steps.values() if not spec.needs)
    return {"run": Patch(candidates=roots)}
