"""What PgQueuer's queue manager sees of the database: our pool for statements, our listener for notifications."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from pgqueuer.core.tm import TaskManager
from pgqueuer.ports.driver import Driver, NotifyCallback

from orchestrator.queue.channels import emptied_channel, queue_event
from orchestrator.queue.listener import Listener
from orchestrator.queue.statements import statement
from orchestrator.queue.turns import Turns

if TYPE_CHECKING:
    import asyncpg


class QueueDriver(Driver):
    """PgQueuer's driver port on a shared pool and a shared listener: an idle consumer holds no connection.

    `noticed` is set by a notification that nobody has acted on yet; later ones say nothing new and are dropped,
    so a flood of notifications costs one look at the queue.
    """

    def __init__(
        self, pool: asyncpg.Pool, listener: Listener, channel: str, crowd: Callable[[], int] = lambda: 1
    ) -> None:
        self._pool = pool
        self._listener = listener
        self._channel = channel
        self._callback: NotifyCallback | None = None
        self._shutdown = asyncio.Event()
        self.noticed = False
        self.turns = Turns(crowd, self._notice)

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        """Rows of `query` as dicts."""
        return [dict(row) for row in await self._pool.fetch(query, *args)]

    async def execute(self, query: str, *args: object) -> str:
        """Run `query` and return its command tag."""
        return await self._pool.execute(query, *args)

    async def notify(self, channel: str, payload: str) -> None:
        """Send one notification."""
        await self._pool.execute(statement("notify"), [channel], [payload])

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        """Deliver what comes on `channel`, which is this driver's own, to `callback`."""
        self._callback = callback
        await self._listener.listen(channel, self.turns.notice, missed=self.poke)
        await self._listener.listen(emptied_channel(channel), self.turns.emptied)

    async def tell_emptied(self, heard: str) -> None:
        """Save the peers a look at what this consumer has emptied after it had heard `heard`."""
        await self.notify(emptied_channel(self._channel), heard)

    def poke(self) -> None:
        """Make the queue manager look at the queue, as a notification would."""
        self._notice(queue_event(self._channel))

    def _notice(self, payload: str) -> None:
        if self._callback is not None and not self.noticed:
            self.noticed = True
            self._callback(payload)

    @property
    def shutdown(self) -> asyncio.Event:
        """Part of the port; nothing sets it."""
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        """Part of the port; this driver has no background tasks."""
        return TaskManager()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._callback = None
        self.turns.cancel()
        await self._listener.unlisten(emptied_channel(self._channel), self.turns.emptied)
        await self._listener.unlisten(self._channel, self.turns.notice)
