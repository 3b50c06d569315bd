"""Long queues of several tenants, put into the database at once, and claims from them as a process makes them."""

from __future__ import annotations

from orchestrator.domain.identity import RunId, new_process_id, new_run_id
from orchestrator.domain.payload import Payload
from orchestrator.domain.worker import WorkerCard
from orchestrator.queue import Permit, enqueue_permits, pool_channel, wake
from orchestrator.settings import SharingSettings
from orchestrator.store import Database, blobs, runs
from orchestrator.worker.limits import Limits
from orchestrator.worker.pool_claims import PoolClaims
from tests.integration.worker.specialists import POOL

SHA = "cd" * 32
INPUT = Payload.of({})

FILL = """
INSERT INTO attempts (id, run_id, tenant, step, item, number, purpose, worker, pool, priority, input, options, rate_key,
                      not_before, queued_at)
SELECT gen_random_uuid(), $1, $2, 's', item, 1, 'work', $3, $4, $5, $6, $7::jsonb, $7::jsonb -> 'rate' ->> 'key',
       now() - make_interval(secs => $8 + 1) + make_interval(secs => item * 1e-6), now() - make_interval(secs => $8)
FROM generate_series($9::int, $9::int + $10::int - 1) AS item
"""


class Backlog:
    """Queued attempts, a run for each call of `add`."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self._items = 0

    async def add(
        self,
        tenant: str,
        count: int,
        *,
        worker: str = "r.echo",
        pool: str = POOL,
        priority: int = 0,
        age: float = 0.0,
        options: str = "{}",
        permits: int = 0,
    ) -> RunId:
        """Queue so many attempts that are due since `age` seconds and one more, with so many permits."""
        run = runs.NewRun(
            id=new_run_id(), tenant=tenant, workflow_sha256=SHA, workflow="flow", version="1", inputs=INPUT.ref
        )
        digest = bytes.fromhex(INPUT.ref.sha256)
        async with self.database.transaction() as connection:
            await runs.insert_workflow(
                connection, sha256=SHA, name="flow", version="1", definition={"name": "flow"}, source="x"
            )
            await blobs.put_blobs(connection, tenant, [INPUT])
            run_id, _ = await runs.insert_run(connection, run)
            values = (run_id, tenant, worker, pool, priority, digest, options, age, self._items, count)
            await connection.execute(FILL, *values)
            await enqueue_permits(connection, [Permit(pool)] * permits)
        if permits:
            await wake(self.database.pool, [pool_channel(pool)])
        self._items += count
        return run_id


def claims_of(
    database: Database, *cards: WorkerCard, sharing: SharingSettings | None = None, pool: str = POOL
) -> PoolClaims:
    """The claims of one process."""
    process = new_process_id()
    return PoolClaims(database, pool, Limits(sharing or SharingSettings(), cards), lambda: process, 30.0)
