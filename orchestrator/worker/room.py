"""Claims without a permit, where there may be room again at a limit: here, in another process, or after a while."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.queue import FREED_CHANNEL, Listener, Notifier
from orchestrator.store.claiming import passage_of
from orchestrator.worker.claims import Claims
from orchestrator.worker.limits import Limits

AT_THE_LATEST = 1.0
"""Seconds after which a limit is tried again, should nobody have told of room: nobody tells of what was lost."""


class Room:
    """Keeps pools going that are held back by limits.

    Room that an ended attempt leaves is used by this process, if it has a pool that waits for it; else the others are
    told, so that one free slot does not make every process of the pool try for it.

    Args:
        claims: knows which pools are held back.
        limits: which gates an attempt leaves room at.
        notifier: tells the other processes.
        serve: begins to claim and run one attempt of a pool.
        full: whether this process has no slot for a further attempt.
    """

    def __init__(
        self,
        claims: Claims,
        limits: Limits,
        notifier: Notifier,
        serve: Callable[[str], object],
        full: Callable[[], bool],
    ) -> None:
        self._claims = claims
        self._limits = limits
        self._notifier = notifier
        self._serve = serve
        self._full = full
        self._trying: set[str] = set()
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._ours: set[str] = set()

    async def listen(self, listener: Listener) -> None:
        """Hear of room that others leave, where anything has a limit on how many run."""
        if self._limits.counted:
            await listener.listen(FREED_CHANNEL, self._on_freed, missed=self._try_all)

    async def close(self, listener: Listener) -> None:
        """Undo `listen`, and forget the timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._limits.counted:
            await listener.unlisten(FREED_CHANNEL, self._on_freed)

    def begun(self, pool: str) -> None:
        """A claim of this pool is about to be made: what was waited for is tried with it."""
        self._trying.discard(pool)
        if pool in self._timers:
            self._timers.pop(pool).cancel()

    def claimed(self, claimed: ClaimedAttempt) -> None:
        """Something was claimed; where more was held back there may be room for that, too."""
        self._ours -= self._limits.freed_by(passage_of(claimed.order))
        self._try(claimed.order.pool)

    def missed(self, pool: str) -> None:
        """Nothing was claimed: leave the room that was kept for it to others, and try again when it makes sense."""
        self._tell(self._ours)
        held = self._claims.held.get(pool)
        if held is None or pool in self._timers:
            return
        waits = [] if held.wait is None else [held.wait]
        if any(gate.most is not None for gate in held.gates):
            waits.append(AT_THE_LATEST * random.uniform(0.75, 1.0))  # not all processes at the same moment
        if waits:
            self._timers[pool] = asyncio.get_running_loop().call_later(min(waits), self._ring, pool)

    def left(self, claimed: ClaimedAttempt) -> None:
        """An attempt has ended, and its slots are free."""
        freed = self._limits.freed_by(passage_of(claimed.order))
        waiting = [
            pool
            for pool, held in self._claims.held.items()
            if claimed.order.worker in held.here or any(gate.name in freed for gate in held.gates)
        ]
        self._ours |= freed
        if not waiting or self._full():
            self._tell(self._ours)
        for pool in waiting:
            self._try(pool)

    def _try(self, pool: str) -> None:
        """Claim once more from a pool that is held back; one such claim at a time waits for a slot."""
        if pool in self._claims.held and pool not in self._trying:
            self._trying.add(pool)
            self._serve(pool)

    def _try_all(self) -> None:
        for pool in list(self._claims.held):
            self._try(pool)

    def _ring(self, pool: str) -> None:
        self._timers.pop(pool, None)
        self._try(pool)

    def _tell(self, gates: set[str]) -> None:
        for gate in gates:
            self._notifier.tell(FREED_CHANNEL, gate)
        gates.clear()

    def _on_freed(self, name: str) -> None:
        for pool, held in list(self._claims.held.items()):
            if any(gate.name == name for gate in held.gates):
                self._try(pool)
