"""Wakes listeners with NOTIFY, always after the commit of what they are to find: inside it serialises commits."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from orchestrator.domain.identity import ProcessId, RunId
from orchestrator.queue.channels import process_channel, queue_event
from orchestrator.queue.outage import DATABASE_ERRORS
from orchestrator.queue.statements import statement

if TYPE_CHECKING:
    import asyncpg

_log = logging.getLogger(__name__)

_RUNS_PER_PAYLOAD: Final = 200
"""A payload has to be shorter than 8,000 bytes; a run id and its comma are 37."""


async def wake(pool: asyncpg.Pool, channels: Iterable[str]) -> None:
    """Make the consumers that listen on `channels` look at the queue.

    Args:
        pool: not a connection, so that it cannot be called within the transaction that enqueued.
        channels: `RUN_CHANNEL` and `pool_channel(…)`; repeated names are sent once.
    """
    names = sorted(set(channels))
    if names:
        await pool.execute(statement("notify"), names, [queue_event(name) for name in names])


def read_runs(payload: str) -> list[RunId]:
    """The runs that a payload names; anybody may notify, so what is no run's id is passed over."""
    found = []
    for text in filter(None, payload.split(",")):
        try:
            found.append(RunId(uuid.UUID(text)))
        except ValueError:
            _log.warning("a notification names %.80r, which is no run's id", text)
    return found


class Notifier:
    """Wakes processes and consumers without being waited for; what gathers during one flush goes with the next.

    A lost notification costs a second, never a run: every reader polls as well. So a flush that fails is
    logged and forgotten. Use it as an async context manager: leaving it sends what is still waiting.
    """

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._runs: defaultdict[str, dict[RunId, None]] = defaultdict(dict)
        self._channels: set[str] = set()
        self._words: set[tuple[str, str]] = set()
        self._flush: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def wake_run(self, owner: ProcessId, run_id: RunId) -> None:
        """Tell the process `owner` to look at the inbox, or at the attempts, of `run_id`."""
        self.tell_runs(process_channel(owner), run_id)

    def tell_runs(self, channel: str, run_id: RunId) -> None:
        """Name a run on a channel whose listeners use `read_runs`."""
        self._runs[channel][run_id] = None
        self._start()

    def wake_channel(self, channel: str) -> None:
        """Make the consumers on `channel` look at the queue; `wake` without waiting."""
        self._channels.add(channel)
        self._start()

    def tell(self, channel: str, payload: str) -> None:
        """Send a short text on a channel; the same again before it was sent is sent once."""
        self._words.add((channel, payload))
        self._start()

    async def aclose(self) -> None:
        """Send what is still waiting."""
        while self._flush is not None:
            await asyncio.wait({self._flush})

    def _start(self) -> None:
        if self._flush is None:
            self._flush = asyncio.create_task(self._send(), name="notifier")

    async def _send(self) -> None:
        try:
            while messages := list(self._take()):
                channels, payloads = zip(*messages, strict=True)
                try:
                    await self._pool.execute(statement("notify"), channels, payloads)
                except DATABASE_ERRORS as error:
                    _log.warning("%d notifications were not sent: %s", len(messages), error)
        finally:
            self._flush = None

    def _take(self) -> Iterator[tuple[str, str]]:
        runs, self._runs = self._runs, defaultdict(dict)
        channels, self._channels = self._channels, set()
        words, self._words = self._words, set()
        for channel, run_ids in runs.items():
            texts = [str(run_id) for run_id in run_ids]
            for start in range(0, len(texts), _RUNS_PER_PAYLOAD):
                yield channel, ",".join(texts[start : start + _RUNS_PER_PAYLOAD])
        for name in channels:
            yield name, queue_event(name)
        yield from words
