"""A process's heartbeat row, kept alive in the background."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Collection
from types import TracebackType
from typing import TYPE_CHECKING, Self

from orchestrator.domain.identity import ProcessId, new_process_id
from orchestrator.errors import DatabaseUnavailable, OrchestratorError
from orchestrator.store.processes import beat, register, unregister

if TYPE_CHECKING:
    from orchestrator.store.database import Database

logger = logging.getLogger(__name__)

SIGN_ON_PATIENCE = 30.0
"""Seconds for which a process that has begun to serve waits for a database that went away just then."""


class Presence:
    """Registers this process while it is entered, and shows that it lives.

    Args:
        database: where it works.
        kind: `supervisor` or `worker`.
        pools: the pools that it serves.
        slots: attempts that it runs at once.
        every: seconds between two heartbeats.
        on_buried: awaited when others declared this process dead, once it has a new id and before it registers
            again: nothing that it held under the old one is its own any more.

    Attributes:
        id: the present one; an id is never used again after it was declared dead.
        heard_at: when (monotonic clock) the last heartbeat that arrived was sent.
        peers: how many processes served any of the same pools then, this one among them.
    """

    def __init__(
        self,
        database: Database,
        kind: str,
        pools: Collection[str] = (),
        *,
        slots: int = 0,
        every: float,
        on_buried: Callable[[], Awaitable[None]],
    ) -> None:
        self.id: ProcessId = new_process_id()
        self._database = database
        self._kind = kind
        self._pools = pools
        self._slots = slots
        self._every = every
        self._on_buried = on_buried
        self.heard_at = time.monotonic()
        self.peers = 1
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._sign_on()
        self._beating = asyncio.create_task(self._beat(), name=f"heartbeat of the {self._kind}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.wait({self._beating})
        try:
            await unregister(self._database, self.id)
        except OrchestratorError as problem:
            logger.warning("could not sign off: %s", problem.message)

    async def _sign_on(self) -> None:
        """The database answered a moment ago, when the process was opened: an outage now is waited for, for a while."""
        begun = time.monotonic()
        while True:
            try:
                return await register(self._database, self.id, self._kind, self._pools, self._slots)
            except DatabaseUnavailable as problem:
                if time.monotonic() - begun > SIGN_ON_PATIENCE:
                    raise
                logger.warning("not signed on yet, next try in %g s: %s", self._every, problem.message)
                await asyncio.sleep(self._every)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._every)
            sent = time.monotonic()
            try:
                peers = await beat(self._database, self.id)
                self.peers = peers or 1
                if peers is None:
                    logger.warning("this %s was silent for so long that it was declared dead", self._kind)
                    self.id = new_process_id()
                    await self._on_buried()
                    await register(self._database, self.id, self._kind, self._pools, self._slots)
                self.heard_at = sent
            except OrchestratorError as problem:
                logger.warning("no heartbeat, next try in %g s: %s", self._every, problem.message)
            except Exception:
                # Without its heartbeat the process would be declared dead while it works.
                logger.exception("no heartbeat, next try in %g s", self._every)
