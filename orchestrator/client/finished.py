"""Waiting for the end of runs: told by a notification, and sure within a second without one."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import partial

from orchestrator.domain.identity import RunId
from orchestrator.domain.run import FINAL
from orchestrator.errors import NotFound
from orchestrator.queue import FINISHED_CHANNEL, Listener, read_runs
from orchestrator.store import Database, runs
from orchestrator.store.batching import Batcher

LOOK = 1.0
"""Seconds between two looks at the row, in case the notification is lost."""


class Finished:
    """Wakes those that wait for a run when it ends."""

    def __init__(self, database: Database, listener: Listener) -> None:
        self._listener = listener
        self._waiting: dict[RunId, set[asyncio.Event]] = defaultdict(set)
        self._statuses: Batcher[tuple[RunId, str], str | None] = Batcher(partial(runs.run_statuses, database))

    async def start(self) -> None:
        """Begin to listen."""
        await self._listener.listen(FINISHED_CHANNEL, self._on_finished)

    async def wait(self, run_id: RunId, *, tenant: str) -> None:
        """Return once the tenant's run has ended.

        Raises:
            NotFound: the tenant has no such run.
        """
        ended = asyncio.Event()
        self._waiting[run_id].add(ended)
        try:
            while True:
                status = await self._statuses.ask((run_id, tenant))
                if status is None:
                    raise NotFound(f"run {run_id} does not exist")
                if status in FINAL:
                    return
                try:
                    await asyncio.wait_for(ended.wait(), LOOK)
                except TimeoutError:
                    continue
        finally:
            self._waiting[run_id].discard(ended)
            if not self._waiting[run_id]:
                del self._waiting[run_id]

    def _on_finished(self, payload: str) -> None:
        for run_id in read_runs(payload):
            for ended in self._waiting.get(run_id, ()):
                ended.set()
