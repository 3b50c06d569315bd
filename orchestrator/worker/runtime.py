"""`WorkerRuntime`: serves pools of workers in this process; permit → claim → run → settle, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.domain.event import Event
from orchestrator.domain.identity import AttemptId, ProcessId
from orchestrator.domain.outcome import OutcomeKind
from orchestrator.domain.worker import AGENT_WORKER
from orchestrator.errors import ServiceError
from orchestrator.queue import Consumer, Listener, Notifier, pool_channel, pool_entrypoint, process_channel, read_runs
from orchestrator.settings import Settings
from orchestrator.store.attempts import claim, record_heartbeat, renew
from orchestrator.store.database import Database
from orchestrator.store.events import append_events
from orchestrator.telemetry.tracing import Tracing
from orchestrator.worker.attempt_runner import AttemptRunner
from orchestrator.worker.claims import Claims
from orchestrator.worker.execution import StopReason
from orchestrator.worker.lease import LeaseKeeper
from orchestrator.worker.recorder import Recorder
from orchestrator.worker.registry import Registry
from orchestrator.worker.watchdog import Watchdog
from orchestrator.worker.work import Services, agent_worker

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class StopReport:
    """What became of the attempts that ran when the runtime was stopped."""

    finished: int = 0
    handed_back: tuple[str, ...] = ()


@dataclass(slots=True)
class _State:
    """What happens while it runs."""

    asked: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    grace: float = 0.0
    report: StopReport = field(default_factory=StopReport)


class WorkerRuntime:
    """Serves `pools` with the registry's workers and the built-in agent.

    The caller registers `process_id` in `processes` and keeps its heartbeat.

    Args:
        database: a migrated database.
        registry: the project's workers.
        settings: of the project.
        models: where chat models come from (`orchestrator.llm.Models`).
        tracing: makes the attempts' spans.
        process_id: this process, in every claim.
        listener: the process's LISTEN connection, already entered.
        notifier: wakes the runs' owners, already entered.
        pools: the queues to serve.
        concurrency: attempts at once; None takes `settings.worker.concurrency`.
        environ: where secrets are looked up; None takes this process's environment.
        on_stuck: called with an attempt's label when its code was told to stop and does not; a process that does
            nothing else should exit. Without it such code is left behind, or waited for when it was cancelled.
    """

    def __init__(
        self,
        *,
        database: Database,
        registry: Registry,
        settings: Settings,
        models: Any,
        tracing: Tracing,
        process_id: ProcessId,
        listener: Listener,
        notifier: Notifier,
        pools: Sequence[str],
        concurrency: int | None = None,
        environ: Mapping[str, str] | None = None,
        on_stuck: Callable[[str], None] | None = None,
    ) -> None:
        self._database = database
        self._process = process_id
        self._listener = listener
        self._pools = tuple(dict.fromkeys(pools))
        self._lease = settings.worker.lease
        self._concurrency = concurrency or settings.worker.concurrency
        self._state = _State()
        self._serving: set[asyncio.Task[None]] = set()
        self._outcomes: Counter[OutcomeKind | None] = Counter()
        self._slots = asyncio.Semaphore(self._concurrency)
        self._keeper = LeaseKeeper(self._renew, self._lease)
        self._recorder = Recorder(self._append, self._beat)
        limits = {item.name: item.card.concurrency for item in registry}
        self._claims = Claims(self._claim, {**limits, AGENT_WORKER: None})
        self._watchdog = Watchdog(
            lambda: [execution.label for execution in self._keeper.held], after=max(0.5, self._lease / 5)
        )
        self._runner = AttemptRunner(
            process=process_id,
            services=Services(
                database=database,
                registry=registry,
                agent=agent_worker(models),
                models=models,
                environ=os.environ if environ is None else environ,
                max_output_bytes=settings.worker.max_output_bytes,
                capture=settings.telemetry.capture_content,
            ),
            settings=settings.worker,
            keeper=self._keeper,
            recorder=self._recorder,
            tracing=tracing,
            notifier=notifier,
            on_stuck=on_stuck,
        )

    async def run(self) -> None:
        """Serve until `stop` is called. When cancelled it hands back what it holds, and ends."""
        channel = process_channel(self._process)
        async with AsyncExitStack() as stack:
            await self._listener.listen(channel, self._on_message, missed=self._keeper.nudge)
            stack.push_async_callback(self._listener.unlisten, channel, self._on_message)
            self._watchdog.start()
            stack.callback(self._watchdog.close)
            services = [asyncio.create_task(each) for each in (self._keeper.run(), self._recorder.run())]
            consumers = [self._consumer(pool) for pool in self._pools]
            running = [asyncio.create_task(each.run()) for each in consumers]
            asked = asyncio.create_task(self._state.asked.wait())
            try:
                done, _ = await asyncio.wait({asked, *services, *running}, return_when=asyncio.FIRST_COMPLETED)
                for task in done - {asked}:
                    task.result()
            finally:
                self._state.asked.set()
                await self._shut_down(consumers)
                for task in (asked, *services, *running):
                    task.cancel()
                await asyncio.wait({asked, *services, *running})
                await self._recorder.flush()
                self._state.ended.set()

    async def stop(self, grace: float) -> StopReport:
        """Claim no more, let what runs finish for `grace` seconds, hand the rest back, and end `run`.

        An attempt that is handed back ends as lost, so that its supervisor makes a new one at once.

        Args:
            grace: seconds.

        Returns:
            How many attempts finished meanwhile, and which were handed back.
        """
        self._state.grace = grace
        self._state.asked.set()
        await self._state.ended.wait()
        return self._state.report

    async def _shut_down(self, consumers: Sequence[Consumer]) -> None:
        """End the consumers and what they serve; `_state.grace` is zero unless `stop` was called."""
        before = self._outcomes.copy()
        stopping = [asyncio.create_task(each.stop(self._state.grace)) for each in consumers]
        if self._serving and self._state.grace:
            await asyncio.wait(set(self._serving), timeout=self._state.grace)
        handed_back = [
            execution.label for execution in self._keeper.held if execution.stop(StopReason.HANDED_BACK)
        ]
        for label in handed_back:
            log.warning("handed back: %s", label)
        if self._serving:
            await asyncio.wait(set(self._serving))
        if stopping:
            await asyncio.wait(stopping)
        finished = sum(
            number - before[kind]
            for kind, number in self._outcomes.items()
            if kind not in (None, OutcomeKind.LOST)
        )
        self._state.report = StopReport(finished, tuple(handed_back))

    def _consumer(self, pool: str) -> Consumer:
        return Consumer(
            pool=self._database.pool,
            listener=self._listener,
            entrypoint=pool_entrypoint(pool),
            channel=pool_channel(pool),
            handler=partial(self._on_permit, pool),
            capacity=self._concurrency,
        )

    async def _on_permit(self, pool: str, payload: bytes | None) -> None:
        """Serve one permit; the consumer may cancel us, but not what we serve."""
        await asyncio.shield(self._spawn(self._serve(pool)))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return task

    async def _serve(self, pool: str) -> None:
        """Claim and run one attempt, and then those for which a permit is owed."""
        async with self._slots:
            again = True
            while again and not self._state.asked.is_set():
                held_until, nudges = time.monotonic() + self._lease, self._keeper.nudges
                try:
                    claimed = await self._claims.take(pool)
                except ServiceError as error:
                    log.warning("nothing was claimed from the pool %s: %s", pool, error)
                    return
                if claimed is None:
                    return
                if self._keeper.nudges != nudges:  # perhaps for this one, before we held it
                    self._keeper.nudge()
                try:
                    self._outcomes[await self._runner.run(claimed, held_until=held_until)] += 1
                finally:
                    again = self._claims.give_back(claimed)

    def _on_message(self, payload: str) -> None:
        """Something happened to these runs; if we hold attempts of one, perhaps it was cancelled."""
        runs = set(read_runs(payload))
        if any(execution.claimed.order.run_id in runs for execution in self._keeper.held):
            self._keeper.nudge()
        else:
            self._keeper.nudges += 1

    async def _claim(self, pool: str, workers: Sequence[str]) -> ClaimedAttempt | None:
        return await claim(
            self._database, pool=pool, workers=workers, process=self._process, lease=self._lease
        )

    async def _renew(self, ids: Collection[AttemptId]) -> dict[AttemptId, bool]:
        return await renew(self._database, self._process, self._lease, list(ids))

    async def _append(self, events: Sequence[Event]) -> None:
        async with self._database.transaction() as connection:
            await append_events(connection, events)

    async def _beat(self, claimed: ClaimedAttempt, details: Any, progress: float | None) -> None:
        await record_heartbeat(self._database, claimed, details, progress)
