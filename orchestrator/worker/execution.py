"""One claimed attempt on its way to an outcome: user code under its timers, stoppable at any moment."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.domain.outcome import ErrorInfo, OutcomeKind
from orchestrator.domain.payload import Payload
from orchestrator.worker.journal import Journal
from orchestrator.worker.threads import Stop

log = logging.getLogger(__name__)


class StopReason(StrEnum):
    """Why user code is stopped before it has ended by itself."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    IDLE = "idle"
    LOST = "lost"
    HANDED_BACK = "handed_back"


@dataclass(frozen=True, slots=True)
class Ending:
    """What an attempt came to, before it is stored. Exactly one of `payload` and `error` is set."""

    kind: OutcomeKind
    payload: Payload | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds. `patience` is how long user code has to stop once it was told to."""

    attempt: float | None
    idle: float | None
    patience: float


class Execution:
    """Runs one attempt and says how it ended.

    Args:
        claimed: the attempt.
        journal: tells when the last heartbeat was.
        stop: shared with the attempt's context and thread.
        limits: its timeouts.
        held_until: the end of its lease on this machine's monotonic clock.

    Attributes:
        reason: why it was told to stop, or None.
        stuck: told to stop, and its code did not.
    """

    def __init__(
        self, claimed: ClaimedAttempt, journal: Journal, stop: Stop, limits: Limits, *, held_until: float
    ) -> None:
        self.claimed = claimed
        self.journal = journal
        self.held_until = held_until
        self.reason: StopReason | None = None
        self.stuck = False
        self.started = time.monotonic()
        self._stop = stop
        self._limits = limits
        self._task: asyncio.Task[Ending] | None = None
        self._told = asyncio.Event()

    @property
    def label(self) -> str:
        """Names the attempt in log lines."""
        order = self.claimed.order
        item = f"[{order.item}]" if order.item >= 0 else ""
        return f"{order.worker} (step {order.step}{item}, attempt {order.number}, run {order.run_id})"

    def stop(self, reason: StopReason) -> bool:
        """Tell the user code to stop; the first reason counts, and nothing happens once it has ended.

        A lost lease overrules every other reason, because then nothing may be stored.

        Returns:
            Whether this reason counts.
        """
        if self._task is not None and self._task.done():
            return False
        counts = self.reason is None or reason is StopReason.LOST
        if counts:
            self.reason = reason
        if not self._told.is_set():
            self._told.set()
            self._stop.requested.set()
            if self._task is not None:
                self._task.cancel()
        return counts

    async def run(
        self,
        work: Callable[[], Awaitable[Payload]],
        *,
        explain: Callable[[BaseException], ErrorInfo],
        insist: bool,
    ) -> Ending | None:
        """Run `work` to its end, or stop it.

        Args:
            work: the attempt's code, from input to payload.
            explain: describes what `work` raises.
            insist: where code that was cancelled does not stop, wait for it all the same (as nothing may claim
                that it has stopped); otherwise it is left behind and `stuck` is set.

        Returns:
            The ending, or None when the lease was lost and nothing may be stored.
        """
        self._task = asyncio.create_task(self._contained(work, explain), name=self.label)
        if self._told.is_set():
            self._task.cancel()
        told = asyncio.create_task(self._told.wait())
        try:
            await self._watch(self._task, told)
            if not self._task.done():
                await self._wind_down(self._task, insist=insist)
        finally:
            told.cancel()
        if self.reason is not None:
            return self._stopped()
        return self._task.result()

    async def _watch(self, task: asyncio.Task[Ending], told: asyncio.Task[bool]) -> None:
        """Until the code ends, a timer runs out, or somebody says stop."""
        while not task.done() and not told.done():
            left, reason = self._time_left()
            if left is not None and left <= 0:
                self.stop(reason)
                return
            await asyncio.wait({task, told}, timeout=left, return_when=asyncio.FIRST_COMPLETED)

    def _time_left(self) -> tuple[float | None, StopReason]:
        """Seconds to the next timer. Before the first heartbeat the idle timer only makes us look again."""
        now = time.monotonic()
        times: list[tuple[float, StopReason]] = []
        if self._limits.attempt is not None:
            times.append((self.started + self._limits.attempt - now, StopReason.TIMED_OUT))
        if self._limits.idle is not None:
            beat = self.journal.last_beat
            times.append(((now if beat is None else beat) + self._limits.idle - now, StopReason.IDLE))
        return min(times, default=(None, StopReason.TIMED_OUT))

    async def _wind_down(self, task: asyncio.Task[Ending], *, insist: bool) -> None:
        """Wait for code that was told to stop; cancel it again when it swallowed the first time."""
        for _ in range(2):
            await asyncio.wait({task}, timeout=self._limits.patience / 2)
            if task.done():
                return
            task.cancel()
        self.stuck = True
        log.error("%s was told to stop (%s) and does not", self.label, self.reason)
        while insist and self.reason is StopReason.CANCELLED and not task.done():
            await asyncio.wait({task}, timeout=self._limits.patience)
        if not task.done():
            self._stop.abandoned = True
            task.cancel()

    async def _contained(
        self, work: Callable[[], Awaitable[Payload]], explain: Callable[[BaseException], ErrorInfo]
    ) -> Ending:
        """User code must take nothing with it: whatever it raises, also SystemExit, becomes an ending."""
        try:
            return Ending(OutcomeKind.SUCCEEDED, payload=await work())
        except BaseException as error:  # noqa: BLE001 - see above; cancellation is told by `self.reason`
            return Ending(OutcomeKind.FAILED, error=explain(error))

    def _stopped(self) -> Ending | None:
        seconds = time.monotonic() - self.started
        match self.reason:
            case StopReason.LOST | None:
                return None
            case StopReason.CANCELLED:
                info = ErrorInfo("cancelled", "cancelled", "the run was cancelled")
                return Ending(OutcomeKind.CANCELLED, error=info)
            case StopReason.HANDED_BACK:
                info = ErrorInfo("handed_back", "worker_lost", "handed back: its worker process was stopped")
                return Ending(OutcomeKind.LOST, error=info)
            case StopReason.IDLE:
                text = f"no heartbeat for {self._limits.idle:g}s (idle timeout), {seconds:.1f}s after the start"
            case StopReason.TIMED_OUT:
                text = f"not done after {self._limits.attempt:g}s (attempt timeout)"
        return Ending(OutcomeKind.TIMED_OUT, error=ErrorInfo("timeout", "timeout", text))
