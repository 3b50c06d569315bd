"""Which attempt a permit claims: any of the pool's whose worker still has a free slot in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

from orchestrator.domain.attempt import ClaimedAttempt

Claim = Callable[[str, Sequence[str]], Awaitable[ClaimedAttempt | None]]


class Claims:
    """Claims attempts, and counts how many of each worker run.

    A permit that finds only workers without a free slot ends like any surplus permit. It is owed: the next slot
    that comes free claims without a permit, so nothing waits for the sweeper.

    Args:
        claim: claims one queued attempt of a pool for one of the named workers, or gives None.
        limits: every worker that this process can run, and how many of it at once (None for any number).
    """

    def __init__(self, claim: Claim, limits: Mapping[str, int | None]) -> None:
        self._claim = claim
        self._limits = limits
        self._running: Counter[str] = Counter()
        self._owed: Counter[str] = Counter()
        limited = any(limit is not None for limit in limits.values())
        # Two claims at once could both take a worker's last slot.
        self._turn = asyncio.Lock() if limited else contextlib.nullcontext()

    async def take(self, pool: str) -> ClaimedAttempt | None:
        """Claim one attempt of `pool`, or None when there is none that may run here now."""
        async with self._turn:
            free = [name for name, limit in self._limits.items() if limit is None or self._running[name] < limit]
            claimed = await self._claim(pool, free) if free else None
            if claimed is not None:
                self._running[claimed.order.worker] += 1
            elif len(free) < len(self._limits):
                self._owed[pool] += 1
            else:
                self._owed[pool] = 0
            return claimed

    def give_back(self, claimed: ClaimedAttempt) -> bool:
        """Free the attempt's slot; whether a permit is owed to its pool, so that `take` should be called again."""
        order = claimed.order
        self._running[order.worker] -= 1
        if self._limits.get(order.worker) is None or self._owed[order.pool] == 0:
            return False
        self._owed[order.pool] -= 1
        return True
