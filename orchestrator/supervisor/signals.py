"""What a supervisor tells others: permits within its transactions, and word after their commit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import asyncpg

from orchestrator.domain.attempt import AttemptOrder
from orchestrator.domain.identity import ProcessId, RunId
from orchestrator.queue import FINISHED_CHANNEL, RUN_CHANNEL, Notifier, Permit, enqueue_permits, pool_channel
from orchestrator.store import Database


class Signals:
    """The queue and the notifications, seen from the supervisor."""

    def __init__(self, database: Database, notifier: Notifier) -> None:
        self._database = database
        self._notifier = notifier

    async def permit(self, connection: asyncpg.Connection, orders: Sequence[AttemptOrder]) -> None:
        """Enqueue one permit for each order, within the caller's transaction."""
        await enqueue_permits(connection, [Permit(order.pool, order.priority, order.delay) for order in orders])

    def wake_pools(self, pools: Iterable[str]) -> None:
        """Tell pools that there is work, after the commit."""
        for pool in pools:
            self._notifier.wake_channel(pool_channel(pool))

    def wake_supervisors(self) -> None:
        """Tell supervisors that there are run jobs, after the commit."""
        self._notifier.wake_channel(RUN_CHANNEL)

    def recall(self, processes: Iterable[ProcessId], run_id: RunId) -> None:
        """Tell worker processes that attempts of theirs are to end."""
        for process in set(processes):
            self._notifier.wake_run(process, run_id)

    async def finished(self, run_id: RunId) -> None:
        """Tell whoever waits that a run has ended, after the commit."""
        await self._database.execute("SELECT pg_notify($1, $2)", FINISHED_CHANNEL, str(run_id))
