"""How long a worker process takes from its start to its first claim, where an attempt already waits."""

from __future__ import annotations

import time

import asyncpg

from orchestrator import Orchestrator, Workflow
from tests.benchmarks.generator import chain, workflow_text
from tests.benchmarks.measure import US, Figure, figure_of
from tests.benchmarks.processes import until
from tests.benchmarks.stage import Stage

QUEUED = "SELECT 1 FROM orchestrator.attempts WHERE run_id = $1 AND status = 'queued'"
CLAIMED = "SELECT extract(epoch FROM claimed_at)::float8 FROM orchestrator.attempts WHERE run_id = $1"


async def measure(stage: Stage) -> list[Figure]:
    """Wall time to the claim, and the CPU time that the process had used a moment later."""
    walls, cpus = [], []
    async with (
        stage.database() as url,
        stage.project.process(url, "supervisor"),
        Orchestrator.connect(database=url) as client,
    ):
        connection = await asyncpg.connect(url)
        try:
            for _ in range(2 if stage.quick else 7):
                run = await client.submit(Workflow.from_yaml(workflow_text(chain(1), "benchmark.nothing")))

                async def queued(run_id: object = run.id) -> bool:
                    return await connection.fetchval(QUEUED, run_id) is not None

                await until(queued, look=0.01, patience=30)
                begun = time.time()
                async with stage.project.process(url, "worker", "--pool", "benchmark") as process:
                    await run.result()
                    cpus.append(process.cpu_seconds)
                walls.append(await connection.fetchval(CLAIMED, run.id) - begun)
        finally:
            await connection.close()
    return [
        figure_of("worker process, start to first claim", US, walls, "s"),
        figure_of("worker process, CPU time by the end of its first attempt", US, cpus, "s"),
    ]
