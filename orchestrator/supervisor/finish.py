"""The `close` and `finish` nodes: the run's status, its outputs, and word to whoever waits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from langgraph.runtime import Runtime

from orchestrator.domain import event as events
from orchestrator.domain.event import Event
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.run import Ending, Patch, RunState, RunStatus, StepStatus, run_status
from orchestrator.errors import ExpressionError
from orchestrator.store import Database, attempts, runs, steps
from orchestrator.store.events import append_events
from orchestrator.store.runs import Ownership, RunRow
from orchestrator.supervisor.children import end
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.ending import expression_error
from orchestrator.supervisor.signals import Signals
from orchestrator.supervisor.spans import record_run
from orchestrator.supervisor.state import SupervisorState, SupervisorUpdate

if TYPE_CHECKING:
    from orchestrator.domain.identity import ProcessId, RunId
    from orchestrator.store.database import Connection


async def close(state: SupervisorState, runtime: Runtime[RunContext]) -> SupervisorUpdate:
    """The steps have settled: fix what the run came to, and begin with `finally`."""
    context = runtime.context
    draft = Draft(context, state["run"])
    ending = await _conclude(draft)
    if not draft.empty:
        await draft.write(context.database)
    finals = tuple(spec.id for spec in context.workflow.finally_.values() if not spec.needs)
    return {"run": Patch(ending=ending, candidates=finals)}


async def finish(state: SupervisorState, runtime: Runtime[RunContext]) -> SupervisorUpdate:
    """End the run, and with it the attempt that it carried out for a parent."""
    context = runtime.context
    draft = Draft(context, state["run"])
    ending = state["run"].ending or await _conclude(draft)
    data = {"status": str(ending.status), "error": ending.error.as_json() if ending.error else None}
    draft.say(events.RUN_FINISHED, "", data, key=events.RUN_FINISHED)
    async with context.database.transaction() as connection:
        await draft.write(connection)
        told = await _end(connection, context.run, ending)
    ended = await runs.get_run(context.database, context.run_id)
    if ended is not None:
        record_run(context, ended)
    context.signals.wake_owners(told)
    await context.signals.finished(context.run_id)
    return {"run": Patch()}


async def give_up(database: Database, signals: Signals, owned: Ownership, error: ErrorInfo) -> None:
    """End a run as failed that cannot be driven, and with it whatever of it is still open.

    Raises:
        Fenced: this process does not own it any more.
        DatabaseUnavailable: it must be tried again.
    """
    run, ending = owned.run, Ending(RunStatus.FAILED, error=error)
    data = {"status": str(ending.status), "error": error.as_json()}
    ended = Event(run.id, run.tenant, events.RUN_FINISHED, data=data, key=events.RUN_FINISHED)
    async with database.fenced(run.id, owned.epoch) as connection:
        told = await attempts.cancel_attempts(connection, run.id)
        await steps.end_open_steps(connection, run.id, reason=error.message)
        await append_events(connection, [ended])
        told += await _end(connection, run, ending)
    signals.wake_owners(told)
    await signals.finished(run.id)


async def _end(connection: Connection, run: RunRow, ending: Ending) -> list[tuple[ProcessId, RunId]]:
    """Write the end of a run and of its parent's attempt; gives the owner to be woken for that."""
    await runs.finish_run(connection, run.id, status=str(ending.status), output=ending.output, error=ending.error)
    return await end(connection, run, ending)


async def _conclude(draft: Draft) -> Ending:
    """What a run whose steps have settled came to: `failed` if a step failed and nothing accepts that."""
    context, run = draft.context, draft.base
    status = run_status(run, context.excused)
    if status is RunStatus.FAILED:
        return Ending(status, error=run.stopped or _root_error(run))
    if status is not RunStatus.SUCCEEDED:
        return Ending(status)
    try:
        return Ending(status, output=draft.put_value(await _outputs(context, run)))
    except ExpressionError as problem:
        return Ending(RunStatus.FAILED, error=expression_error(problem))


async def _outputs(context: RunContext, run: RunState) -> dict[str, object]:
    workflow = context.workflow
    scope = await context.variables(run, workflow.output_refs, workflow.output_refs)
    return {name: context.expressions.render(template, scope) for name, template in workflow.outputs.items()}


def _root_error(run: RunState) -> ErrorInfo | None:
    """The error of the step that failed first: what came after it is likely the cascade."""
    failed = [step for step in run.steps.values() if step.status is StepStatus.FAILED and not step.final and step.error]
    first = min(failed, key=lambda step: step.finished_at or 0.0, default=None)
    if first is None or first.error is None:
        return None
    error = first.error
    return ErrorInfo(error.code, error.error_class, f"step {first.id}: {error.message}", error.detail)
