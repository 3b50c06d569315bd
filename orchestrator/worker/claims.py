"""Which attempts permits claim: any of the pool's whose worker still has a free slot in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.store.batching import Batcher

Claim = Callable[[str, Sequence[str], int], Awaitable[Sequence[ClaimedAttempt]]]
"""Claims so many queued attempts of a pool at the most, for the named workers."""


class Claims:
    """Claims attempts, and counts how many of each worker run. Permits that come in together claim with one statement.

    A permit that finds only workers without a free slot ends like any surplus permit. It is owed: the next slot
    that comes free claims without a permit, so nothing waits for the sweeper.

    Args:
        claim: claims queued attempts.
        limits: every worker that this process can run, and how many of it at once (None for any number).
    """

    def __init__(self, claim: Claim, limits: Mapping[str, int | None]) -> None:
        self._claim = claim
        self._limits = limits
        self._running: Counter[str] = Counter()
        self._owed: Counter[str] = Counter()
        self._batches: dict[str, Batcher[None, ClaimedAttempt | None]] = {}
        limited = any(limit is not None for limit in limits.values())
        # Two claims at once could both take a worker's last slot.
        self._turn = asyncio.Lock() if limited else contextlib.nullcontext()

    async def take(self, pool: str) -> ClaimedAttempt | None:
        """Claim one attempt of `pool`, or None when there is none that may run here now."""
        if pool not in self._batches:
            self._batches[pool] = Batcher(partial(self._take, pool))
        return await self._batches[pool].ask(None)

    async def _take(self, pool: str, asked: Sequence[None]) -> list[ClaimedAttempt | None]:
        async with self._turn:
            taken: list[ClaimedAttempt | None] = []
            while len(taken) < len(asked):
                free, most = self._room(len(asked) - len(taken))
                claimed = await self._claim(pool, free, most) if free else ()
                self._running.update(each.order.worker for each in claimed)
                taken += claimed
                if len(claimed) < most:
                    break
            missing = len(asked) - len(taken)
            if missing:
                self._owed[pool] = self._owed[pool] + missing if len(free) < len(self._limits) else 0
            return [*taken, *[None] * missing]

    def _room(self, wanted: int) -> tuple[list[str], int]:
        """The workers with a free slot, and how many attempts may be claimed without asking which they are for."""
        left = {name: None if limit is None else limit - self._running[name] for name, limit in self._limits.items()}
        free = [name for name, slots in left.items() if slots is None or slots > 0]
        return free, min([wanted, *(slots for slots in left.values() if slots is not None and slots > 0)])

    def give_back(self, claimed: ClaimedAttempt) -> bool:
        """Free the attempt's slot; whether a permit is owed to its pool, so that `take` should be called again."""
        order = claimed.order
        self._running[order.worker] -= 1
        if self._limits.get(order.worker) is None or self._owed[order.pool] == 0:
            return False
        self._owed[order.pool] -= 1
        return True
