"""The supervisor process: takes run jobs, sweeps, and lives by one heartbeat row."""

from __future__ import annotations

import asyncio
import logging

from orchestrator.domain.identity import RunId
from orchestrator.errors import OrchestratorError
from orchestrator.llm.tariffs import Tariffs
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
from orchestrator.store import Database
from orchestrator.store.presence import Presence
from orchestrator.supervisor.residents import Residents
from orchestrator.supervisor.signals import Signals
from orchestrator.supervisor.sweeper import Sweeper
from orchestrator.telemetry import Metrics, Tracing

logger = logging.getLogger(__name__)

TAKE_AT_ONCE = 64
"""Run jobs that one process works on at the same time; a run leaves its job as soon as it is resident."""


class Supervisor:
    """Hosts runs until it is stopped.

    Args:
        database: migrated.
        listener: this process's LISTEN connection.
        notifier: this process's coalesced notifications.
        settings: times and limits.
        tariffs: of the project's models, for runs with a budget.
        tracing: where spans go, None for nowhere.
        metrics: gets the depth of the pools.
    """

    def __init__(
        self,
        database: Database,
        listener: Listener,
        notifier: Notifier,
        settings: SupervisorSettings,
        *,
        tariffs: Tariffs,
        tracing: Tracing | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        self._database = database
        self._listener = listener
        self._settings = settings
        self._channel = ""
        signals = Signals(notifier)
        self._residents = Residents(database, signals, settings, tariffs, tracing)
        self._sweeper = Sweeper(database, signals, notifier, settings, metrics=metrics)
        self._presence = Presence(database, "supervisor", every=settings.heartbeat, on_buried=self._start_afresh)

    async def run(self, stop: asyncio.Event) -> list[RunId]:
        """Host runs until `stop` is set; gives the runs that were handed back unfinished."""
        consumer = Consumer(
            pool=self._database.pool,
            listener=self._listener,
            entrypoint=RUN_ENTRYPOINT,
            channel=RUN_CHANNEL,
            handler=self._take,
            capacity=TAKE_AT_ONCE,
        )
        async with self._presence:
            await self._subscribe()
            loops = [
                asyncio.create_task(consumer.run(), name="run jobs"),
                asyncio.create_task(self._sweep(), name="sweep"),
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
                await self._listener.unlisten(self._channel, self._on_wake)
                handed_back = await self._residents.hand_back()
        return handed_back

    async def _subscribe(self) -> None:
        """Hear of this process's runs, on the channel of the id that it has now."""
        if self._channel:
            await self._listener.unlisten(self._channel, self._on_wake)
        self._channel = process_channel(self._presence.id)
        await self._listener.listen(self._channel, self._on_wake, missed=self._on_missed)

    def _on_wake(self, payload: str) -> None:
        self._residents.wake(read_runs(payload))

    def _on_missed(self) -> None:
        self._residents.wake(self._residents.ids)

    async def _take(self, payload: bytes | None) -> None:
        """A run job: take the run if nobody alive has it. The job ends either way."""
        await self._residents.take(read_run_job(payload), self._presence.id)

    async def _start_afresh(self) -> None:
        """Others have this process's runs by now: drop them."""
        dropped = await self._residents.drop_all()
        logger.warning("dropped %d runs that belong to other processes now", len(dropped))
        await self._subscribe()

    async def _sweep(self) -> None:
        """Sweep again and again; a database that is away for a while is waited for."""
        while True:
            pause = self._settings.sweep
            try:
                self._residents.make_room()
                await self._residents.release_strays(self._presence.id)
                self._residents.wake(await self._sweeper.sweep(self._residents.ids))
                pause = await self._sweeper.pause()
            except OrchestratorError as error:
                logger.warning("the sweep failed, next try in %g s: %s", self._settings.sweep, error.message)
            except Exception:
                logger.exception("the sweep failed, next try in %g s", self._settings.sweep)
            await asyncio.sleep(pause)
