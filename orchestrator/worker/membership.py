"""This process's row in `processes`: one heartbeat, however many attempts it holds."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection
from types import TracebackType
from typing import Self

from orchestrator.domain.identity import ProcessId, new_process_id
from orchestrator.errors import ServiceError
from orchestrator.store import processes
from orchestrator.store.database import Database

log = logging.getLogger(__name__)

HEARTBEAT = 2.0
"""Seconds; supervisors declare a process dead after four times that (`supervisor.dead_after`)."""


class Membership:
    """Registers the process, keeps its heartbeat, and takes a new id when it was declared dead.

    Args:
        database: where `processes` is.
        pools: what it serves, for people.
        on_dead: awaited when it was declared dead and has a new id: nothing that it held is its own any more.
    """

    def __init__(self, database: Database, pools: Collection[str], *, on_dead: Callable[[], Awaitable[None]]) -> None:
        self.id: ProcessId = new_process_id()
        self._database = database
        self._pools = pools
        self._on_dead = on_dead

    async def __aenter__(self) -> Self:
        await processes.register(self._database, self.id, "worker", self._pools)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await processes.unregister(self._database, self.id)
        except ServiceError as away:
            log.warning("the process could not be unregistered: %s", away)

    async def run(self) -> None:
        """Send heartbeats until cancelled."""
        while True:
            await asyncio.sleep(HEARTBEAT)
            try:
                if not await processes.beat(self._database, self.id):
                    await self._return()
            except ServiceError as error:
                log.warning("no heartbeat: %s", error)

    async def _return(self) -> None:
        old, self.id = self.id, new_process_id()
        log.error("process %s was declared dead; it goes on as %s", old, self.id)
        await processes.register(self._database, self.id, "worker", self._pools)
        await self._on_dead()
