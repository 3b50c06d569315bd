"""How a run ends: its status, its outputs, and the attempt that it carried out for its parent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.domain import event as events
from orchestrator.domain.event import Event
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.run import Ending, RunState, RunStatus, StepStatus, run_status
from orchestrator.errors import ExpressionError
from orchestrator.store import Database, attempts, runs, steps
from orchestrator.store.events import append_events
from orchestrator.store.runs import Ownership, RunRow
from orchestrator.supervisor.children import end
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.ending import expression_error
from orchestrator.supervisor.signals import Signals

if TYPE_CHECKING:
    from orchestrator.domain.identity import ProcessId, RunId
    from orchestrator.store.database import Connection


async def conclude(draft: Draft) -> Ending:
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


def finish(draft: Draft, ending: Ending) -> None:
    """End the run with the superstep that the draft is for."""
    data = {"status": str(ending.status), "error": ending.error.as_json() if ending.error else None}
    draft.say(events.RUN_FINISHED, "", data, key=events.RUN_FINISHED)
    draft.ending = ending


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
        told += (await end_run(connection, run, ending))[1]
        await signals.rouse(connection, told)
    signals.wake_owners(told)
    signals.finished(run.id)


async def end_run(
    connection: Connection, run: RunRow, ending: Ending
) -> tuple[RunRow | None, list[tuple[ProcessId | None, RunId]]]:
    """Write the end of a run, and of the attempt that it carried out for a parent.

    Returns:
        The run as it has ended, None if it had ended before; and the processes to wake, each with a run of theirs.
    """
    ended = await runs.finish_run(
        connection, run.id, status=str(ending.status), output=ending.output, error=ending.error
    )
    return ended, await end(connection, run, ending)


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
