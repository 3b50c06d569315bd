"""Submitting runs, and finding them again."""

from __future__ import annotations

import builtins
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from orchestrator.client.finished import Finished
from orchestrator.client.handle import RunHandle
from orchestrator.client.versions import PinnedRuns, pinned_runs, settle_version
from orchestrator.domain import event as events
from orchestrator.domain.event import Event
from orchestrator.domain.identity import RunId, new_run_id
from orchestrator.domain.payload import Payload
from orchestrator.errors import InputsInvalid, NotFound
from orchestrator.queue import RUN_CHANNEL, Listener, enqueue_run_jobs, wake
from orchestrator.store import Database, blobs, dead_letters, questions, runs, workflows
from orchestrator.store import events as event_store
from orchestrator.store.children import list_top_runs
from orchestrator.store.questions import Question
from orchestrator.store.runs import NewRun, RunRow
from orchestrator.workflow import Workflow

if TYPE_CHECKING:
    from orchestrator.store.database import Connection


class AllTenants(Enum):
    """Instead of a tenant's name: the rows of everybody, for whoever runs the database."""

    ALL = "all tenants"


ALL_TENANTS: Final = AllTenants.ALL

LARGEST_INPUTS: Final = 10_000_000
"""Bytes of a run's inputs as JSON: every expression of the run may read them, so they stay in memory as long as it."""


class Client:
    """Begins runs in a database and hands out handles to them."""

    def __init__(self, database: Database, listener: Listener) -> None:
        self._database = database
        self._finished = Finished(database, listener)

    async def start(self) -> None:
        """Begin to listen for the end of runs."""
        await self._finished.start()

    async def submit(
        self,
        workflow: Workflow,
        inputs: dict[str, Any],
        *,
        tenant: str,
        priority: int = 0,
        idempotency_key: str | None = None,
    ) -> RunHandle:
        """Check the inputs, and write the run and its job in one transaction.

        Args:
            workflow: pinned as it is now, whatever is deployed later.
            inputs: plain JSON by input name; defaults are filled in.
            tenant: whose run it is.
            priority: higher first, added to that of each step.
            idempotency_key: a second submit with the same key and tenant gives the first run.

        Raises:
            InputsInvalid: the inputs do not fit, or are too large.
            VersionTaken: unfinished runs hold another definition under the workflow's name and version.
        """
        payload = Payload.of(workflow.check_inputs(inputs))
        if payload.ref.size > LARGEST_INPUTS:
            raise InputsInvalid(
                f"the inputs of workflow '{workflow.name}' have {payload.ref.size:,} bytes; "
                f"the limit is {LARGEST_INPUTS:,}",
                remedy="put the data where a worker can read it, and give the run its place",
            )
        new = NewRun(
            id=new_run_id(),
            tenant=tenant,
            workflow_sha256=workflow.sha256,
            workflow=workflow.name,
            version=workflow.version,
            inputs=payload.ref,
            priority=priority,
            idempotency_key=idempotency_key,
        )
        async with self._database.transaction() as connection:
            fresh = await _store_workflow(connection, workflow)
            await blobs.put_blobs(connection, tenant, [payload])
            run_id, created = await runs.insert_run(connection, new)
            if created:
                replaces = await settle_version(connection, workflow, tenant, fresh=fresh)
                data = {"workflow": workflow.name, "version": workflow.version, "sha256": workflow.sha256}
                data |= {"replaces": replaces} if replaces else {}
                submitted = Event(run_id, tenant, events.RUN_SUBMITTED, data=data, key=events.RUN_SUBMITTED)
                await event_store.append_events(connection, [submitted])
                await enqueue_run_jobs(connection, [(run_id, priority)])
        if created:
            await wake(self._database.pool, [RUN_CHANNEL])
        return self.handle(run_id, tenant=tenant)

    def handle(self, run_id: RunId, *, tenant: str) -> RunHandle:
        """A handle to a tenant's run, without looking whether it exists."""
        return RunHandle(run_id, tenant, self._database, self._finished)

    async def find(self, prefix: str, *, tenant: str) -> RunHandle:
        """The tenant's run whose id is, or begins with, `prefix`.

        Raises:
            NotFound: there is none, or more than one.
        """
        found = await runs.find_runs(self._database, prefix, tenant=tenant)
        if len(found) == 1:
            return self.handle(found[0].id, tenant=tenant)
        if not found:
            raise NotFound(
                f"no run of tenant {tenant} has an id that begins with {prefix!r}",
                remedy="`orchestrator runs list` shows them; --tenant asks for those of another tenant",
            )
        listed = ", ".join(str(row.id) for row in found[:5])
        raise NotFound(f"{prefix!r} begins the ids of several runs: {listed}", remedy="give more of the id")

    async def pinned_runs(self, workflow: Workflow, *, tenant: str | None) -> builtins.list[PinnedRuns]:
        """The unfinished runs of the workflow's name, of a tenant or of all (None), that keep another definition."""
        return await pinned_runs(self._database, workflow, tenant=tenant)

    async def questions(self, *, tenant: str, limit: int) -> builtins.list[Question]:
        """What waits for a person in all runs of a tenant, the oldest first."""
        return await questions.open_questions(self._database, tenant=tenant, limit=limit)

    async def list(
        self,
        *,
        tenant: str | None,
        status: str | None = None,
        limit: int = 50,
        children: bool = False,
        dead: bool = False,
    ) -> list[RunRow]:
        """The runs of a tenant or of all (None), the newest first; with `children` also those that a step began.

        `dead` ones failed by a step whose tries were used up; they are listed wherever they began.
        """
        if dead:
            return await dead_letters.list_dead_runs(self._database, tenant=tenant, limit=limit)
        if children:
            return await runs.list_runs(self._database, tenant=tenant, status=status, limit=limit)
        return await list_top_runs(self._database, tenant=tenant, status=status, limit=limit)


async def _store_workflow(connection: Connection, workflow: Workflow) -> bool:
    """Store a workflow and those that its child runs will have; whether it is new."""
    if await workflows.is_stored(connection, workflow.sha256):
        return False
    for callee in workflow.callees:
        await _store_workflow(connection, callee)
    return await runs.insert_workflow(
        connection,
        sha256=workflow.sha256,
        name=workflow.name,
        version=workflow.version,
        definition=workflow.to_json(),
        source=workflow.source,
    )
