"""The sweeper makes up for what was lost: dead owners, expired leases, missing permits, unheard notifications."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence

from orchestrator.domain.identity import RunId
from orchestrator.queue import Notifier, Permit, enqueue_permits, enqueue_run_jobs, prune, waiting_permits
from orchestrator.settings import SupervisorSettings
from orchestrator.store import Database, attempts, inbox, processes, runs
from orchestrator.store.claiming import forget_rates
from orchestrator.store.retention import BLOBS, Removed, sweep_blobs
from orchestrator.supervisor.signals import Signals
from orchestrator.telemetry import Metrics

BATCH = 500
"""Rows that one sweep mends of each kind; the next one goes on."""

SOONEST = 0.05
"""Seconds between two sweeps at the least."""

PERMITS_RESTORED = 32
"""Permits of one pool that one sweep makes up for; more would be picked in vain where a worker's own limit holds."""

PRUNE_EVERY = 3600.0
"""Seconds between two times that the queue's log and unused values are cleared away, and the age of what goes there."""


class Sweeper:
    """One look at everything that may have gone missing. Several processes may sweep at once without harm."""

    def __init__(
        self,
        database: Database,
        signals: Signals,
        notifier: Notifier,
        settings: SupervisorSettings,
        clock: Callable[[], float] = time.monotonic,
        *,
        metrics: Metrics | None = None,
    ) -> None:
        self._database = database
        self._signals = signals
        self._notifier = notifier
        self._settings = settings
        self._clock = clock
        self._metrics = metrics
        self._lacking: frozenset[str] = frozenset()
        self._swept_at = self._clock()
        self._judge_from = 0.0
        self._prune_at = self._clock() + PRUNE_EVERY

    async def sweep(self, residents: Sequence[RunId]) -> Iterable[RunId]:
        """Mend what is amiss; gives those of `residents` that have something in their inbox."""
        if self._may_judge():
            await processes.reap(self._database, self._settings.dead_after, self._settings.worker_dead_after)
            await self._adopt_orphans()
        for run_id, owner in await attempts.expire_leases(self._database, BATCH):
            if owner is not None:
                self._notifier.wake_run(owner, run_id)
        await self._restore_permits()
        if self._clock() >= self._prune_at:
            await self._clear_away()
        unread = await inbox.unread_of(self._database, residents) if residents else ()
        self._swept_at = self._clock()
        return unread

    async def _clear_away(self) -> None:
        """Delete what is old in the queue's log, unused rates, and some unused values; the next sweep goes on there."""
        removed = Removed()
        await prune(self._database.pool, older_than=PRUNE_EVERY)
        await sweep_blobs(self._database, removed, most=BLOBS)
        await forget_rates(self._database)
        self._prune_at = self._clock() + (0.0 if removed.rows["blobs"] >= BLOBS else PRUNE_EVERY)

    def _may_judge(self) -> bool:
        """Whether a silence of others means that they are dead.

        When the database was away, or this process was held up, they may have been as well: then they are given the
        time to be heard of again, or whoever sweeps first would take everybody's runs.
        """
        now, patience = self._clock(), self._settings.dead_after
        if now - self._swept_at > max(patience / 2, 2 * self._settings.sweep):
            self._judge_from = now + patience
        return now >= self._judge_from

    async def pause(self) -> float:
        """Seconds until the next sweep: shorter where a supervisor is about to count as dead."""
        soon = await processes.next_silence(self._database, self._settings.dead_after)
        return self._settings.sweep if soon is None else min(self._settings.sweep, max(SOONEST, soon + SOONEST))

    async def _adopt_orphans(self) -> None:
        orphans = await runs.orphans(self._database, self._settings.dead_after, BATCH)
        if orphans:
            async with self._database.transaction() as connection:
                await enqueue_run_jobs(connection, orphans)
            self._signals.wake_supervisors()

    async def _restore_permits(self) -> None:
        """Attempts that wait for a claim but have no permit: it was lost with the process that had picked it.

        A permit that was picked a moment ago is not lost, so only a lack that lasts is made up, a few at a time.
        Every pool with due attempts is woken besides, in case the
        notification was lost: idle consumers sleep long.
        """
        queued = await attempts.missing_permits(self._database)
        if self._metrics is not None:
            self._metrics.depths(queued)
        if not queued:
            self._lacking = frozenset()
            return
        async with self._database.transaction() as connection:
            waiting = await waiting_permits(connection, queued)
            short = {pool: count - waiting.get(pool, 0) for pool, count in queued.items()}
            lacks = {pool: count for pool, count in short.items() if count > 0}
            lasting = [pool for pool in lacks if pool in self._lacking]
            await enqueue_permits(
                connection, [Permit(pool) for pool in lasting for _ in range(min(lacks[pool], PERMITS_RESTORED))]
            )
        self._lacking = frozenset(lacks)
        self._signals.wake_pools(queued)
