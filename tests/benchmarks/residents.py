"""Residents: memory of a supervisor process for each run that it hosts and that waits, and what rest costs it."""

from __future__ import annotations

import asyncio

import asyncpg

from orchestrator import Orchestrator, Workflow
from tests.benchmarks.generator import chain, workflow_text
from tests.benchmarks.measure import US, Figure
from tests.benchmarks.processes import Served, until
from tests.benchmarks.stage import Stage

NAME = "memory per waiting run"
FULL, QUICK = (1_000, 10_000), (100, 200)
BASE = 50
"""Runs that are hosted before the first look: what all runs share is loaded then."""
STEPS = 10
REST_SECONDS = 5.0
PATIENCE = 900.0
LOOKS, LOOK, NOTHING_NEW = 3, 1.5, 0.15
"""How often it is looked at, and the seconds between two looks and of CPU between which nothing has changed."""
REST_PATIENCE = 120.0

WAITING = "SELECT count(*) FROM orchestrator.attempts WHERE status = 'queued'"
HOSTED = "SELECT count(*) FROM orchestrator.runs WHERE owner = $1"


async def measure(stage: Stage) -> list[Figure]:
    """Runs of ten steps, the first of which is in a pool that nobody serves: all wait for it, none is parked."""
    sizes = QUICK if stage.quick else FULL
    figures: list[Figure] = []
    async with (
        stage.database() as url,
        stage.project.process(url, "supervisor") as supervisor,
        Orchestrator.connect(database=url) as app,
    ):
        connection = await asyncpg.connect(url)
        try:
            base = await _settled(app, connection, supervisor, 0, BASE)
            before = BASE
            for size in sizes:
                memory = await _settled(app, connection, supervisor, before, size)
                before = size
                each = (memory - base) / (size - BASE) / 1000
                figures.append(Figure(f"{NAME}, {size:,} runs", US, each, "kB", (each, each)))
                figures.append(await _rest(supervisor, size, 1.0 if stage.quick else REST_SECONDS))
        finally:
            await connection.close()
    return figures


async def _settled(
    app: Orchestrator, connection: asyncpg.Connection, supervisor: Served, there: int, wanted: int
) -> int:
    """Submit until so many are open, wait until all are hosted and at rest; the process's memory then, in bytes."""
    workflow = await app.load(Workflow.from_yaml(workflow_text(chain(STEPS), "benchmark.unserved")))
    for begin in range(there, wanted, 50):
        await asyncio.gather(*(app.submit(workflow, {}) for _ in range(begin, min(begin + 50, wanted))))

    async def waiting() -> bool:
        queued, hosted = await connection.fetchval(WAITING), await connection.fetchval(HOSTED, supervisor.id)
        return bool(queued == wanted == hosted)

    await until(waiting, look=0.2, patience=PATIENCE)
    await _at_rest(supervisor)
    return supervisor.resident_bytes


async def _at_rest(supervisor: Served) -> None:
    """Wait until it does nothing but sweep: three looks in a row find much the same use of its core."""
    used: list[float] = []
    async with asyncio.timeout(REST_PATIENCE):
        while len(used) < LOOKS or max(used[-LOOKS:]) - min(used[-LOOKS:]) > NOTHING_NEW:
            before = supervisor.cpu_seconds
            await asyncio.sleep(LOOK)
            used.append(supervisor.cpu_seconds - before)


async def _rest(supervisor: Served, size: int, seconds: float) -> Figure:
    """How much of a core it takes to keep them waiting."""
    before = supervisor.cpu_seconds
    await asyncio.sleep(seconds)
    share = 100 * (supervisor.cpu_seconds - before) / seconds
    return Figure(f"CPU of a supervisor at rest, {size:,} runs", US, share, "% of a core", (share, share))
