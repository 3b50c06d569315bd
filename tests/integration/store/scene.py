"""What most store tests begin with: a submitted run, attempts of it, a worker that claims one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from orchestrator.domain.attempt import AttemptOrder, ClaimedAttempt, Purpose
from orchestrator.domain.event import Event
from orchestrator.domain.fairness import Turn
from orchestrator.domain.identity import NO_ITEM, ProcessId, RunId, attempt_id, new_process_id, new_run_id
from orchestrator.domain.outcome import Outcome, OutcomeKind
from orchestrator.domain.payload import Payload
from orchestrator.store import Database, attempts, blobs, claiming, runs
from orchestrator.store.attempts import SettleResult
from orchestrator.store.claiming import Claimant
from orchestrator.store.superstep import Superstep, write_superstep

SHA = "ab" * 32
INPUTS = Payload.of({"folder": "docs"})


async def submit(database: Database, *, tenant: str = "acme", key: str | None = None, priority: int = 0) -> RunId:
    run = runs.NewRun(
        id=new_run_id(),
        tenant=tenant,
        workflow_sha256=SHA,
        workflow="brief",
        version="1.0.0",
        inputs=INPUTS.ref,
        idempotency_key=key,
        priority=priority,
    )
    async with database.transaction() as connection:
        await runs.insert_workflow(
            connection, sha256=SHA, name="brief", version="1.0.0", definition={"name": "brief"}, source="x"
        )
        await blobs.put_blobs(connection, tenant, [INPUTS])
        stored, _ = await runs.insert_run(connection, run)
    return stored


@dataclass
class Scene:
    """One run with a worker process that may claim its attempts."""

    database: Database
    run_id: RunId
    process: ProcessId = field(default_factory=new_process_id)

    def order(self, step: str = "fetch", number: int = 1, **changes: Any) -> AttemptOrder:
        values: dict[str, Any] = {
            "item": NO_ITEM,
            "purpose": Purpose.WORK,
            "worker": "documents.fetch",
            "pool": "io",
            "input": INPUTS.ref,
            **changes,
        }
        identity = attempt_id(self.run_id, step, values["item"], number, values.get("validator", ""))
        return AttemptOrder(id=identity, run_id=self.run_id, tenant="acme", step=step, number=number, **values)

    async def superstep(self, **parts: Any) -> Superstep:
        """A superstep of whoever owns the run now."""
        epoch = await self.database.fetchval("SELECT epoch FROM runs WHERE id = $1", self.run_id)
        return Superstep(self.run_id, "acme", epoch, **parts)

    async def queue(self, *orders: AttemptOrder) -> None:
        await write_superstep(self.database, await self.superstep(orders=orders))

    async def claim(self, *, pool: str = "io", lease: float = 30.0) -> ClaimedAttempt | None:
        claimant = Claimant(self.process, pool, ("documents.fetch",), lease)
        claimed = await claiming.claim(self.database, claimant, [Turn("acme", longest=False)])
        return claimed.taken[0] if claimed.taken else None

    async def claimed(self, *, lease: float = 30.0, **changes: Any) -> ClaimedAttempt:
        await self.queue(self.order(**changes))
        claimed = await self.claim(lease=lease)
        assert claimed is not None
        return claimed

    async def succeed(self, claimed: ClaimedAttempt, value: Any = "done") -> SettleResult:
        payload = Payload.of(value)
        return await self.settle(claimed, Outcome(OutcomeKind.SUCCEEDED, payload.ref), payload)

    async def settle(
        self, claimed: ClaimedAttempt, outcome: Outcome, payload: Payload | None = None, *events: Event
    ) -> SettleResult:
        settlement = attempts.Settlement(claimed, outcome, payload, events)
        return (await attempts.settle(self.database, [settlement]))[0]

    async def row(self, claimed: ClaimedAttempt) -> attempts.AttemptRow:
        rows = await attempts.list_attempts(self.database, self.run_id, tenant="acme")
        return next(row for row in rows if row.id == claimed.order.id)
