"""The runs that live in this process: one asyncio task each, woken by name, dropped when fenced."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

from langchain_core.runnables import RunnableConfig

from orchestrator.domain.identity import ProcessId, RunId
from orchestrator.domain.outcome import ErrorInfo
from orchestrator.domain.payload import PayloadRef
from orchestrator.domain.run import Patch
from orchestrator.errors import Fenced, OrchestratorError, ServiceError
from orchestrator.llm.tariffs import Tariffs
from orchestrator.settings import SupervisorSettings
from orchestrator.store import Database, runs
from orchestrator.store.batching import Batcher
from orchestrator.store.inbox import InboxRow, read_inboxes
from orchestrator.store.parking import release_runs, take_runs
from orchestrator.store.runs import Ownership
from orchestrator.supervisor.commits import Commits
from orchestrator.supervisor.context import RunContext
from orchestrator.supervisor.finish import give_up
from orchestrator.supervisor.graph import NO_RECURSION_LIMIT, compile_graph, state_of
from orchestrator.supervisor.parking import Parked, Parking
from orchestrator.supervisor.payloads import Payloads
from orchestrator.supervisor.run_saver import RunSaver
from orchestrator.supervisor.signals import Signals
from orchestrator.telemetry import Tracing
from orchestrator.workflow import Expressions, Workflow

logger = logging.getLogger(__name__)

CRASHES_ALLOWED = 5
"""A run whose supervisor fails so often in a row ends as failed: something in it cannot be driven."""

REST_AFTER_OUTAGE = 1.0
"""Seconds before a run that lost its database is let go of, to be taken again."""

WORKFLOWS_HELD = 256
"""Definitions that are kept ready; others are read again."""

LONGEST_REST = 30.0
"""Seconds between two tries to drive a run, at the most."""


@dataclass(frozen=True, slots=True)
class Resident:
    """A run that lives here."""

    owned: Ownership
    wake: asyncio.Event
    task: asyncio.Task[None]


class Residents:
    """Takes runs in, drives them through the supervisor graph, and hands back what is left at the end."""

    def __init__(
        self,
        database: Database,
        signals: Signals,
        settings: SupervisorSettings,
        tariffs: Tariffs,
        tracing: Tracing | None,
    ) -> None:
        self._database = database
        self._tariffs = tariffs
        self._signals = signals
        self._tracing = tracing
        self._payloads = Payloads(database)
        self._expressions = Expressions()
        self._saver = RunSaver(database, Commits(database, signals))
        self._graph = compile_graph(self._saver)
        self._inbox: Batcher[RunId, list[InboxRow]] = Batcher(partial(read_inboxes, database))
        self._owning: Batcher[tuple[RunId, ProcessId], Ownership | None] = Batcher(
            partial(take_runs, database, dead_after=settings.dead_after)
        )
        self._workflows: dict[str, Workflow] = {}
        self._here: dict[RunId, Resident] = {}
        self._crashes: dict[RunId, int] = {}
        self._taking: set[RunId] = set()
        self._room = asyncio.Semaphore(settings.max_runs)
        self._parking = Parking(settings.park_after)

    @property
    def ids(self) -> list[RunId]:
        """The runs that live here."""
        return list(self._here)

    def wake(self, run_ids: Iterable[RunId]) -> None:
        """Something may be in these runs' inboxes; those that live elsewhere are passed over."""
        for run_id in run_ids:
            if (resident := self._here.get(run_id)) is not None:
                resident.wake.set()

    async def take(self, run_id: RunId, process: ProcessId) -> None:
        """Make a run resident, if nobody alive has it. Waits while this process is full."""
        if run_id in self._here:
            return
        with self._parking.seeking_room() if self._room.locked() else nullcontext():
            await self._room.acquire()
        self._taking.add(run_id)
        owned: Ownership | None = None
        try:
            owned = await self._owning.ask((run_id, process))
        finally:
            self._taking.discard(run_id)
            if owned is None:
                self._room.release()
            else:
                self._settle_in(owned)

    def _settle_in(self, owned: Ownership) -> None:
        run_id, wake = owned.run.id, asyncio.Event()
        wake.set()  # its inbox may be unread
        task = asyncio.create_task(self._host(owned, wake), name=f"run {run_id}")
        self._here[run_id] = Resident(owned, wake, task)
        task.add_done_callback(lambda _: self._move_out(run_id))

    def _move_out(self, run_id: RunId) -> None:
        """However its task ended, and also if it was cancelled before it began."""
        self._here.pop(run_id, None)
        self._room.release()

    async def drop_all(self) -> list[RunId]:
        """Stop driving every run, without a word to the database: for a process that was declared dead."""
        dropped = list(self._here.items())
        for _, resident in dropped:
            resident.task.cancel()
        await asyncio.gather(*(resident.task for _, resident in dropped), return_exceptions=True)
        return [run_id for run_id, _ in dropped]

    async def hand_back(self) -> list[RunId]:
        """Stop driving every run and let go of it, so that another process may take it at once."""
        held = [(run_id, resident.owned.epoch) for run_id, resident in self._here.items()]
        await self.drop_all()
        try:
            async with self._database.transaction() as connection:
                free = await release_runs(connection, held)
                await self._signals.run_jobs(connection, free)
        except OrchestratorError as error:
            logger.warning(
                "%d runs are not released, and are taken over once this process counts as dead: %s",
                len(held),
                error.message,
            )
            return [run_id for run_id, _ in held]
        if free:
            self._signals.wake_supervisors()
        return [run_id for run_id, _ in free]

    def make_room(self) -> None:
        """Have runs parked that could be, as far as others wait for room."""
        self._parking.make_room()

    async def _context(self, owned: Ownership, wake: asyncio.Event) -> RunContext:
        run = owned.run
        return RunContext(
            run=run,
            epoch=owned.epoch,
            workflow=await self._workflow(run.workflow_sha256),
            inputs=await self._payloads.value(run.tenant, PayloadRef(run.inputs, 0)),
            database=self._database,
            payloads=self._payloads,
            expressions=self._expressions,
            signals=self._signals,
            pinned=self._workflow,
            state_of=partial(state_of, self._graph),
            inbox=self._inbox,
            parking=self._parking,
            tariffs=self._tariffs,
            tracing=self._tracing,
            wake=wake,
        )

    async def _workflow(self, sha256: str) -> Workflow:
        if sha256 not in self._workflows:
            definition = await runs.get_workflow(self._database, sha256)
            if definition is None:
                raise OrchestratorError(f"workflow {sha256[:12]} is not stored")
            if len(self._workflows) >= WORKFLOWS_HELD:
                self._workflows.pop(next(iter(self._workflows)))
            self._workflows[sha256] = Workflow.from_json(definition)
        return self._workflows[sha256]

    async def _host(self, owned: Ownership, wake: asyncio.Event) -> None:
        """Drive a run to its end, or until this process loses it."""
        run_id = owned.run.id
        try:
            await self._drive(await self._context(owned, wake))
            self._crashes.pop(run_id, None)
        except Parked:
            self._crashes.pop(run_id, None)
            logger.debug("run %s is parked", run_id)
        except Fenced:
            logger.info("run %s belongs to another process now", run_id)
        except ServiceError as error:
            logger.warning("run %s waits: %s", run_id, error.message)
            await asyncio.sleep(REST_AFTER_OUTAGE)
            await self._release(owned)
        except Exception:
            logger.exception("run %s could not be driven", run_id)
            await self._recover(owned)

    async def _drive(self, context: RunContext) -> None:
        config: RunnableConfig = {
            "configurable": {"thread_id": str(context.run_id), "epoch": context.epoch},
            "recursion_limit": NO_RECURSION_LIMIT,
        }
        begun = context.epoch > 1 and await self._saver.aget_tuple(config) is not None
        start: Any = None if begun else {"run": Patch()}
        with self._saver.driving(context):
            await self._graph.ainvoke(start, config, context=context, durability="sync", output_keys=[])

    async def _recover(self, owned: Ownership) -> None:
        """After a crash: rest, then let go of the run so that it is tried again; after too many, end it."""
        run_id = owned.run.id
        crashes = self._crashes[run_id] = self._crashes.get(run_id, 0) + 1
        await asyncio.sleep(min(LONGEST_REST, 0.5 * 2**crashes))
        if crashes >= CRASHES_ALLOWED:
            message = f"the supervisor failed {crashes} times in a row on this run; its log tells why"
            try:
                await give_up(self._database, self._signals, owned, ErrorInfo("internal", "internal", message))
            except OrchestratorError as error:
                logger.warning("run %s could not be ended: %s", run_id, error.message)
            else:
                self._crashes.pop(run_id, None)
                return
        await self._release(owned)

    async def release_strays(self, process: ProcessId) -> None:
        """Let go of runs that this process owns but does not host.

        The database was away when one was to be released, or when the answer came that it was ours.
        """
        for run_id, epoch in await runs.strays(self._database, process, self.ids):
            if run_id not in self._here and run_id not in self._taking:
                await runs.release_run(self._database, run_id, epoch)

    async def _release(self, owned: Ownership) -> None:
        try:
            await runs.release_run(self._database, owned.run.id, owned.epoch)
        except OrchestratorError as error:
            logger.warning("run %s is not released yet: %s", owned.run.id, error.message)
