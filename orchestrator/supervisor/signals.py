"""What a supervisor tells others: permits within its transactions, and word after their commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import asyncpg

from orchestrator.domain.attempt import AttemptOrder
from orchestrator.domain.identity import ProcessId, RunId
from orchestrator.queue import (
    FINISHED_CHANNEL,
    RUN_CHANNEL,
    Notifier,
    Permit,
    enqueue_permits,
    enqueue_run_jobs,
    pool_channel,
)
from orchestrator.store.parking import unowned


class Signals:
    """The queue and the notifications, seen from the supervisor."""

    def __init__(self, notifier: Notifier) -> None:
        self._notifier = notifier

    async def permit(self, connection: asyncpg.Connection, orders: Sequence[AttemptOrder]) -> None:
        """Enqueue one permit for each order that waits in a pool, within the caller's transaction."""
        permits = [Permit(order.pool, order.priority, order.delay) for order in orders if order.pool]
        await enqueue_permits(connection, permits)

    def wake_pools(self, pools: Iterable[str]) -> None:
        """Tell pools that there is work, after the commit."""
        for pool in filter(None, pools):
            self._notifier.wake_channel(pool_channel(pool))

    def wake_supervisors(self) -> None:
        """Tell supervisors that there are run jobs, after the commit."""
        self._notifier.wake_channel(RUN_CHANNEL)

    def wake_owners(self, told: Iterable[tuple[ProcessId | None, RunId]]) -> None:
        """Tell processes that a run needs them: attempts of theirs are to end, or something is in its inbox.

        After the commit; for runs without an owner `rouse` comes before it.
        """
        for process, run_id in set(told):
            if process is None:
                self.wake_supervisors()
            else:
                self._notifier.wake_run(process, run_id)

    async def rouse(self, connection: asyncpg.Connection, told: Iterable[tuple[ProcessId | None, RunId]]) -> None:
        """Queue jobs for those runs that nobody hosts, such as parked ones, within the caller's transaction."""
        alone = {run_id for process, run_id in told if process is None}
        if alone:
            await enqueue_run_jobs(connection, await unowned(connection, alone))

    async def run_jobs(self, connection: asyncpg.Connection, jobs: Sequence[tuple[RunId, int]]) -> None:
        """Enqueue the jobs of new runs, each with its priority, within the caller's transaction."""
        await enqueue_run_jobs(connection, jobs)

    def finished(self, run_id: RunId) -> None:
        """Tell whoever waits that a run has ended, after the commit."""
        self._notifier.tell_runs(FINISHED_CHANNEL, run_id)
