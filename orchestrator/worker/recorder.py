"""Writes what attempts say while they run: events and heartbeats, in batches, a few times a second."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.domain.event import Event
from orchestrator.domain.identity import AttemptId
from orchestrator.errors import ServiceError
from orchestrator.worker.journal import Journal, Pulse

log = logging.getLogger(__name__)

Append = Callable[[Sequence[Event]], Awaitable[None]]
Beat = Callable[[ClaimedAttempt, Any, float | None], Awaitable[None]]

INTERVAL = 0.2
MAX_WAITING = 2_000


class Recorder:
    """Looks into the journals of the running attempts and writes what is new.

    Args:
        append: writes events.
        beat: writes an attempt's heartbeat details and progress.
    """

    def __init__(self, append: Append, beat: Beat) -> None:
        self._append = append
        self._beat = beat
        self._journals: dict[AttemptId, tuple[ClaimedAttempt, Journal]] = {}
        self._waiting: list[Event] = []
        self._turn = asyncio.Lock()
        self._something = asyncio.Event()

    def watch(self, claimed: ClaimedAttempt, journal: Journal, first: Event) -> None:
        """Look into `journal` from now on; `first` is written with the next batch."""
        self._journals[claimed.order.id] = (claimed, journal)
        self._waiting.append(first)
        self._something.set()

    async def leave(self, claimed: ClaimedAttempt) -> list[Event]:
        """Write the attempt's last heartbeat; its events that are not yet written, to go with its outcome."""
        async with self._turn:
            found = self._journals.pop(claimed.order.id, None)
            mine = [event for event in self._waiting if event.attempt_id == claimed.order.id]
            self._waiting = [event for event in self._waiting if event.attempt_id != claimed.order.id]
            if found is not None:
                pulse = found[1].take(last=True)
                await self._write_beat(claimed, pulse)
                mine.extend(pulse_events(claimed, pulse))
            return mine

    async def run(self) -> None:
        """Write what is new, until cancelled, whatever the database answers."""
        while True:
            if not self._journals and not self._waiting:
                self._something.clear()
                await self._something.wait()
            try:
                await self.flush()
            except Exception:
                log.exception("what attempts said could not be written")
            await asyncio.sleep(INTERVAL)

    async def flush(self) -> None:
        """Write what is new, now."""
        async with self._turn:
            beats: list[tuple[ClaimedAttempt, Pulse]] = []
            for claimed, journal in self._journals.values():
                if journal.dirty:
                    pulse = journal.take()
                    beats.append((claimed, pulse))
                    self._waiting.extend(pulse_events(claimed, pulse))
            await self._write_events()
            for claimed, pulse in beats:
                await self._write_beat(claimed, pulse)

    async def _write_events(self) -> None:
        batch, self._waiting = self._waiting, []
        if not batch:
            return
        try:
            await self._append(batch)
        except (ServiceError, TimeoutError, OSError) as error:
            log.warning("%d events wait for the database: %s", len(batch), error)
            self._waiting = (batch + self._waiting)[-MAX_WAITING:]
        except Exception:
            log.exception("%d events could not be written", len(batch))

    async def _write_beat(self, claimed: ClaimedAttempt, pulse: Pulse) -> None:
        if not pulse.beat and pulse.progress is None:
            return
        try:
            await self._beat(claimed, pulse.details if pulse.beat else None, pulse.progress)
        except ServiceError as error:
            log.warning("a heartbeat was not written: %s", error)
        except Exception:
            log.exception("a heartbeat could not be written")


def pulse_events(claimed: ClaimedAttempt, pulse: Pulse) -> list[Event]:
    """What an attempt has said, as events."""
    return [attempt_event(claimed, entry.kind, entry.data) for entry in pulse.entries]


def attempt_event(claimed: ClaimedAttempt, kind: str, data: dict[str, Any], *, once: bool = False) -> Event:
    """An event of this attempt.

    Args:
        claimed: the attempt.
        kind: one of `orchestrator.domain.event`'s.
        data: plain JSON.
        once: a repeated insert changes nothing.
    """
    order = claimed.order
    return Event(
        run_id=order.run_id,
        tenant=order.tenant,
        kind=kind,
        step=order.step,
        item=order.item,
        attempt_id=order.id,
        data=data,
        key=f"{kind}/{order.id}/{claimed.token}" if once else "",
    )
