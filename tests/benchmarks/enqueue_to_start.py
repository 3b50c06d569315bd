"""How long a step waits for an idle worker: from the insert of its row to its claim, by the rows' own times."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager

import asyncpg

from orchestrator import Orchestrator, Workflow
from tests.benchmarks.generator import chain, workflow_text
from tests.benchmarks.measure import US, Figure, percentile
from tests.benchmarks.peers import dbos_queue
from tests.benchmarks.stage import Stage

NAME = "enqueue to start, idle workers"
STEPS = 10

WAITS = """
SELECT extract(epoch FROM claimed_at - queued_at) * 1000 AS wait
FROM orchestrator.attempts WHERE run_id = ANY ($1::uuid[])
"""
PEER_WAITS = """
SELECT started_at_epoch_ms - created_at AS wait FROM dbos.workflow_status WHERE queue_name = 'steps'
"""


async def ours(opened: AbstractAsyncContextManager[Orchestrator], runs: int) -> list[float]:
    """Milliseconds; one run at a time, so that a worker is always idle."""
    async with opened as app:
        workflow = await app.load(Workflow.from_yaml(workflow_text(chain(STEPS), "benchmark.nothing")))
        await app.run(workflow, {})
        ids = []
        for _ in range(runs):
            result = await app.run(workflow, {})
            assert result.status == "succeeded"
            ids.append(result.run_id)
        connection = await asyncpg.connect(app.database_url)
        try:
            return [float(row["wait"]) for row in await connection.fetch(WAITS, ids)]
        finally:
            await connection.close()


async def peer(stage: Stage, runs: int) -> list[float]:
    """Milliseconds of DBOS, with a poll interval a fiftieth of its default."""
    async with stage.database(migrated=False) as url:
        async with dbos_queue.opened_dbos(url, apart=True) as dbos:
            for _ in range(runs):
                await dbos.seconds("chain", 1, STEPS)
        connection = await asyncpg.connect(url)
        try:
            return [float(row["wait"]) for row in await connection.fetch(PEER_WAITS)]
        finally:
            await connection.close()


async def measure(stage: Stage) -> list[Figure]:
    """We in one process, we in several, and DBOS."""
    runs = 5 if stage.quick else 30
    theirs = await peer(stage, max(2, runs // 3))
    waits = {
        f"{US}, one process": await ours(stage.together(), runs),
        f"{US}, supervisor and worker apart": await ours(stage.apart(), runs),
    }
    figures = []
    for label, fraction in (("p50", 0.50), ("p95", 0.95)):
        name, slow = f"{NAME}, {label}", percentile(theirs, fraction)
        for subject, found in waits.items():
            value = percentile(found, fraction)
            figures.append(
                Figure(name, subject, value, "ms", (min(found), max(found)), {dbos_queue.NAME: slow / value})
            )
        figures.append(Figure(name, dbos_queue.NAME, slow, "ms", (min(theirs), max(theirs))))
    return figures
