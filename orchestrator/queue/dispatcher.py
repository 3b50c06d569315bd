"""PgQueuer's queue manager, made exact in its capacity, quiet when it has nothing to do, and hard to stop."""

from __future__ import annotations

import asyncio
import dataclasses
import logging
import uuid
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Final

from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain import models, types
from pgqueuer.ports.repository import EntrypointExecutionParameter

from orchestrator.queue.driver import QueueDriver
from orchestrator.queue.outage import DATABASE_ERRORS, pause, sleep_unless
from orchestrator.queue.relaxed import RelaxedQueryBuilder
from orchestrator.queue.settings import QUEUE_SETTINGS
from orchestrator.queue.statements import statement

_log = logging.getLogger(__name__)

_CONTENDED: Final = timedelta(seconds=0.1)
"""Before looking again at jobs that could be picked but were not, because somebody else is just picking them."""

_SOONEST: Final = timedelta(seconds=0.01)

JobEnd = tuple[models.Job, types.JOB_STATUS, models.TracebackRecord | None]


class DispatcherQueries(Queries):
    """PgQueuer's queries, except that the end of a job is written again and again until the database is back."""

    def __init__(self, driver: QueueDriver, shutdown: asyncio.Event) -> None:
        super().__init__(
            driver,
            qbe=QueryBuilderEnvironment(QUEUE_SETTINGS),
            qbq=RelaxedQueryBuilder(QUEUE_SETTINGS),
            qbs=QuerySchedulerBuilder(QUEUE_SETTINGS),
        )
        self._shutdown = shutdown
        self._writing = asyncio.Lock()

    async def log_jobs(self, job_status: list[JobEnd]) -> None:
        """Delete ended jobs, which is idempotent.

        When the queue manager is stopping and the database is away they are left: their heartbeat goes stale,
        somebody picks them again, finds nothing to claim, and ends them.
        """
        failures = 0
        async with self._writing:  # one at a time, so that an outage does not gather a crowd
            while True:
                try:
                    return await super().log_jobs(job_status)
                except DATABASE_ERRORS as error:
                    if self._shutdown.is_set():
                        return _log.warning("%d ended jobs stay in the queue: %s", len(job_status), error)
                    failures += 1
                    await sleep_unless(self._shutdown, pause(failures))


@dataclasses.dataclass
class Dispatcher(QueueManager):
    """One entrypoint's jobs, at most `capacity` of them at once.

    PgQueuer leaves the counting to SQL, where a job counts until its end is written, and looks again every
    0.1 s while it is full. Here a job counts until its handler returns, and that wakes the next look, so the
    write of one job's end overlaps with the next job.
    """

    driver: QueueDriver = dataclasses.field(kw_only=True)
    capacity: int = dataclasses.field(kw_only=True)
    full: bool = dataclasses.field(init=False, default=False)
    failures: int = dataclasses.field(init=False, default=0)
    took_after: str = dataclasses.field(init=False, default="")

    async def verify_structure(self) -> None:
        """Nothing: the migrations have seen to it, and it would be twenty queries a consumer."""

    async def listener_healthy(
        self,
        timeout: timedelta = timedelta(0),  # noqa: ASYNC109  # PgQueuer's signature
    ) -> models.HealthCheckEvent:
        """Nothing either: the process's `Listener` probes the one connection that all dispatchers share."""
        return models.HealthCheckEvent(
            channel=self.channel,
            sent_at=datetime.now(UTC),
            type="health_check_event",
            id=types.HealthCheckId(uuid.uuid4()),
        )

    async def fetch_jobs(
        self, batch_size: int, global_concurrency_limit: int | None, heartbeat_timeout: timedelta
    ) -> AsyncGenerator[models.Job, None]:
        """Yield jobs until there are none or as many run as may; the arguments on size are not used."""
        while not self.shutdown.is_set():
            self.driver.noticed = False
            free = self.capacity - len(self.job_context)
            self.full = free <= 0
            if self.full:
                return
            heard = self.driver.turns.latest
            self.driver.turns.cancel()  # this is the look that was waited for
            jobs = await self._pick(free, heartbeat_timeout)
            if jobs:
                self.took_after = heard
            for job in jobs:
                # A late heartbeat lets a dequeue pick a job again that still runs here.
                if job.id not in self.job_context:
                    yield job
            # A notification that came meanwhile may be for a job that the dequeue was too early to see.
            if len(jobs) < free and not self.driver.noticed:
                return

    def forget_job(self, job_id: types.JobId, context: models.Context, task: asyncio.Task[None]) -> None:
        """A job's handler has returned: the next may start."""
        super().forget_job(job_id, context, task)
        if self.full:
            self.full = False
            self.driver.poke()

    async def _pick(self, free: int, heartbeat_timeout: timedelta) -> list[models.Job]:
        parameters = EntrypointExecutionParameter(concurrency_limit=0)
        try:
            jobs = await self.queries.dequeue(
                batch_size=free,
                entrypoints=dict.fromkeys(self.entrypoint_registry, parameters),
                queue_manager_id=self.queue_manager_id,
                global_concurrency_limit=None,
                heartbeat_timeout=heartbeat_timeout,
            )
        except DATABASE_ERRORS as error:
            if not self.failures:
                _log.warning("the queue cannot be read, trying again: %s", error)
            self.failures += 1
            return []
        if self.failures:
            _log.info("the queue can be read again")
            self.failures = 0
        return jobs

    async def _effective_dequeue_timeout(self, dequeue_timeout: timedelta) -> timedelta:
        """How long to sleep unless woken: until the next deferred job is due, or to the end of a pause."""
        if self.failures:
            return timedelta(seconds=pause(self.failures))
        if self.full and not (self.took_after and self.driver.turns.many):
            return dequeue_timeout
        try:
            due = [await self._next_due(name) for name in self.entrypoint_registry]
        except DATABASE_ERRORS:
            return dequeue_timeout if self.full else _CONTENDED
        waits = [each for each in due if each is not None]
        if not waits:
            await self._tell_emptied()
        return dequeue_timeout if self.full else min([dequeue_timeout, *waits])

    async def _tell_emptied(self) -> None:
        """Nothing is queued any more, not even for later; the peers need not look, if it was we who took the last."""
        heard, self.took_after = self.took_after, ""
        if heard and self.driver.turns.many:
            try:
                await self.driver.tell_emptied(heard)
            except DATABASE_ERRORS as error:
                _log.debug("the peers were not told that the queue is empty: %s", error)

    async def _next_due(self, entrypoint: str) -> timedelta | None:
        (row,) = await self.driver.fetch(statement("next_due"), entrypoint)
        seconds = row["seconds"]
        if not isinstance(seconds, float):
            return None
        return max(timedelta(seconds=seconds), _SOONEST) if seconds > 0 else _CONTENDED
