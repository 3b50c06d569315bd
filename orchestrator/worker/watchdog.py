"""Notices an event loop that is blocked, and says which code blocks it."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Callable

log = logging.getLogger(__name__)


class Watchdog:
    """A thread that asks the event loop for a sign of life.

    While one worker blocks the loop, every other attempt of the process stands still and its lease runs out.

    Args:
        running: names the attempts that are running now.
        after: seconds without a sign that count as blocked.
    """

    def __init__(self, running: Callable[[], list[str]], after: float) -> None:
        self._running = running
        self._after = after
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
        said = False
        while not self._ended.wait(self._after / 4):
            silent = time.monotonic() - self._beat
            if silent < self._after:
                said = False
            elif not said:
                said = True
                self._report(silent, where)
            try:
                loop.call_soon_threadsafe(self._sign)
            except RuntimeError:
                return  # the loop is closed

    def _sign(self) -> None:
        self._beat = time.monotonic()

    def _report(self, silent: float, where: int) -> None:
        frame = sys._current_frames().get(where)
        stack = traceback.extract_stack(frame) if frame is not None else []
        culprit = stack[-1] if stack else None
        place = f"{culprit.filename}:{culprit.lineno} in {culprit.name}" if culprit else "unknown"
        log.error(
            "the event loop has been blocked for %.1fs at %s; no lease is renewed meanwhile. Running: %s. "
            "Write blocking code as a sync function (it gets a thread) or with process=True.\n%s",
            silent,
            place,
            ", ".join(self._running()) or "nothing",
            "".join(traceback.format_list(stack[-8:])),
        )
