"""A consumer: takes the jobs of one entrypoint and hands each to a handler, so many at once and no more."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import Channel

from orchestrator.queue.dispatcher import Dispatcher, DispatcherQueries
from orchestrator.queue.driver import QueueDriver
from orchestrator.queue.listener import Listener
from orchestrator.queue.notify import wake
from orchestrator.queue.outage import DATABASE_ERRORS, pause, sleep_unless

if TYPE_CHECKING:
    import asyncpg

_log = logging.getLogger(__name__)

IDLE_POLL: Final = timedelta(seconds=30)
"""An idle consumer sleeps so long unless it is woken; only then does it also look for stale jobs."""

HEARTBEAT_TIMEOUT: Final = timedelta(seconds=60)
"""After so long (and `IDLE_POLL` at the most) the job of a killed process is picked again.

It may be long, because nothing waits for it: a permit is not the truth. A killed worker's attempt is lost when its
lease ends, the supervisor makes a new attempt with a new permit, and the sweeper restores what is missing. A job
that comes back finds nothing to claim. Each running job writes one heartbeat in half that time.
"""

_ENDS_AT_ONCE: Final = 16
"""Ends of jobs are written when so many have gathered, or after 0.1 s; nothing waits for that either."""


class Consumer:
    """Runs `handler` on the payload of every job of `entrypoint`, at most `capacity` at once.

    A lost database is waited for: handlers go on, and the queue is read again when it is back. A handler that
    raises is logged with its traceback, here and in PgQueuer's log, and its job is gone; what it was for is
    found by the sweeper, because jobs are not the truth.
    """

    def __init__(
        self,
        *,
        pool: asyncpg.Pool,
        listener: Listener,
        entrypoint: str,
        channel: str,
        handler: Callable[[bytes | None], Awaitable[None]],
        capacity: int,
        crowd: Callable[[], int] = lambda: 1,
    ) -> None:
        """Nothing happens before `run`.

        Args:
            pool: used for one statement at a time; no connection is held while idle or while a handler runs.
            listener: entered by the caller, and left after `stop`.
            entrypoint: `RUN_ENTRYPOINT` or `pool_entrypoint(…)`.
            channel: `RUN_CHANNEL` or `pool_channel(…)`.
            handler: gets the job's payload.
            capacity: at least 1.
            crowd: how many consumers wait for the same jobs, this one among them, as far as is known.

        Raises:
            ValueError: `capacity` is less than 1.
        """
        if capacity < 1:
            raise ValueError(f"a consumer's capacity is at least 1, not {capacity}")
        self._pool = pool
        self._listener = listener
        self._entrypoint = entrypoint
        self._channel = channel
        self._handler = handler
        self._capacity = capacity
        self._crowd = crowd
        self._handlers: set[asyncio.Task[object]] = set()
        self._dispatcher: Dispatcher | None = None
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._ended.set()
        self._handed_back = False

    async def run(self) -> None:
        """Consume until `stop`. When cancelled it cancels its handlers and waits for them."""
        self._ended.clear()
        failures = 0
        try:
            while not self._stopping.is_set():
                try:
                    await self._serve()
                except Exception:  # noqa: BLE001  # it has to go on
                    failures += 1
                    _log.exception("the consumer of %s failed; starting it again", self._entrypoint)
                    await sleep_unless(self._stopping, pause(failures))
        finally:
            self._ended.set()

    async def stop(self, grace: float = 0.0) -> None:
        """Take no more jobs, give the handlers `grace` seconds, cancel those that are left, and wait for them."""
        self._stopping.set()
        if self._dispatcher is not None:
            self._dispatcher.shutdown.set()
        try:
            await asyncio.wait_for(self._ended.wait(), grace)
        except TimeoutError:
            self._cancel_handlers()
            await self._ended.wait()

    async def _serve(self) -> None:
        dispatcher = self._dispatcher = self._build()
        serving = asyncio.create_task(
            dispatcher.run(
                dequeue_timeout=IDLE_POLL,
                batch_size=_ENDS_AT_ONCE,
                heartbeat_timeout=HEARTBEAT_TIMEOUT,
                log_aggregation_interval=timedelta(0),
            ),
            name=f"consumer of {self._entrypoint}",
        )
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            self._stopping.set()
            dispatcher.shutdown.set()
            self._cancel_handlers()
            await asyncio.wait({serving})
            raise
        finally:
            await self._announce_handed_back()

    def _build(self) -> Dispatcher:
        driver = QueueDriver(self._pool, self._listener, self._channel, self._crowd)
        shutdown = asyncio.Event()
        dispatcher = Dispatcher(
            DispatcherQueries(driver, shutdown),
            channel=Channel(self._channel),
            driver=driver,
            capacity=self._capacity,
        )
        dispatcher.shutdown = shutdown
        dispatcher.entrypoint(self._entrypoint, accepts_context=False)(self._handle)
        return dispatcher

    async def _handle(self, job: Job) -> None:
        if self._stopping.is_set():
            self._handed_back = True
            raise RetryRequested(reason="the consumer is stopping")
        task = asyncio.current_task()
        assert task is not None
        self._handlers.add(task)
        try:
            await self._handler(job.payload)
        finally:
            self._handlers.discard(task)

    def _cancel_handlers(self) -> None:
        for task in self._handlers:
            task.cancel()

    async def _announce_handed_back(self) -> None:
        """Wake other consumers for jobs that this one had picked when it was stopped, and has put back."""
        if not self._handed_back:
            return
        try:
            await wake(self._pool, [self._channel])
        except DATABASE_ERRORS as error:
            _log.warning("%s was not woken for jobs that were put back: %s", self._channel, error)
