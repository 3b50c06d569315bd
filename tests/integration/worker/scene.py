"""A run whose attempts are ordered by the test and run by a real runtime on a real database."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.attempt import AttemptOrder, Purpose
from orchestrator.domain.event import StoredEvent
from orchestrator.domain.identity import NO_ITEM, AttemptId, RunId, attempt_id, new_process_id, new_run_id
from orchestrator.domain.payload import Payload, decode
from orchestrator.queue import Listener, Notifier, Permit, enqueue_permits, pool_channel, wake
from orchestrator.settings import SharingSettings, TelemetrySettings, WorkerSettings
from orchestrator.store import Database, attempts, blobs, inbox, processes, runs
from orchestrator.store.attempts import AttemptRow
from orchestrator.store.events import read_events
from orchestrator.store.spans import SpanStore
from orchestrator.store.superstep import Superstep, write_superstep
from orchestrator.telemetry import Redactor, Tracing
from orchestrator.worker import Registry
from orchestrator.worker.runtime import WorkerRuntime
from tests.integration.worker.specialists import ALL, POOL

SHA = "cd" * 32
TENANT = "acme"
FINAL = ("succeeded", "failed", "lost", "timed_out", "cancelled")


async def eventually(condition: Callable[[], Awaitable[Any]], *, within: float = 20.0) -> Any:
    """What `condition` gives once it is true; a test that waits in vain fails."""
    async with asyncio.timeout(within):
        while not (found := await condition()):  # noqa: ASYNC110 - the condition is in the database
            await asyncio.sleep(0.01)
        return found


@dataclass
class Scene:
    """One run, the orders of its attempts, and what became of them."""

    database: Database
    run_id: RunId
    settings: WorkerSettings
    running: list[asyncio.Task[list[str]]] = field(default_factory=list)

    async def order(
        self,
        worker: str,
        value: Any = None,
        *,
        step: str = "s",
        number: int = 1,
        permits: int = 1,
        blobs_too: tuple[Any, ...] = (),
        **changes: Any,
    ) -> AttemptId:
        """Order an attempt as a supervisor does: blob, row and permit in one transaction, then the notification."""
        payload = Payload.of({} if value is None else value)
        order = AttemptOrder(
            id=attempt_id(self.run_id, step, NO_ITEM, number, changes.get("validator", "")),
            run_id=self.run_id,
            tenant=TENANT,
            step=step,
            item=NO_ITEM,
            number=number,
            worker=worker,
            pool=POOL,
            input=payload.ref,
            idempotency_key=f"{step}-key",
            **{"purpose": Purpose.WORK, **changes},
        )
        async with self.database.transaction() as connection:
            epoch = await connection.fetchval("SELECT epoch FROM runs WHERE id = $1", self.run_id)
            payloads = [payload, *map(Payload.of, blobs_too)]
            await write_superstep(connection, Superstep(self.run_id, TENANT, epoch, payloads=payloads, orders=[order]))
            await enqueue_permits(connection, [Permit(POOL)] * permits)
        await wake(self.database.pool, [pool_channel(POOL)])
        return order.id

    async def row(self, identity: AttemptId) -> AttemptRow:
        rows = await attempts.list_attempts(self.database, self.run_id, tenant=TENANT)
        return next(row for row in rows if row.id == identity)

    async def ended(self, identity: AttemptId, *, within: float = 20.0) -> AttemptRow:
        """The attempt once it has ended."""

        async def over() -> AttemptRow | None:
            row = await self.row(identity)
            return row if row.status in FINAL else None

        return await eventually(over, within=within)

    async def started(self, identity: AttemptId) -> AttemptRow:
        async def claimed() -> AttemptRow | None:
            row = await self.row(identity)
            return row if row.status == "running" else None

        return await eventually(claimed)

    async def outcome(self, worker: str, value: Any = None, **changes: Any) -> AttemptRow:
        """The ended attempt of `worker`."""
        return await self.ended(await self.order(worker, value, **changes))

    async def output(self, row: AttemptRow) -> Any:
        assert row.status == "succeeded", row.error
        found = await blobs.get_blobs(self.database, TENANT, [row.output])
        return decode(found[row.output])

    async def events(self, identity: AttemptId) -> list[StoredEvent]:
        stored, _ = await read_events(self.database, self.run_id, tenant=TENANT, limit=1000)
        return [each for each in stored if each.event.attempt_id == identity]

    async def inbox(self) -> list[Any]:
        return await inbox.read_inbox(self.database, self.run_id)


async def submit(database: Database) -> RunId:
    """A run that this test owns, so that somebody is there to be notified."""
    inputs = Payload.of({})
    run = runs.NewRun(
        id=new_run_id(), tenant=TENANT, workflow_sha256=SHA, workflow="flow", version="1.0.0", inputs=inputs.ref
    )
    async with database.transaction() as connection:
        await runs.insert_workflow(
            connection, sha256=SHA, name="flow", version="1.0.0", definition={"name": "flow"}, source="x"
        )
        await blobs.put_blobs(connection, TENANT, [inputs])
        run_id, _ = await runs.insert_run(connection, run)
    owner = new_process_id()
    await processes.register(database, owner, "supervisor")
    await runs.take_ownership(database, run_id, owner, 60)
    return run_id


class Serving:
    """A runtime in this process, with its way to stop it."""

    def __init__(self, runtime: WorkerRuntime) -> None:
        self.runtime = runtime
        self.asked = asyncio.Event()
        self.task: asyncio.Task[list[str]] | None = None

    async def stop(self) -> list[str]:
        self.asked.set()
        assert self.task is not None
        return await asyncio.wait_for(self.task, 30)


@asynccontextmanager
async def serving(
    scene: Scene,
    *,
    concurrency: int | None = None,
    environ: Mapping[str, str] | None = None,
    grace: float = 5.0,
    database: Database | None = None,
    models: Any = None,
    on_stuck: Callable[[str], None] | None = None,
    registry: Registry | None = None,
    sharing: SharingSettings | None = None,
) -> AsyncIterator[Serving]:
    """A worker process's runtime on the pool of the specialists."""
    own = database or scene.database
    async with AsyncExitStack() as stack:
        tracing = Tracing(TelemetrySettings(), sink=SpanStore(own))
        await tracing.start()
        stack.push_async_callback(tracing.aclose)
        runtime = WorkerRuntime(
            database=own,
            listener=await stack.enter_async_context(Listener(own.dedicated_connection)),
            notifier=await stack.enter_async_context(Notifier(own.pool)),
            registry=registry or Registry(ALL),
            settings=scene.settings,
            models=models(tracing) if callable(models) else models,
            tracing=tracing,
            redactor=Redactor(),
            pools=[POOL],
            concurrency=concurrency,
            environ=environ or {},
            on_stuck=on_stuck,
            sharing=sharing,
        )
        it = Serving(runtime)
        it.task = asyncio.create_task(runtime.run(it.asked, grace=grace))
        try:
            yield it
        finally:
            await it.stop()
