"""One claimed attempt on its way to an outcome: user code under its timers, stoppable at any moment."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.domain.outcome import ErrorInfo, OutcomeKind
from orchestrator.domain.payload import Payload
from orchestrator.worker.journal import Journal
from orchestrator.worker.started_tasks import StartedTasks
from orchestrator.worker.threads import Stop

log = logging.getLogger(__name__)


class StopReason(StrEnum):
    """Why user code is stopped before it has ended by itself."""

    CANCELLED = "cancelled"
    TIMED_OUT = "timed_out"
    IDLE = "idle"
    LOST = "lost"
    HANDED_BACK = "handed_back"


_TIMEOUTS = (StopReason.TIMED_OUT, StopReason.IDLE)

POLL = 0.2
"""Seconds between two looks at why code is waited for that does not stop."""


@dataclass(frozen=True, slots=True)
class Ending:
    """What an attempt came to, before it is stored. Exactly one of `payload` and `error` is set."""

    kind: OutcomeKind
    payload: Payload | None = None
    error: ErrorInfo | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds.

    Attributes:
        attempt: from the start.
        idle: since the last heartbeat.
        patience: how long user code has to stop once it was told to.
        linger: how much longer it is waited for after a timeout, where this process cannot be ended instead.
    """

    attempt: float | None
    idle: float | None
    patience: float
    linger: float = 0.0


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
        stuck: it was told to stop, and when `run` returned its code still ran.
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
        self._lingering = False
        self._tasks = StartedTasks()
        self._told = asyncio.Event()
        self._left_behind = asyncio.Event()

    def runs(self, task: asyncio.Task[Any] | None) -> bool:
        """Whether this task runs the attempt's code: its own task, or one that its code has started."""
        return task is not None and (task is self._task or task in self._tasks)

    @property
    def label(self) -> str:
        """Names the attempt in log lines."""
        order = self.claimed.order
        item = f"[{order.item}]" if order.item >= 0 else ""
        return f"{order.worker} (step {order.step}{item}, attempt {order.number}, run {order.run_id})"

    def stop(self, reason: StopReason) -> bool:
        """Tell the user code to stop; the first reason counts, and nothing happens once it has ended.

        A lost lease overrules every other reason, because then nothing may be stored. A cancelled run overrules a
        timeout, because then nothing may be stored before the code has ended. Handing back overrules a timeout of
        code that does not stop, because the process does not wait for it any more.

        Returns:
            Whether this reason counts.
        """
        if self._task is not None and self._task.done():
            return False
        counts = self.reason is None or self._overrules(reason)
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
            insist: this process cannot be ended because of code that does not stop, so wait for it: after a
                cancellation until it has ended (as nothing may claim that it has stopped), after a timeout for
                `limits.linger` seconds (as a retry would run beside it). What runs on after that is `stuck`.

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
        self.stuck = not self._task.done()
        if self.reason is not None:
            return self._stopped(insist=insist)
        return self._task.result()

    async def gone(self) -> None:
        """Wait until code that was `stuck` has ended, or was left behind."""
        if self._task is not None and not self._task.done():
            left = asyncio.create_task(self._left_behind.wait())
            await asyncio.wait({self._task, left}, return_when=asyncio.FIRST_COMPLETED)
            left.cancel()

    def leave_behind(self) -> None:
        """Wait no more for code that does not stop: this runtime ends."""
        self._left_behind.set()
        self._stop.abandoned = True
        if self._task is not None:
            self._task.cancel()

    def _overrules(self, reason: StopReason) -> bool:
        match reason:
            case StopReason.LOST:
                return True
            case StopReason.CANCELLED:
                return self.reason is not StopReason.LOST
            case StopReason.HANDED_BACK:
                return self._lingering and self.reason in _TIMEOUTS
        return False

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
        log.error("%s was told to stop (%s) and does not", self.label, self.reason)
        if insist:
            await self._linger(task)

    async def _linger(self, task: asyncio.Task[Ending]) -> None:
        """Hold on to the attempt while its code runs, so that no retry runs beside it: see `run`."""
        self._lingering = True
        self.journal.note("warning", "the code was told to stop and does not; the attempt ends when it has")
        until = time.monotonic() + self._limits.linger
        while not task.done():
            left = until - time.monotonic()
            if self.reason is not StopReason.CANCELLED and (self.reason not in _TIMEOUTS or left <= 0):
                return
            pause = POLL if self.reason is StopReason.CANCELLED else min(left, POLL)
            await asyncio.wait({task}, timeout=pause)

    async def _contained(
        self, work: Callable[[], Awaitable[Payload]], explain: Callable[[BaseException], ErrorInfo]
    ) -> Ending:
        """User code must take nothing with it: whatever it raises, also SystemExit, becomes an ending."""
        self._tasks.collect()
        try:
            ending = Ending(OutcomeKind.SUCCEEDED, payload=await work())
        except BaseException as error:  # noqa: BLE001 - see above; cancellation is told by `self.reason`
            ending = Ending(OutcomeKind.FAILED, error=explain(error))
        await self._end_tasks()
        return ending

    async def _end_tasks(self) -> None:
        """End what the code has started. Code that was told to stop has not stopped before its tasks have."""
        told: set[str] = set()
        while True:
            leaks: list[str] = []
            with contextlib.suppress(asyncio.CancelledError):  # told to stop, perhaps once more, and stopping already
                leaks = await self._tasks.end(self._limits.patience / 2)
            for leak in leaks:
                if leak not in told:
                    told.add(leak)
                    log.warning("%s left a task running: %s", self.label, leak)
                    text = f"the worker left a task running, which was cancelled: {leak}. Await what you start"
                    self.journal.note("warning", text)
            if not self._tasks.running or not self._told.is_set() or self._stop.abandoned:
                return

    def _stopped(self, *, insist: bool) -> Ending | None:
        seconds = time.monotonic() - self.started
        note = ""
        if self.stuck:
            note = f"; its code was told to stop and still runs after {seconds:.1f}s, so it may run beside a retry"
            note = note if insist else "; its code did not stop, so its worker process ends"
        match self.reason:
            case StopReason.LOST | None:
                return None
            case StopReason.CANCELLED:
                info = ErrorInfo("cancelled", "cancelled", "the run was cancelled")
                return Ending(OutcomeKind.CANCELLED, error=info)
            case StopReason.HANDED_BACK:
                info = ErrorInfo("handed_back", "worker_lost", f"handed back: its worker process was stopped{note}")
                return Ending(OutcomeKind.LOST, error=info)
            case StopReason.IDLE:
                text = f"no heartbeat for {self._limits.idle:g}s (idle timeout), {seconds:.1f}s after the start"
            case StopReason.TIMED_OUT:
                text = f"not done after {self._limits.attempt:g}s (attempt timeout)"
        return Ending(OutcomeKind.TIMED_OUT, error=ErrorInfo("timeout", "timeout", text + note))
