"""The supervisor process: takes run jobs, sweeps, and lives by one heartbeat row."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from orchestrator.domain.identity import ProcessId, RunId, new_process_id
from orchestrator.errors import OrchestratorError
from orchestrator.queue import (
    RUN_CHANNEL,
    RUN_ENTRYPOINT,
    Consumer,
    Listener,
    Notifier,
    process_channel,
    read_run_job,
    read_runs,
)
from orchestrator.settings import SupervisorSettings
from orchestrator.store import Database, processes
from orchestrator.supervisor.context import SpanRecorder
from orchestrator.supervisor.residents import Residents
from orchestrator.supervisor.signals import Signals
from orchestrator.supervisor.sweeper import Sweeper

logger = logging.getLogger(__name__)

TAKE_AT_ONCE = 16
"""Run jobs that one process works on at the same time; a run leaves its job as soon as it is resident."""


class Supervisor:
    """Hosts runs until it is stopped.

    Args:
        database: migrated.
        listener: this process's LISTEN connection.
        notifier: this process's coalesced notifications.
        settings: times and limits.
        tracing: where spans go, None for nowhere.
    """

    def __init__(
        self,
        database: Database,
        listener: Listener,
        notifier: Notifier,
        settings: SupervisorSettings,
        tracing: SpanRecorder | None = None,
    ) -> None:
        self.process_id: ProcessId = new_process_id()
        self._database = database
        self._listener = listener
        self._settings = settings
        signals = Signals(database, notifier)
        self._residents = Residents(
            database, signals, max_runs=settings.max_runs, dead_after=settings.dead_after, tracing=tracing
        )
        self._sweeper = Sweeper(database, signals, notifier, settings)

    async def run(self, stop: asyncio.Event) -> list[RunId]:
        """Host runs until `stop` is set; gives the runs that were handed back unfinished."""
        await self._appear()
        consumer = Consumer(
            pool=self._database.pool,
            listener=self._listener,
            entrypoint=RUN_ENTRYPOINT,
            channel=RUN_CHANNEL,
            handler=self._take,
            capacity=TAKE_AT_ONCE,
        )
        loops = [
            asyncio.create_task(consumer.run(), name="run jobs"),
            asyncio.create_task(self._every(self._settings.heartbeat, self._beat), name="heartbeat"),
            asyncio.create_task(self._every(self._settings.sweep, self._sweep), name="sweep"),
        ]
        stopping = asyncio.create_task(stop.wait(), name="stop")
        try:
            done, _ = await asyncio.wait([stopping, *loops], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopping}:
                task.result()
        finally:
            await consumer.stop(grace=1.0)
            for task in (stopping, *loops):
                task.cancel()
            await asyncio.gather(stopping, *loops, return_exceptions=True)
            handed_back = await self._leave()
        return handed_back

    async def _appear(self) -> None:
        await processes.register(self._database, self.process_id, "supervisor", ())
        await self._listener.listen(process_channel(self.process_id), self._on_wake, missed=self._on_missed)

    async def _leave(self) -> list[RunId]:
        handed_back = await self._residents.hand_back()
        try:
            await self._listener.unlisten(process_channel(self.process_id), self._on_wake)
            await processes.unregister(self._database, self.process_id)
        except OrchestratorError as error:
            logger.warning("could not say good-bye: %s", error.message)
        return handed_back

    def _on_wake(self, payload: str) -> None:
        self._residents.wake(read_runs(payload))

    def _on_missed(self) -> None:
        self._residents.wake(self._residents.ids)

    async def _take(self, payload: bytes | None) -> None:
        """A run job: take the run if nobody alive has it. The job ends either way."""
        await self._residents.take(read_run_job(payload), self.process_id)

    async def _beat(self) -> None:
        if await processes.beat(self._database, self.process_id):
            return
        dropped = await self._residents.drop_all()
        logger.warning("this process was declared dead; it dropped %d runs and starts afresh", len(dropped))
        await self._listener.unlisten(process_channel(self.process_id), self._on_wake)
        self.process_id = new_process_id()
        await self._appear()

    async def _sweep(self) -> None:
        await self._residents.release_left()
        self._residents.wake(await self._sweeper.sweep(self._residents.ids))

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        """Do `act` again and again; a database that is away for a while is waited for."""
        while True:
            try:
                await act()
            except OrchestratorError as error:
                logger.warning("%s failed, next try in %g s: %s", act.__name__.strip("_"), seconds, error.message)
            await asyncio.sleep(seconds)
