"""From a claimed attempt to a stored outcome: run it, settle it in one transaction, wake the run's owner."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.domain.event import ATTEMPT_FINISHED, ATTEMPT_STARTED, Event
from orchestrator.domain.outcome import ErrorInfo, Outcome, OutcomeKind, Usage
from orchestrator.errors import ServiceError
from orchestrator.queue import Notifier
from orchestrator.settings import WorkerSettings
from orchestrator.store.attempts import Settlement, SettleResult, settle
from orchestrator.store.batching import Batcher
from orchestrator.store.presence import Presence
from orchestrator.telemetry import Tracing
from orchestrator.worker.describe import describe, message_of
from orchestrator.worker.execution import Ending, Execution, Limits, StopReason
from orchestrator.worker.lease import LeaseKeeper
from orchestrator.worker.recorder import Recorder, attempt_event
from orchestrator.worker.threads import Stop
from orchestrator.worker.work import Services, Work

log = logging.getLogger(__name__)

PATIENCE = 0.15
"""The share of a lease that user code has to stop in once it was told to."""

LINGER = 60.0
"""Seconds for which code that does not stop at its timeout is waited for, where the process cannot exit instead."""

SETTLE_PAUSE = 0.5
"""Seconds between two tries to store an outcome while the database is away."""


class AttemptRunner:
    """Runs claimed attempts.

    Python cannot end a thread. What happens to code that was told to stop and runs on depends on `on_stuck`:

    - With it, the process exits, so the code ends before anybody can act on the outcome that was stored just before.
      A cancelled attempt is not stored at all: its lease ends with the process.
    - Without it, the attempt stays open (leased, in its slot) while its code runs, so nothing runs beside it: after
      a cancellation until it ends, after a timeout for `LINGER` seconds. Then `timed_out` is stored with a message
      that says so; likewise when it is handed back, at once, as the process is about to end.

    The slot is free again only when the code has ended, or this runtime has.

    Args:
        member: this process.
        services: what attempts need of it.
        settings: leases and limits.
        keeper: keeps the leases.
        recorder: writes events and heartbeats.
        tracing: makes the attempts' spans.
        notifier: wakes the runs' owners.
        on_stuck: called with the attempt's label when user code does not stop; it should end the process at once.
    """

    def __init__(
        self,
        *,
        member: Presence,
        services: Services,
        settings: WorkerSettings,
        keeper: LeaseKeeper,
        recorder: Recorder,
        tracing: Tracing,
        notifier: Notifier,
        on_stuck: Callable[[str], None] | None = None,
    ) -> None:
        self._member = member
        self._services = services
        self._settings = settings
        self._keeper = keeper
        self._recorder = recorder
        self._tracing = tracing
        self._notifier = notifier
        self._on_stuck = on_stuck
        self._settles: Batcher[Settlement, SettleResult] = Batcher(partial(settle, services.database))
        self._outlasting: set[Execution] = set()
        self._leaving = False

    async def run(self, claimed: ClaimedAttempt, *, held_until: float) -> OutcomeKind | None:
        """Run one attempt to its stored outcome.

        Args:
            claimed: the attempt.
            held_until: the end of its lease on the monotonic clock, as it was when it was claimed.

        Returns:
            The outcome, or None when the lease was lost and nothing was stored. Not before its code has ended.
        """
        stop = Stop()
        work = Work(claimed, self._services, stop)
        execution = Execution(claimed, work.journal, stop, self._limits(claimed), held_until=held_until)
        self._keeper.hold(execution)
        self._recorder.watch(claimed, work.journal, self._started(claimed))
        try:
            with self._tracing.attempt_span(claimed, redactor=work.redactor) as span:
                ending = await execution.run(
                    work,
                    explain=lambda error: describe(error, retry_on=work.retry_on, clean=work.clean),
                    insist=self._on_stuck is None,
                )
                usage = work.context.usage if work.context is not None else Usage()
                span.finish(*_result(ending), usage)
                if work.verdict is not None:
                    span.add_verdict(replace(work.verdict, validator=claimed.order.validator))
            return await self._conclude(execution, ending, usage)
        finally:
            self._keeper.release(execution)
            if execution.stuck:
                await self._outlast(execution)

    def leave_behind(self) -> None:
        """Wait no more for code whose attempt is over and that does not stop: this runtime is about to end."""
        self._leaving = True
        for execution in self._outlasting:
            execution.leave_behind()

    async def _outlast(self, execution: Execution) -> None:
        """Keep the slot of an attempt that is over for as long as its code runs."""
        if self._leaving:
            log.error("%s is left behind: its code still runs", execution.label)
            execution.leave_behind()
            return
        log.error("%s is over, but its code still runs and keeps its slot", execution.label)
        self._outlasting.add(execution)
        try:
            await execution.gone()
        finally:
            execution.leave_behind()
            self._outlasting.discard(execution)

    async def _conclude(self, execution: Execution, ending: Ending | None, usage: Usage) -> OutcomeKind | None:
        """Store the outcome; a cancelled attempt whose code may still run is not stored as cancelled."""
        events = await self._recorder.leave(execution.claimed)
        stuck_in_cancel = execution.stuck and execution.reason is StopReason.CANCELLED
        stored: OutcomeKind | None = None
        if ending is not None and not (stuck_in_cancel and self._on_stuck is not None):
            stored = await self._store(execution, ending, usage, events)
        if execution.stuck and self._on_stuck is not None:
            self._on_stuck(execution.label)
        return stored

    async def _store(
        self, execution: Execution, ending: Ending, usage: Usage, events: list[Event]
    ) -> OutcomeKind | None:
        """Store the ending; one that the database refuses for good is stored as a failure that says so."""
        try:
            return await self._try_to_store(execution, ending, usage, events)
        except Exception as error:
            log.exception("the outcome of %s was refused", execution.label)
            refused = ErrorInfo("not_stored", "error", f"the outcome could not be stored: {message_of(error)}")
            return await self._try_to_store(execution, Ending(OutcomeKind.FAILED, error=refused), usage, [])

    async def _try_to_store(
        self, execution: Execution, ending: Ending, usage: Usage, events: list[Event]
    ) -> OutcomeKind | None:
        """Store the ending; while the database is away, for as long as the lease holds, try again."""
        claimed = execution.claimed
        reference = ending.payload.ref if ending.payload is not None else None
        outcome = Outcome(ending.kind, reference, ending.error, usage)
        finished = attempt_event(claimed, ATTEMPT_FINISHED, self._finished(execution, outcome), once=True)
        while True:
            try:
                result = await self._settles.ask(Settlement(claimed, outcome, ending.payload, [*events, finished]))
                break
            except (ServiceError, TimeoutError, OSError) as error:
                log.warning("the outcome of %s waits for the database: %s", execution.label, error)
                if time.monotonic() + SETTLE_PAUSE > execution.held_until:
                    return None
                await asyncio.sleep(SETTLE_PAUSE)
        if not result.held:
            log.warning("the outcome of %s came too late and is not used", execution.label)
            return None
        if result.owner is not None:
            self._notifier.wake_run(result.owner, claimed.order.run_id)
        return ending.kind

    def _limits(self, claimed: ClaimedAttempt) -> Limits:
        order = claimed.order
        attempt = order.timeout
        if attempt is None and order.worker in self._services.registry:
            attempt = self._services.registry.get(order.worker).card.timeout
        return Limits(attempt, order.idle, patience=self._settings.lease * PATIENCE, linger=LINGER)

    def _started(self, claimed: ClaimedAttempt) -> Event:
        waited = max(0.0, claimed.claimed_at - claimed.queued_at)
        data = {**_facts(claimed), "process": str(self._member.id), "queue_wait": round(waited, 6)}
        return attempt_event(claimed, ATTEMPT_STARTED, data, once=True)

    def _finished(self, execution: Execution, outcome: Outcome) -> dict[str, Any]:
        error: Mapping[str, Any] = {}
        if outcome.error is not None:
            shown = outcome.error.as_json()
            error = {"error": {key: shown[key] for key in ("code", "class", "message")}}
        return {
            **_facts(execution.claimed),
            "status": outcome.kind.value,
            "duration": round(time.monotonic() - execution.started, 6),
            "input_tokens": outcome.usage.input_tokens,
            "output_tokens": outcome.usage.output_tokens,
            "cost_usd": outcome.usage.cost_usd,
            **error,
        }


def _facts(claimed: ClaimedAttempt) -> dict[str, Any]:
    order = claimed.order
    return {
        "worker": order.worker,
        "number": order.number,
        "purpose": order.purpose.value,
        "validator": order.validator,
    }


def _result(ending: Ending | None) -> tuple[OutcomeKind, ErrorInfo | None]:
    if ending is None:
        lost = ErrorInfo("lease_lost", "worker_lost", "the lease was lost; nothing was stored")
        return OutcomeKind.LOST, lost
    return ending.kind, ending.error
