"""What waiting costs: an idle worker process's statements, and how many idle listeners one attempt wakes."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg

from orchestrator.queue import Consumer, Listener, Permit, enqueue_permits, pool_channel, pool_entrypoint, wake
from orchestrator.store import Database
from tests.benchmarks.measure import US, Figure, figure_of, percentile
from tests.benchmarks.stage import Stage

LISTENERS = 50
TRANSACTIONS = """
SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()
"""


async def idle_process(stage: Stage) -> Figure:
    """Statements a minute (each is a transaction of its own) of a worker process with two pools and nothing to do."""
    seconds = 10.0 if stage.quick else 60.0
    async with stage.database() as url, stage.project.process(url, "worker", "-p", "benchmark", "-p", "unserved"):
        connection = await asyncpg.connect(url)
        try:
            await asyncio.sleep(3)  # what its start wrote is counted by then
            before = await connection.fetchval(TRANSACTIONS)
            await asyncio.sleep(seconds)
            spent = await connection.fetchval(TRANSACTIONS) - before - 1
        finally:
            await connection.close()
    return figure_of("idle worker process of two pools, statements", US, [spent * 60 / seconds], "a minute")


class Listeners:
    """Idle consumers with a LISTEN connection each, as so many processes have; their statements are counted."""

    def __init__(self) -> None:
        self.statements: Counter[str] = Counter()
        self.started: asyncio.Queue[float] = asyncio.Queue()

    @asynccontextmanager
    async def serving(self, url: str, pools: Sequence[str]) -> AsyncIterator[None]:
        """One consumer for each of `pools`."""
        async with AsyncExitStack() as stack:
            database = await Database.connect(url, size=16)
            stack.push_async_callback(database.close)
            counted = await stack.enter_async_context(
                asyncpg.create_pool(url, min_size=8, max_size=8, init=self._count_on)
            )
            consumers = []
            for pool in pools:
                listener = await stack.enter_async_context(Listener(database.dedicated_connection))
                consumers.append(
                    Consumer(
                        pool=counted,
                        listener=listener,
                        entrypoint=pool_entrypoint(pool),
                        channel=pool_channel(pool),
                        handler=self._handle,
                        capacity=4,
                        crowd=lambda pool=pool: pools.count(pool),
                    )
                )
            running = [asyncio.create_task(each.run()) for each in consumers]
            await asyncio.sleep(2)
            self.statements.clear()
            try:
                yield
            finally:
                await asyncio.gather(*(each.stop() for each in consumers))
                await asyncio.gather(*running)

    async def _count_on(self, connection: asyncpg.Connection) -> None:
        connection.add_query_logger(self._count)

    def _count(self, record: asyncpg.connection.LoggedQuery) -> None:
        self.statements["look" if "FOR UPDATE" in record.query else "other"] += 1

    async def _handle(self, payload: bytes | None) -> None:
        self.started.put_nowait(time.monotonic())


async def wake_ups(
    stage: Stage, pools: Sequence[str], permits: int, batch: int = 1
) -> tuple[Counter[str], list[float]]:
    """Statements of all the consumers, and seconds from a notification to the start of each permit's handler.

    Args:
        stage: where it plays.
        pools: one consumer for each of them; permits go to the first.
        permits: how many in all.
        batch: how many are enqueued at once.
    """
    listeners, waits = Listeners(), []
    async with stage.database() as url, listeners.serving(url, pools):
        database = await Database.connect(url, size=2)
        try:
            for _ in range(permits // batch):
                async with database.transaction() as connection:
                    await enqueue_permits(connection, [Permit(pools[0])] * batch)
                begun = time.monotonic()
                await wake(database.pool, [pool_channel(pools[0])])
                waits += [await asyncio.wait_for(listeners.started.get(), 40) - begun for _ in range(batch)]
                await asyncio.sleep(0.15)  # until everybody is idle again
        finally:
            await database.close()
    return listeners.statements, waits


async def measure(stage: Stage) -> list[Figure]:
    """An idle process; one attempt at a time with 50 listeners on other pools, and on its own; a burst."""
    permits = 20 if stage.quick else 60
    figures = [await idle_process(stage)]
    others = ["busy", *(f"other_{number}" for number in range(LISTENERS))]
    for label, pools, batch in (
        ("1 listener", ["busy"], 1),
        (f"1 listener, and {LISTENERS} of other pools", others, 1),
        ("4 listeners", ["busy"] * 4, 1),
        (f"{LISTENERS} listeners", ["busy"] * LISTENERS, 1),
        (f"{LISTENERS} listeners, bursts of 100", ["busy"] * LISTENERS, 100),
    ):
        count = max(permits, batch * 3)
        statements, waits = await wake_ups(stage, pools, count, batch)
        figures += [
            figure_of(f"looks at the queue an attempt, {label}", US, [statements["look"] / count], ""),
            figure_of(f"all statements of the listeners an attempt, {label}", US, [statements.total() / count], ""),
            Figure(f"notify to start p50, {label}", US, percentile(waits, 0.5) * 1e3, "ms", _range(waits)),
            Figure(f"notify to start p95, {label}", US, percentile(waits, 0.95) * 1e3, "ms", _range(waits)),
        ]
    return figures


def _range(waits: Sequence[float]) -> tuple[float, float]:
    return min(waits) * 1e3, max(waits) * 1e3
