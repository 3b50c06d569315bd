"""The `finish` node: the run's status, its outputs, and word to whoever waits."""

from __future__ import annotations

from langgraph.runtime import Runtime

from orchestrator.domain import event as events
from orchestrator.domain.event import Event
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import PayloadRef
from orchestrator.domain.run import Patch, RunState, RunStatus, StepStatus, run_status
from orchestrator.errors import ExpressionError
from orchestrator.store import Database, attempts, runs, steps
from orchestrator.store.events import append_events
from orchestrator.store.runs import Ownership
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.ending import expression_error
from orchestrator.supervisor.signals import Signals
from orchestrator.supervisor.spans import record_run
from orchestrator.supervisor.state import SupervisorState, SupervisorUpdate


async def finish(state: SupervisorState, runtime: Runtime[RunContext]) -> SupervisorUpdate:
    """End the run: `failed` if a step failed and nothing accepts that, else with its outputs."""
    context, run = runtime.context, state["run"]
    draft = Draft(context, run)
    status = run_status(run.steps, context.excused, cancelled=run.cancelled)
    output: PayloadRef | None = None
    error = _root_error(run) if status is RunStatus.FAILED else None
    if status is RunStatus.SUCCEEDED:
        try:
            output = draft.put_value(await _outputs(context, run))
        except ExpressionError as problem:
            status, error = RunStatus.FAILED, expression_error(problem)
    data = {"status": str(status), "error": error.as_json() if error else None}
    draft.say(events.RUN_FINISHED, "", data, key=events.RUN_FINISHED)
    async with context.database.transaction() as connection:
        await draft.write(connection)
        await runs.finish_run(connection, context.run_id, status=str(status), output=output, error=error)
    ended = await runs.get_run(context.database, context.run_id)
    if ended is not None:
        record_run(context, ended)
    await context.signals.finished(context.run_id)
    return {"run": Patch()}


async def give_up(database: Database, signals: Signals, owned: Ownership, error: ErrorInfo) -> None:
    """End a run as failed that cannot be driven, and with it whatever of it is still open.

    Raises:
        Fenced: this process does not own it any more.
        DatabaseUnavailable: it must be tried again.
    """
    run = owned.run
    data = {"status": str(RunStatus.FAILED), "error": error.as_json()}
    ended = Event(run.id, run.tenant, events.RUN_FINISHED, data=data, key=events.RUN_FINISHED)
    async with database.fenced(run.id, owned.epoch) as connection:
        recalled = await attempts.cancel_attempts(connection, run.id)
        await steps.end_open_steps(connection, run.id, reason=error.message)
        await append_events(connection, [ended])
        await runs.finish_run(connection, run.id, status=str(RunStatus.FAILED), output=None, error=error)
    signals.recall(recalled, run.id)
    await signals.finished(run.id)


async def _outputs(context: RunContext, run: RunState) -> dict[str, object]:
    workflow = context.workflow
    scope = await context.variables(run, workflow.output_refs, workflow.output_refs)
    return {name: context.expressions.render(template, scope) for name, template in workflow.outputs.items()}


def _root_error(run: RunState) -> ErrorInfo | None:
    """The error of the step that failed first: what came after it is likely the cascade."""
    failed = [step for step in run.steps.values() if step.status is StepStatus.FAILED and step.error]
    first = min(failed, key=lambda step: step.finished_at or 0.0, default=None)
    if first is None or first.error is None:
        return None
    error = first.error
    return ErrorInfo(error.code, error.error_class, f"step {first.id}: {error.message}", error.detail)
