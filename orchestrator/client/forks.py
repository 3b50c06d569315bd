"""Forks and retries: new runs that take over what another has settled, checked before anything is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.domain import event as events
from orchestrator.domain.event import Event
from orchestrator.domain.fork import Fork, to_retry
from orchestrator.domain.identity import RunId, new_run_id
from orchestrator.domain.payload import PayloadRef
from orchestrator.domain.run import FINAL, OPEN, StepStatus
from orchestrator.errors import Conflict, ForkInvalid, NotFound
from orchestrator.queue import RUN_CHANNEL, enqueue_run_jobs, wake
from orchestrator.store import Database, moments, runs, steps, workers
from orchestrator.store import events as event_store
from orchestrator.store.retention import hold_run
from orchestrator.store.runs import NewRun, RunRow
from orchestrator.workflow import StepSpec, Workflow
from orchestrator.workflow.overlay import overlay_problems, overlay_schemas
from orchestrator.workflow.signatures import Signature, of_card, of_workflow
from orchestrator.workflow.suggestions import suggest


@dataclass(frozen=True, slots=True)
class Source:
    """A run that is to be forked: its row, its workflow, and where its steps stand, those of `finally` left out."""

    row: RunRow
    workflow: Workflow
    statuses: Mapping[str, StepStatus]


async def read_source(database: Database, row: RunRow) -> Source:
    """What a fork of a run has to be held against.

    Raises:
        Conflict: nothing is known of the run's steps, because it has not begun or its checkpoints were pruned.
    """
    if not await moments.has_checkpoints(database, row.id, tenant=row.tenant):
        why = "has not begun yet" if row.status not in FINAL else "has no checkpoints, or they were pruned"
        raise Conflict(f"run {row.id} {why}: nothing of it can be reused", remedy="submit the workflow again")
    workflow = await stored_workflow(database, row.workflow_sha256)
    found = await steps.list_steps(database, row.id, tenant=row.tenant)
    return Source(row, workflow, {step.step: StepStatus(step.status) for step in found if step.step in workflow.steps})


async def plan_fork(database: Database, source: Source, step: str, with_: Mapping[str, Any] | None) -> Fork:
    """A fork at `step`.

    Raises:
        NotFound: the workflow has no such step.
        ForkInvalid: it is a step of `finally`, or it does not take `with_`.
        Conflict: it has not settled.
    """
    spec = _step(source, step)
    if source.statuses.get(step, StepStatus.WAITING) in OPEN:
        status = source.statuses.get(step, StepStatus.WAITING)
        raise Conflict(
            f"step '{step}' of run {source.row.id} has not settled: it is {status}",
            remedy="wait until it has, or fork at a step before it",
        )
    if not with_ and isinstance(with_, dict | None):
        return Fork((step,))
    if problems := overlay_problems(spec, with_, await signature_of(database, spec)):
        raise ForkInvalid(step, problems=problems, remedy="`with` overlays what the step was given, with literal JSON")
    return Fork((step,), dict(with_))


def plan_retry(source: Source, step: str | None) -> Fork:
    """A fork that tries again what failed or was cancelled, or `step` alone, with all that lies behind it.

    Raises:
        NotFound: the workflow has no such step.
        ForkInvalid: it is a step of `finally`.
        Conflict: the run has not ended, or there is nothing to try again.
    """
    row, statuses = source.row, source.statuses
    if row.status not in FINAL:
        raise Conflict(f"run {row.id} is {row.status}: it is retried once it has ended", remedy="cancel it first")
    if step is not None:
        _step(source, step)
        if statuses.get(step) is StepStatus.SUCCEEDED:
            remedy = f"`orchestrator runs fork {row.id} {step}` does it again all the same"
            raise Conflict(f"step '{step}' of run {row.id} has succeeded; nothing is to be tried again", remedy=remedy)
        return Fork((step,), retry=True)
    failed = to_retry(statuses, source.workflow.excused)
    if not failed and all(
        statuses.get(each) not in {None, StepStatus.CANCELLED, *OPEN} for each in source.workflow.steps
    ):
        raise Conflict(
            f"run {row.id} has {row.status}, and no step of it is to be tried again",
            remedy="name one with --step, or fork the run at the step that is to be done again",
        )
    return Fork(failed, retry=True)


async def begin_fork(database: Database, source: RunRow, fork: Fork) -> RunId:
    """Write the new run and its job in one transaction; gives its id.

    It keeps the source's workflow, inputs, priority and budget. The fork of a child run has no parent.
    """
    new = NewRun(
        id=new_run_id(),
        tenant=source.tenant,
        workflow_sha256=source.workflow_sha256,
        workflow=source.workflow,
        version=source.version,
        inputs=PayloadRef(source.inputs, 0),
        priority=source.priority,
        budget=source.budget,
        forked_from=source.id,
        fork=fork,
    )
    data = {
        "workflow": source.workflow,
        "version": source.version,
        "sha256": source.workflow_sha256,
        "forked_from": str(source.id),
        "fork": fork.as_json(),
    }
    submitted = Event(new.id, new.tenant, events.RUN_SUBMITTED, data=data, key=events.RUN_SUBMITTED)
    async with database.transaction() as connection:
        if not await hold_run(connection, source.id):
            raise NotFound(f"run {source.id} does not exist any more")
        await runs.insert_run(connection, new)
        await event_store.append_events(connection, [submitted])
        await enqueue_run_jobs(connection, [(new.id, new.priority)])
    await wake(database.pool, [RUN_CHANNEL])
    return new.id


async def overlay_of(database: Database, source: Source, step: str) -> dict[str, dict[str, Any]]:
    """What may be laid over the `with` of a step: a JSON Schema for each key; an empty one says nothing.

    Raises:
        NotFound: the workflow has no such step.
        ForkInvalid: it is a step of `finally`.
    """
    spec = _step(source, step)
    return overlay_schemas(spec, await signature_of(database, spec))


async def signature_of(database: Database, spec: StepSpec) -> Signature | None:
    """What carries a step out, as far as it says what it takes."""
    if spec.uses is not None:
        callee = await stored_workflow(database, spec.uses.sha256)
        return of_workflow(callee.name, callee.inputs, None)
    card = (await workers.read_cards(database)).get(spec.worker) if spec.kind == "worker" else None
    return None if card is None else of_card(card)


def _step(source: Source, step: str) -> StepSpec:
    if step in source.workflow.finally_:
        raise ForkInvalid(step, problems=["it belongs to `finally`, which every run does for itself"])
    spec = source.workflow.steps.get(step)
    if spec is None:
        name, known = source.workflow.name, source.workflow.steps
        raise NotFound(f"workflow {name} has no step '{step}'", remedy=suggest(step, known))
    return spec


async def stored_workflow(database: Database, sha256: str) -> Workflow:
    """The workflow of a digest (hex).

    Raises:
        NotFound: it is not stored.
    """
    definition = await runs.get_workflow(database, sha256)
    if definition is None:
        raise NotFound(f"workflow {sha256[:12]} is not stored any more")
    return Workflow.from_json(definition)
