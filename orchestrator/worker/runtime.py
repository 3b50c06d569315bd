"""`WorkerRuntime`: serves pools of workers in this process; permit → claim → run → settle, until it is stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.domain.event import Event
from orchestrator.domain.identity import AttemptId, ProcessId
from orchestrator.domain.worker import BUILT_IN, WorkerKind
from orchestrator.errors import ServiceError
from orchestrator.queue import Consumer, Listener, Notifier, pool_channel, pool_entrypoint, process_channel, read_runs
from orchestrator.settings import SharingSettings, WorkerSettings
from orchestrator.store.attempts import record_heartbeat, renew
from orchestrator.store.claiming import Claimed
from orchestrator.store.database import Database
from orchestrator.store.events import append_events
from orchestrator.store.presence import Presence
from orchestrator.telemetry import Metrics, Redactor, Tracing
from orchestrator.worker.attempt_runner import AttemptRunner
from orchestrator.worker.claims import Claims
from orchestrator.worker.execution import Execution, StopReason
from orchestrator.worker.judge import judge_worker
from orchestrator.worker.lease import LeaseKeeper
from orchestrator.worker.limits import Limits
from orchestrator.worker.planner import planner_worker
from orchestrator.worker.pool_claims import PoolClaims
from orchestrator.worker.recorder import Recorder, pulse_events
from orchestrator.worker.registry import Registry
from orchestrator.worker.room import Room
from orchestrator.worker.started_tasks import watching
from orchestrator.worker.toolbox import ToolMaker
from orchestrator.worker.watchdog import Watchdog
from orchestrator.worker.work import Services, agent_worker

log = logging.getLogger(__name__)

HEARTBEAT = 2.0
"""Seconds; supervisors declare a worker process dead after four times that (`supervisor.worker_dead_after`)."""

LAST_WORDS = 1.0
"""Seconds for writing to a run that one of its attempts blocks the event loop."""


class WorkerRuntime:
    """Serves `pools` with the registry's workers and the built-in agent, judge and planner.

    Args:
        database: a migrated database.
        listener: the process's LISTEN connection, already entered.
        notifier: wakes the runs' owners, already entered.
        registry: the project's workers.
        settings: leases and limits.
        models: where chat models come from (`orchestrator.llm.Models`).
        tracing: makes the attempts' spans.
        redactor: hides what is secret in what attempts say.
        pools: the queues to serve.
        concurrency: attempts at once; None takes `settings.concurrency`.
        environ: where secrets are looked up; None takes this process's environment.
        on_stuck: called with an attempt's label when its code was told to stop and does not; a process that does
            nothing else should exit at once. Without it such code is waited for: `AttemptRunner` says how long.
        dead_after: seconds of silence after which supervisors take this process for dead.
        sharing: shares and limits of tenants, and limits of pools.
        metrics: gets how long attempts waited.
    """

    def __init__(
        self,
        *,
        database: Database,
        listener: Listener,
        notifier: Notifier,
        registry: Registry,
        settings: WorkerSettings,
        models: Any,
        tracing: Tracing,
        redactor: Redactor,
        pools: Sequence[str],
        concurrency: int | None = None,
        environ: Mapping[str, str] | None = None,
        on_stuck: Callable[[str], None] | None = None,
        dead_after: float = 4 * HEARTBEAT,
        sharing: SharingSettings | None = None,
        metrics: Metrics | None = None,
    ) -> None:
        sharing = sharing or SharingSettings()
        self._database = database
        self._listener = listener
        self._settings = settings
        self._lease = settings.lease
        self._pools = tuple(dict.fromkeys(pools))
        self._concurrency = concurrency or settings.concurrency
        self._slots = asyncio.Semaphore(self._concurrency)
        self._serving: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._metrics = metrics
        self._channel = ""
        self._keeper = LeaseKeeper(self._renew, self._lease)
        self._recorder = Recorder(self._append, self._beat)
        self._member = Presence(
            database, "worker", self._pools, slots=self._concurrency, every=HEARTBEAT, on_buried=self._on_buried
        )
        self._dead_after = dead_after
        self._watchdog = Watchdog(
            lambda: self._keeper.held,
            max(0.5, self._lease / 5),
            deadline=self._deadline,
            tell=self._tell_beside_the_loop,
            on_stuck=on_stuck,
        )
        limits = Limits(sharing, [item.card for item in registry])
        self._pool_claims = {
            pool: PoolClaims(database, pool, limits, lambda: self._member.id, self._lease) for pool in self._pools
        }
        called = [item.card for item in registry if item.card.kind is not WorkerKind.TOOL]
        concurrency_of = {card.name: card.concurrency for card in called}
        self._claims = Claims(self._claim, {**concurrency_of, **dict.fromkeys(BUILT_IN)})
        self._room = Room(self._claims, limits, notifier, self._begin, self._busy)
        self._runner = AttemptRunner(
            member=self._member,
            services=Services(
                database=database,
                registry=registry,
                agent=agent_worker(models, ToolMaker(registry, tracing, settings.max_output_bytes)),
                judge=judge_worker(),
                planner=planner_worker(models, database),
                models=models,
                redactor=redactor,
                environ=os.environ if environ is None else environ,
                max_output_bytes=settings.max_output_bytes,
                tracing=tracing,
                captures=tracing.captures,
            ),
            settings=settings,
            keeper=self._keeper,
            recorder=self._recorder,
            tracing=tracing,
            notifier=notifier,
            on_stuck=on_stuck,
        )

    @property
    def process_id(self) -> ProcessId:
        """Under which id this process claims; another one after it was declared dead."""
        return self._member.id

    @property
    def held(self) -> list[str]:
        """The attempts that run now, as log lines name them."""
        return self._labels()

    async def run(self, stop: asyncio.Event, *, grace: float | None = None) -> list[str]:
        """Serve until `stop` is set; then claim no more, let what runs finish, and hand the rest back.

        An attempt that is handed back ends as lost, so that its supervisor makes a new one at once. When `run` is
        cancelled it hands back everything it holds.

        Args:
            stop: set it to end.
            grace: seconds to finish in; None takes `settings.grace`.

        Returns:
            The attempts that were handed back: worker, step, number and run of each.
        """
        patience = self._settings.grace if grace is None else grace
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._member)
            await self._subscribe()
            stack.push_async_callback(self._unsubscribe)
            stack.enter_context(watching(asyncio.get_running_loop()))
            await self._room.listen(self._listener)
            stack.push_async_callback(self._room.close, self._listener)
            for each in self._pool_claims.values():
                stack.push_async_callback(each.close)
            self._watchdog.start()
            stack.callback(self._watchdog.close)
            services = [asyncio.create_task(each) for each in (self._keeper.run(), self._recorder.run(), stop.wait())]
            consumers = [self._consumer(pool) for pool in self._pools]
            running = [asyncio.create_task(each.run()) for each in consumers]
            try:
                done, _ = await asyncio.wait({*services, *running}, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
                return await self._shut_down(consumers, patience)
            finally:
                await self._shut_down(consumers, 0.0)
                for task in (*services, *running):
                    task.cancel()
                await asyncio.wait({*services, *running})
                await self._recorder.flush()

    async def _subscribe(self) -> None:
        """Hear of cancellations, on the channel of the id that this process has now."""
        await self._unsubscribe()
        self._channel = process_channel(self._member.id)
        await self._listener.listen(self._channel, self._on_message, missed=self._keeper.nudge)

    async def _unsubscribe(self) -> None:
        if self._channel:
            await self._listener.unlisten(self._channel, self._on_message)

    async def _shut_down(self, consumers: Sequence[Consumer], grace: float) -> list[str]:
        """End the consumers and what they serve; what is not done after `grace` seconds is handed back."""
        self._stopping = True
        self._runner.leave_behind()
        stopping = [asyncio.create_task(each.stop(grace)) for each in consumers]
        if self._serving and grace:
            await asyncio.wait(set(self._serving), timeout=grace)
        held = self._keeper.held
        handed_back = [each.label for each in held if each.stop(StopReason.HANDED_BACK)]
        for label in handed_back:
            log.warning("handed back: %s", label)
        for waiting in (set(self._serving), set(stopping)):
            if waiting:
                await asyncio.wait(waiting)
        return handed_back

    def _consumer(self, pool: str) -> Consumer:
        return Consumer(
            pool=self._database.pool,
            listener=self._listener,
            entrypoint=pool_entrypoint(pool),
            channel=pool_channel(pool),
            handler=partial(self._on_permit, pool),
            capacity=self._concurrency,
            crowd=lambda: self._member.peers,
        )

    async def _on_permit(self, pool: str, payload: bytes | None) -> None:
        """Serve one permit; the consumer may cancel us, but not what we serve."""
        await asyncio.shield(self._spawn(self._serve(pool)))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)
        return task

    def _busy(self) -> bool:
        """Whether nothing more can be begun here."""
        return self._stopping or self._slots.locked()

    def _begin(self, pool: str) -> None:
        self._spawn(self._serve(pool))

    async def _serve(self, pool: str) -> None:
        """Claim and run one attempt."""
        async with self._slots:
            self._room.begun(pool)
            claimed = None if self._stopping else await self._take(pool)
            if claimed is None:
                return
        self._room.left(claimed)

    async def _take(self, pool: str) -> ClaimedAttempt | None:
        """Claim one attempt and run it to its end; None where there is none."""
        held_until, nudges = time.monotonic() + self._lease, self._keeper.nudges
        try:
            claimed = await self._claims.take(pool)
        except ServiceError as error:
            log.warning("nothing was claimed from the pool %s: %s", pool, error)
            claimed = None
        if claimed is None:
            self._room.missed(pool)
            return None
        self._room.claimed(claimed)
        if self._metrics is not None:
            order = claimed.order
            self._metrics.waited(claimed.claimed_at - claimed.due_at, pool=pool, worker=order.worker)
        if self._keeper.nudges != nudges:  # perhaps for this one, before we held it
            self._keeper.nudge()
        try:
            await self._runner.run(claimed, held_until=held_until)
        finally:
            self._claims.give_back(claimed)
        return claimed

    def _on_message(self, payload: str) -> None:
        """Something happened to these runs; if we hold attempts of one, perhaps it was cancelled."""
        runs = set(read_runs(payload))
        if any(execution.claimed.order.run_id in runs for execution in self._keeper.held):
            self._keeper.nudge()
        else:
            self._keeper.nudges += 1

    async def _on_buried(self) -> None:
        """Nothing that was claimed under the old id is ours any more."""
        self._keeper.lose_all()
        await self._subscribe()

    def _deadline(self) -> float:
        """Until when (monotonic clock) nobody takes what runs here for lost."""
        leases = [execution.held_until for execution in self._keeper.held]
        return min([*leases, self._member.heard_at + self._dead_after])

    def _tell_beside_the_loop(self, execution: Execution) -> None:
        """Write what an attempt has said, from a thread and on a connection of its own, while the loop is blocked."""

        async def write() -> None:
            events = pulse_events(execution.claimed, execution.journal.take())
            async with asyncio.timeout(LAST_WORDS):
                connection = await self._database.dedicated_connection()
                try:
                    await append_events(connection, events)
                finally:
                    connection.terminate()

        try:
            asyncio.run(write())
        except Exception:
            log.exception("what blocks the event loop could not be written to the run")

    def _labels(self) -> list[str]:
        return [execution.label for execution in self._keeper.held]

    async def _claim(self, pool: str, workers: Sequence[str], most: int) -> Claimed:
        return await self._pool_claims[pool].claim(workers, most)

    async def _renew(self, ids: Collection[AttemptId]) -> dict[AttemptId, bool]:
        return await renew(self._database, self._member.id, self._lease, list(ids))

    async def _append(self, events: Sequence[Event]) -> None:
        async with self._database.transaction() as connection:
            await append_events(connection, events)

    async def _beat(self, claimed: ClaimedAttempt, details: Any, progress: float | None) -> None:
        await record_heartbeat(self._database, claimed, details, progress)
