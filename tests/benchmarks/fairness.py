"""How long a small tenant waits beside a large one, and a low priority beside a high one; by the rows' own times."""

from __future__ import annotations

import asyncio

import asyncpg

from orchestrator import Orchestrator, RunHandle, Workflow
from tests.benchmarks.measure import US, Figure, percentile
from tests.benchmarks.stage import CONCURRENCY, Stage

FEW = 10
SECONDS = 0.1
PATIENCE = 120.0

WORKFLOW = f"""
api: orchestrator/v1
name: fairness
version: 1.0.0
inputs: {{items: {{type: array}}}}
steps:
  work:
    kind: worker
    worker: benchmark.sleep
    foreach: {{items: "${{{{ inputs.items }}}}", as: item}}
    with: {{seconds: {SECONDS}}}
"""
WAITS = """
SELECT extract(epoch FROM claimed_at - greatest(queued_at, not_before))::float8 * 1000 AS wait
FROM orchestrator.attempts WHERE run_id = ANY ($1::uuid[]) AND claimed_at IS NOT NULL
"""
QUEUED = "SELECT count(*) FROM orchestrator.attempts WHERE run_id = $1 AND status = 'queued'"


class Pool:
    """One worker process's pool, filled by tenants."""

    def __init__(self, app: Orchestrator, connection: asyncpg.Connection, workflow: Workflow) -> None:
        self._app = app
        self._connection = connection
        self._workflow = workflow

    async def submit(self, tenant: str, items: int, priority: int = 0) -> RunHandle:
        inputs = {"items": list(range(items))}
        return await self._app.submit(self._workflow, inputs, tenant=tenant, priority=priority)

    async def queued(self, handle: RunHandle, at_least: int) -> None:
        """Wait until so much of a run stands in the queue."""
        async with asyncio.timeout(PATIENCE):
            while await self._connection.fetchval(QUEUED, handle.id) < at_least:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def waits(self, tenant: str, rounds: int) -> list[float]:
        """Milliseconds that the attempts of small runs waited, one run after the other."""
        return [wait for _ in range(rounds) for wait in await self.wait_of(await self.submit(tenant, FEW))]

    async def wait_of(self, handle: RunHandle) -> list[float]:
        """Milliseconds that the attempts of a run waited, once it has succeeded."""
        result = await handle.result(timeout=PATIENCE)
        assert result.status == "succeeded"
        return [row["wait"] for row in await self._connection.fetch(WAITS, [handle.id])]

    async def beside_a_flood(self, many: int) -> list[float]:
        """The same of ten attempts of low priority that `many` of a high one come after."""
        before = await self.submit("lanes", 2 * CONCURRENCY, priority=9)
        await self.queued(before, CONCURRENCY // 2)
        low = await self.submit("lanes", FEW)
        await self.queued(low, FEW)
        flood = await self.submit("lanes", many, priority=9)
        waits = await self.wait_of(low)
        await self.end(flood)
        return waits

    async def end(self, handle: RunHandle) -> None:
        """Cancel a run of which much must still be queued."""
        await self.queued(handle, 1)
        await handle.cancel()
        await handle.result(timeout=PATIENCE)


async def measure(stage: Stage) -> list[Figure]:
    """The small tenant alone, beside the large one, and then the low lane of one tenant beside its high lane."""
    many, rounds = (1_000, 2) if stage.quick else (10_000, 10)
    async with stage.apart() as app:
        connection = await asyncpg.connect(app.database_url)
        try:
            pool = Pool(app, connection, await app.load(Workflow.from_yaml(WORKFLOW)))
            await pool.waits("small", 2)
            alone = await pool.waits("small", rounds)
            large = await pool.submit("large", many)
            await pool.queued(large, many // 2)
            beside = await pool.waits("small", rounds)
            await pool.end(large)
            low = await pool.beside_a_flood(many)
        finally:
            await connection.close()
    return [
        *_figures(f"queue wait of a tenant's {FEW} attempts", "alone", alone),
        *_figures(f"queue wait of a tenant's {FEW} attempts", f"beside another's {many:,}", beside),
        *_figures(f"queue wait of {FEW} attempts of low priority", f"before {many:,} of a high one", low),
    ]


def _figures(name: str, where: str, waits: list[float]) -> list[Figure]:
    spread = (min(waits), max(waits))
    return [
        Figure(f"{name}, {label}", f"{US}, {where}", percentile(waits, fraction), "ms", spread)
        for label, fraction in (("p50", 0.50), ("p95", 0.95))
    ]
