"""Notices an event loop that is blocked, says which attempt blocks it and where, and ends the process in time."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

from orchestrator.worker.execution import Execution

log = logging.getLogger(__name__)

TICK = 0.25
"""Seconds between two looks at the most; the process is ended two of them before others may act."""

FROZEN = 1.0
"""Seconds by which this thread wakes late when the whole process stood still: stopped, or on a machine that slept."""

REMEDY = "Write blocking code as a sync function (it gets a thread) or with process=True."


class Watchdog:
    """A thread that asks the event loop for a sign of life.

    While one worker blocks the loop, every other attempt of the process stands still, no lease is renewed and no
    heartbeat is sent. Once those have run out others take the attempts for lost and try them again, beside code that
    may still run; so with `on_stuck` the process ends before that.

    Args:
        held: the attempts that are running now.
        after: seconds without a sign that count as blocked.
        deadline: until when (monotonic clock) nobody else acts on what runs here.
        tell: writes what an attempt's journal holds, from this thread: its own event loop cannot.
        on_stuck: called with the label of the attempt that blocks the loop; it should end the process at once.
    """

    def __init__(
        self,
        held: Callable[[], list[Execution]],
        after: float,
        *,
        deadline: Callable[[], float],
        tell: Callable[[Execution], None],
        on_stuck: Callable[[str], None] | None = None,
    ) -> None:
        self._held = held
        self._after = after
        self._deadline = deadline
        self._tell = tell
        self._on_stuck = on_stuck
        self._tick = min(after / 4, TICK)
        self._beat = time.monotonic()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Watch the running event loop; call this on it."""
        loop = asyncio.get_running_loop()
        where = threading.get_ident()
        self._beat = time.monotonic()
        self._thread = threading.Thread(target=self._watch, args=(loop, where), name="loop-watchdog", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Watch no more."""
        self._ended.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, where: int) -> None:
        blocked, culprit = False, None
        looked = time.monotonic()
        while not self._ended.wait(self._tick):
            late = time.monotonic() - looked - self._tick
            if late > FROZEN:
                self._beat += late  # nobody ran meanwhile, so the loop's silence says nothing about it
            looked = time.monotonic()
            silent = time.monotonic() - self._beat
            if silent < self._after:
                blocked, culprit = False, None
            elif not blocked:
                blocked = True
                culprit = self._culprit(loop)
                self._report(silent, where, culprit)
            if blocked and self._too_late(culprit):
                return
            try:
                loop.call_soon_threadsafe(self._sign)
            except RuntimeError:
                return  # the loop is closed

    def _sign(self) -> None:
        self._beat = time.monotonic()

    def _too_late(self, culprit: Execution | None) -> bool:
        """End the process, if that can be done and others are about to take its attempts for lost."""
        held = self._held()
        if self._on_stuck is None or not held or time.monotonic() + 2 * self._tick < self._deadline():
            return False
        self._on_stuck(culprit.label if culprit is not None else "what blocks the event loop")
        return True

    def _culprit(self, loop: asyncio.AbstractEventLoop) -> Execution | None:
        current = asyncio.current_task(loop)
        return next((each for each in self._held() if each.runs(current)), None)

    def _report(self, silent: float, where: int, culprit: Execution | None) -> None:
        frame = sys._current_frames().get(where)
        stack = traceback.extract_stack(frame) if frame is not None else []
        place = f"{stack[-1].filename}:{stack[-1].lineno} in {stack[-1].name}" if stack else "unknown"
        who = culprit.label if culprit is not None else "no attempt's own code"
        log.error(
            "the event loop has been blocked for %.1fs at %s by %s; no lease is renewed meanwhile. Running: %s. %s\n%s",
            silent,
            place,
            who,
            ", ".join(each.label for each in self._held()) or "nothing",
            REMEDY,
            "".join(traceback.format_list(stack[-8:])),
        )
        if culprit is not None:
            text = f"this attempt blocks the event loop of its process, at {place}. {REMEDY}"
            culprit.journal.note("error", text)
            self._tell(culprit)
