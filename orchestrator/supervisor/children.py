"""Child runs: each carries out one attempt of its parent, has that attempt's id, and is hosted like any other run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestrator.domain import event as events
from orchestrator.domain.budget import Budget
from orchestrator.domain.event import Event
from orchestrator.domain.identity import AttemptId, RunId
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.reservation import Room
from orchestrator.domain.run import Ending, RunStatus
from orchestrator.store import attempts, runs
from orchestrator.store.events import append_events
from orchestrator.store.runs import NewRun, RunRow
from orchestrator.supervisor.draft import Draft
from orchestrator.supervisor.planned import kept_steps, planned_workflow
from orchestrator.supervisor.signals import Signals
from orchestrator.workflow import StepSpec, Workflow

if TYPE_CHECKING:
    from orchestrator.domain.identity import ProcessId
    from orchestrator.store.database import Connection


async def child_run(draft: Draft, spec: StepSpec, attempt: AttemptId, given: dict[str, Any], trace: str) -> NewRun:
    """The run that is to carry out `attempt`, with its inputs put into the draft; its budget is still to be settled.

    Raises:
        PlanInvalid: it is a plan's, and the plan is not sound.
        InputsInvalid: `given`, the rendered `with`, does not fit the inputs of the workflow.
    """
    context, kept = draft.context, None
    if spec.plan is not None:
        workflow = await planned_workflow(draft, spec, given)
        kept = await kept_steps(draft, spec)
    else:
        assert spec.uses is not None, "a step of this kind names its workflow"
        workflow = await context.pinned(spec.uses.sha256)
    return NewRun(
        id=RunId(attempt),
        tenant=context.tenant,
        workflow_sha256=workflow.sha256,
        workflow=workflow.name,
        version=workflow.version,
        inputs=draft.put_value(workflow.check_inputs(given)),
        priority=context.run.priority + spec.priority,
        parent_run=context.run_id,
        parent_step=spec.id,
        forked_from=kept[0] if kept else None,
        fork=kept[1] if kept else None,
        traceparent=trace,
    )


async def begin(
    connection: Connection, children: Sequence[NewRun], signals: Signals, *, definitions: Sequence[Workflow] = ()
) -> None:
    """Insert child runs and their jobs, in the transaction that has written their attempts; first their plans."""
    for planned in definitions:
        await runs.insert_workflow(
            connection,
            sha256=planned.sha256,
            name=planned.name,
            version=planned.version,
            definition=planned.to_json(),
            source=planned.source,
        )
    for new in children:
        _, created = await runs.insert_run(connection, new)
        if created:
            data = {"workflow": new.workflow, "version": new.version, "sha256": new.workflow_sha256}
            data["parent"] = str(new.parent_run)
            submitted = Event(new.id, new.tenant, events.RUN_SUBMITTED, data=data, key=events.RUN_SUBMITTED)
            await append_events(connection, [submitted])
    await signals.run_jobs(connection, [(new.id, new.priority) for new in children])


async def end(connection: Connection, run: RunRow, ending: Ending) -> list[tuple[ProcessId | None, RunId]]:
    """End the attempt that a run carried out, where it has a parent, in the transaction that ends the run.

    Returns:
        The parent's owner, None while it has none, and the parent, to be woken.
    """
    if run.parent_run is None:
        return []
    told = await attempts.settle_child(connection, run.id, _as_seen_above(run, ending))
    return [] if told is None else [told]


def _as_seen_above(run: RunRow, ending: Ending) -> ErrorInfo | None:
    """Its retries are spent, so that the parent must not take the error for one of infrastructure."""
    if ending.status is RunStatus.CANCELLED:
        return ErrorInfo("cancelled", "cancelled", f"child run {run.id} was cancelled")
    if ending.error is None:
        return None
    return ErrorInfo(ending.error.code, "error", f"child run {run.id}: {ending.error.message}", ending.error.detail)


def handed_down(draft: Draft, spec: StepSpec, reserved: Room) -> Budget | None:
    """What the step gives a child run: of money and tokens what is `reserved` for it, of time what the run has left.

    `finally` has no such bound.
    """
    account = draft.account
    if draft.closing or not account.budget.limits:
        return spec.budget
    wall = account.wall_left(draft.base.started_at, draft.context.clock())
    left = Budget(reserved.usd, reserved.tokens, wall, account.budget.on_exceed)
    return left if spec.budget is None else spec.budget.tightest(left)
