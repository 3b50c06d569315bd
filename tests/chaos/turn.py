"""One turn: a database, the processes, the workload, the disturbances, and the promises at its end."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from orchestrator import Orchestrator
from tests.chaos.client import Client
from tests.chaos.disturber import Disturber
from tests.chaos.fleet import MEMBERS, Fleet
from tests.chaos.plan import Disturbance, Kind
from tests.chaos.promises import broken_promises
from tests.chaos.server import Server

LOOK = 0.25
START_SECONDS = 60.0
READY = "SELECT count(*) FROM processes"
BUSY = """
SELECT (SELECT count(*) FROM inbox) + (SELECT count(*) FROM attempts WHERE status IN ('queued', 'waiting', 'running'))
     + (SELECT count(*) FROM pgqueuer WHERE $1 OR status = 'queued')
"""
COUNTS = """
SELECT (SELECT count(*) FROM attempts) AS attempts,
       (SELECT count(*) FROM attempts WHERE status = 'lost') AS lost,
       (SELECT count(*) FROM attempts WHERE superseded) AS superseded,
       (SELECT count(*) FROM attempts WHERE error ->> 'class' = 'in_doubt') AS in_doubt,
       (SELECT count(*) FROM effects) AS effects,
       (SELECT coalesce(sum(epoch - 1), 0)::int FROM runs) AS takeovers
"""


@dataclass(frozen=True, slots=True)
class Work:
    """What a turn does.

    Attributes:
        files: of the workflows, which the runs have in turn.
        flood: of the workflow that fills the queue.
        runs: how many.
        items: of the flood.
        pace: seconds between two submits.
    """

    files: list[Path]
    flood: Path
    runs: int
    items: int
    pace: float = 0.0


@dataclass
class Report:
    """What a turn came to.

    Attributes:
        seconds: from the first submit to the end of the last run.
        counts: of the rows.
        disturbances: how often each kind was carried out.
        problems: broken promises.
    """

    seconds: float
    counts: Mapping[str, int]
    disturbances: Counter[Kind] = field(default_factory=Counter)
    restarts: int = 0
    refusals: int = 0
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Stage:
    """Where turns take place.

    Attributes:
        server: for all turns.
        root: of the project.
        environment: of the processes, beside the database's URL.
        frozen: seconds for which processes are frozen.
        drain: seconds that the queue may take to empty after the last run.
        all_jobs: also wait for jobs that a killed process had picked: for a minute and a half.
        say: told how it goes.
    """

    server: Server
    root: Path
    environment: Mapping[str, str]
    frozen: float
    drain: float
    all_jobs: bool
    say: Callable[[str], None]

    async def turn(self, work: Work, plan: Iterator[Disturbance] | None = None) -> Report:
        """Run the work in a database of its own, disturbed by a plan or not at all, and check the promises."""
        async with self.server.database() as url:
            effects = self.root / f"{url.partition('?')[0].rpartition('/')[2]}.effects"
            environment = {**self.environment, "ORCHESTRATOR_DATABASE_URL": url, "CHAOS_EFFECTS": str(effects)}
            fleet = Fleet(self.root, environment)
            try:
                report = await self._work(fleet, url, environment, work, plan)
            finally:
                await asyncio.shield(asyncio.to_thread(fleet.close))
            report.problems += [f"a process ended: {name} ({times})" for name, times in fleet.deaths.items()]
            report.restarts = fleet.restarts
            report.problems += await self._left_behind(url)
            report.problems += await broken_promises(url, effects, top_runs=work.runs + 1)
            return report

    async def _work(
        self, fleet: Fleet, url: str, environment: Mapping[str, str], work: Work, plan: Iterator[Disturbance] | None
    ) -> Report:
        fleet.start()
        async with _rows(url) as rows:
            await _until(lambda: rows.fetchval(READY), len(MEMBERS), START_SECONDS)
        async with Orchestrator.open(self.root, environ=environment, serve=False) as app:
            client = Client(app)
            disturber = Disturber(fleet, self.server, url, frozen=self.frozen, say=self.say)
            begun = time.monotonic()
            async with _during(disturber, plan):
                handles = await client.submit(work.files, work.flood, runs=work.runs, items=work.items, pace=work.pace)
                waiting = asyncio.create_task(client.result(handles[-1]))
                await client.ended()
                seconds = time.monotonic() - begun
                await waiting
            problems = await self._drain(fleet, url)
            async with _rows(url) as rows:
                counts = dict(await rows.fetchrow(COUNTS))
            return Report(seconds, counts, disturber.done, refusals=client.refusals, problems=problems)

    async def _drain(self, fleet: Fleet, url: str) -> list[str]:
        """With all processes up, wait until nothing is left to do."""
        fleet.mend()
        async with _rows(url) as rows:
            try:
                await _until(lambda: rows.fetchval(BUSY, self.all_jobs), 0, self.drain)
            except TimeoutError:
                jobs = await rows.fetch("SELECT entrypoint, status::text, count(*) FROM pgqueuer GROUP BY 1, 2")
                return [f"{self.drain:g} s after the last run something is left; jobs: {[tuple(job) for job in jobs]}"]
        return []

    async def _left_behind(self, url: str) -> list[str]:
        """Processes that have signed off leave no row; those that were killed at the very end may."""
        async with _rows(url) as rows:
            left = await rows.fetch(
                "SELECT kind, pid FROM processes WHERE heartbeat_at > (SELECT max(finished_at) FROM runs)"
            )
        return [f"a {row['kind']} process has not signed off" for row in left]


@asynccontextmanager
async def _during(disturber: Disturber, plan: Iterator[Disturbance] | None) -> AsyncIterator[None]:
    """Disturb and mend while the block lasts; what fails there ends the block."""
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(disturber.mend())]
        if plan is not None:
            running.append(tasks.create_task(disturber.follow(plan)))
        try:
            yield
        finally:
            for task in running:
                task.cancel()


@asynccontextmanager
async def _rows(url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, server_settings={"search_path": "orchestrator, public"})
    try:
        yield connection
    finally:
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            await connection.close()


async def _until(look: Callable[[], object], wanted: object, patience: float) -> None:
    async with asyncio.timeout(patience):
        while await look() != wanted:  # type: ignore[misc]  # noqa: ASYNC110 - rows that other processes write
            await asyncio.sleep(LOOK)
