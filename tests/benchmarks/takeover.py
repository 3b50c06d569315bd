"""Takeover and recovery: a supervisor that hosts two hundred runs is killed, then a worker, with default settings."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import asyncpg

from orchestrator import Orchestrator, RunHandle, Workflow
from tests.benchmarks.generator import Step, Work, workflow_text
from tests.benchmarks.measure import US, Figure, alternate, figure_of
from tests.benchmarks.processes import Served, until
from tests.benchmarks.stage import Stage

STEPS, STEP_SECONDS = 4, 2.0
HELD_RUNS, HELD_SECONDS = 12, 5.0
"""More attempts than one worker process takes by default, so that two hold some each."""
LOOK = 0.02
PATIENCE = 180.0

ELSEWHERE = "SELECT count(*) FROM orchestrator.runs WHERE finished_at IS NULL AND owner IS DISTINCT FROM $1"
ORPHANED = "SELECT count(*) FROM orchestrator.runs WHERE finished_at IS NULL AND (owner IS NULL OR owner = $1)"
UNFINISHED = "SELECT count(*) FROM orchestrator.runs WHERE finished_at IS NULL"
RUNNING = "SELECT count(*) FROM orchestrator.attempts WHERE status = 'running'"
HELD = "SELECT run_id FROM orchestrator.attempts WHERE status = 'running' AND process = $1"
AGAIN = """
SELECT count(*) FROM orchestrator.attempts
WHERE run_id = ANY ($1::uuid[]) AND number = 2 AND claimed_at IS NOT NULL
"""


@dataclass
class Times:
    """Seconds, of each repetition."""

    taken_over: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    undisturbed: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)


async def measure(stage: Stage) -> list[Figure]:
    """Both, in turn."""
    runs = 10 if stage.quick else 200
    times = Times()

    async def supervisor() -> None:
        await _kill_supervisor(stage, runs, times)

    async def worker() -> None:
        await _kill_worker(stage, times)

    await alternate([supervisor, worker], 1 if stage.quick else 3)
    name = f"a supervisor with {runs} runs is killed"
    return [
        figure_of(f"{name}: all taken over after", US, times.taken_over, "s"),
        figure_of(f"{name}: all done after", US, times.done, "s"),
        figure_of(f"the same {runs} runs undisturbed: all done after", US, times.undisturbed, "s"),
        figure_of("a worker is killed: its attempts run again after", US, times.again, "s"),
    ]


class _Scene:
    """A database with processes, and a client that watches the rows."""

    def __init__(self, app: Orchestrator, rows: asyncpg.Connection) -> None:
        self.app = app
        self.rows = rows

    async def submit(self, work: Work, runs: int) -> list[RunHandle]:
        """Begin so many runs."""
        workflow = await self.app.load(Workflow.from_yaml(workflow_text(work, "benchmark.sleep")))
        return [await self.app.submit(workflow, {}) for _ in range(runs)]

    async def until(self, sql: str, *values: object, count: int) -> float:
        """Seconds until a query counts so many."""
        begun = time.perf_counter()

        async def holds() -> bool:
            return bool(await self.rows.fetchval(sql, *values) == count)

        await until(holds, look=LOOK, patience=PATIENCE)
        return time.perf_counter() - begun


@asynccontextmanager
async def _scene(url: str) -> AsyncIterator[_Scene]:
    async with Orchestrator.connect(database=url) as app:
        rows = await asyncpg.connect(url)
        try:
            yield _Scene(app, rows)
        finally:
            await rows.close()


async def _kill_supervisor(stage: Stage, runs: int, times: Times) -> None:
    """Chains of naps on one worker process; first undisturbed, then with a kill in the second nap."""
    naps = [Step(f"s{at}", (f"s{at - 1}",) if at else (), STEP_SECONDS) for at in range(STEPS)]
    work = Work("naps", tuple(naps))
    wide = ("worker", "--pool", "benchmark", "--concurrency", str(runs))
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(stage.database())
        scene = await stack.enter_async_context(_scene(url))
        victim: Served = await stack.enter_async_context(stage.project.process(url, "supervisor"))
        await stack.enter_async_context(stage.project.process(url, *wide))
        begun = time.perf_counter()
        await scene.submit(work, runs)
        await scene.until(UNFINISHED, count=0)
        times.undisturbed.append(time.perf_counter() - begun)

        await scene.submit(work, runs)
        await scene.until(ELSEWHERE, victim.id, count=0)
        await stack.enter_async_context(stage.project.process(url, "supervisor"))
        victim.kill()
        killed = time.perf_counter()
        await scene.until(ORPHANED, victim.id, count=0)
        times.taken_over.append(time.perf_counter() - killed)
        await scene.until(UNFINISHED, count=0)
        times.done.append(time.perf_counter() - killed)


async def _kill_worker(stage: Stage, times: Times) -> None:
    """Two workers with default settings share some attempts; one is killed, and the other gets what it held."""
    work = Work("held", (Step("s0", (), HELD_SECONDS),))
    pool = ("worker", "--pool", "benchmark")
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(stage.database())
        scene = await stack.enter_async_context(_scene(url))
        await stack.enter_async_context(stage.project.process(url, "supervisor"))
        victim: Served = await stack.enter_async_context(stage.project.process(url, *pool))
        await stack.enter_async_context(stage.project.process(url, *pool))
        await scene.submit(work, HELD_RUNS)
        await scene.until(RUNNING, count=HELD_RUNS)
        held = [row["run_id"] for row in await scene.rows.fetch(HELD, victim.id)]
        assert held, "the victim held nothing"
        victim.kill()
        times.again.append(await scene.until(AGAIN, held, count=len(held)))
        await scene.until(UNFINISHED, count=0)
