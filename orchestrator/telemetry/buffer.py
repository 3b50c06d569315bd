"""Between spans that end anywhere and a database that takes them in batches: bounded, never in anybody's way."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from itertools import islice
from typing import Protocol

from orchestrator.domain.span import SpanRow
from orchestrator.errors import ServiceError

log = logging.getLogger(__name__)

LIMIT = 20_000
BATCH = 500
INTERVAL = 0.5


class SpanSink(Protocol):
    """Where finished spans are stored. Writing a span again must be harmless."""

    async def write(self, spans: Sequence[SpanRow]) -> None:
        """Store the batch; a `ServiceError` means that it may be tried again later."""


class SpanBuffer:
    """Holds finished spans until the sink has taken them.

    While the sink is away the spans wait; beyond `limit` the newest are dropped, counted, and the count is logged.

    Args:
        sink: where they go.
        limit: spans held at the most.
        interval: seconds between two writes.
    """

    def __init__(self, sink: SpanSink, *, limit: int = LIMIT, interval: float = INTERVAL) -> None:
        self._sink = sink
        self._limit = limit
        self._interval = interval
        self._rows: deque[SpanRow] = deque()
        self._lock = threading.Lock()
        self._closing = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._away = False
        self.dropped = 0

    def __len__(self) -> int:
        """How many spans wait."""
        return len(self._rows)

    def add(self, row: SpanRow) -> None:
        """Take a span; from any thread, and without waiting."""
        with self._lock:
            if len(self._rows) < self._limit:
                self._rows.append(row)
            else:
                self.dropped += 1

    def start(self) -> None:
        """Begin to write, on the running event loop."""
        if self._task is None:
            self._task = asyncio.create_task(self._run(), name="spans")

    async def flush(self) -> None:
        """Write what waits, as far as the sink takes it."""
        async with self._writing:
            while self._rows and await self._write_batch():
                pass

    async def aclose(self, within: float) -> None:
        """Write what waits, then stop.

        Args:
            within: seconds after which what is left is dropped.
        """
        self._closing.set()
        try:
            async with asyncio.timeout(within):
                if self._task is not None:
                    await self._task
                await self.flush()
        except TimeoutError:
            pass
        finally:
            await self._stop()
        lost = self.dropped + len(self._rows)
        self._rows.clear()
        if lost:
            log.warning("%d spans were not stored", lost)

    async def _stop(self) -> None:
        if self._task is not None and not self._task.done():
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while not self._closing.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(self._interval):
                    await self._closing.wait()
            await self.flush()

    async def _write_batch(self) -> bool:
        """Write the oldest spans; they leave the buffer only once they are stored. False when the sink is away."""
        batch = list(islice(self._rows, BATCH))
        try:
            await self._sink.write(batch)
        except (ServiceError, OSError) as error:
            if not self._away:
                log.warning("spans wait for the database: %s", error)
            self._away = True
            return False
        except Exception:
            log.exception("%d spans could not be stored and are dropped", len(batch))
            self.dropped += len(batch)
        self._away = False
        for _ in batch:
            self._rows.popleft()
        return True
