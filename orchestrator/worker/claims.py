"""Which attempts permits claim: any of the pool's whose worker still has a free slot in this process."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.domain.gate import Gate
from orchestrator.store.batching import Batcher
from orchestrator.store.claiming import Claimed

Claim = Callable[[str, Sequence[str], int], Awaitable[Claimed]]
"""Claims so many queued attempts of a pool at the most, for the named workers."""


@dataclass(frozen=True, slots=True)
class Held:
    """What holds a pool back.

    Attributes:
        here: workers without a free slot in this process.
        gates: limits and rates over all machines.
        wait: seconds until the first of those rates opens, None where there is none.
    """

    here: frozenset[str] = frozenset()
    gates: frozenset[Gate] = frozenset()
    wait: float | None = None


class Claims:
    """Claims attempts, and counts how many of each worker run. Permits that come together claim with one statement.

    A permit that finds nothing while a worker has no free slot here, or while a limit over all machines is reached,
    ends like any surplus permit. Its pool is *held* from then on: where there may be room again one claims without a
    permit, until nothing is left to be claimed, so nothing waits for the sweeper.

    Args:
        claim: claims queued attempts.
        limits: every worker that this process can run, and how many of it at once (None for any number).
    """

    def __init__(self, claim: Claim, limits: Mapping[str, int | None]) -> None:
        self._claim = claim
        self._limits = limits
        self._running: Counter[str] = Counter()
        self._held: dict[str, Held] = {}
        self._batches: dict[str, Batcher[None, ClaimedAttempt | None]] = {}
        limited = any(limit is not None for limit in limits.values())
        # Two claims at once could both take a worker's last slot.
        self._turn = asyncio.Lock() if limited else contextlib.nullcontext()

    @property
    def held(self) -> Mapping[str, Held]:
        """The pools in which something may wait for room, and for which."""
        return self._held

    async def take(self, pool: str) -> ClaimedAttempt | None:
        """Claim one attempt of `pool`, or None when there is none that may run here now."""
        if pool not in self._batches:
            self._batches[pool] = Batcher(partial(self._take, pool))
        return await self._batches[pool].ask(None)

    async def _take(self, pool: str, asked: Sequence[None]) -> list[ClaimedAttempt | Exception | None]:
        async with self._turn:
            taken: list[ClaimedAttempt] = []
            closed: set[Gate] = set()
            wait: float | None = None
            while len(taken) < len(asked):
                free, most = self._room(len(asked) - len(taken))
                try:
                    claimed = await self._claim(pool, free, most) if free else Claimed([])
                except Exception as error:
                    if not taken:
                        raise
                    return [*taken, *[error] * (len(asked) - len(taken))]
                self._running.update(each.order.worker for each in claimed.taken)
                taken += claimed.taken
                if len(claimed.taken) < most:
                    closed |= claimed.closed
                    wait = claimed.wait
                    break
            missing = len(asked) - len(taken)
            here = self._limits.keys() - set(free)
            if missing and (closed or here):
                self._held[pool] = Held(frozenset(here), frozenset(closed), wait)
            elif missing:
                self._held.pop(pool, None)
            return [*taken, *[None] * missing]

    def _room(self, wanted: int) -> tuple[list[str], int]:
        """The workers with a free slot, and how many attempts may be claimed without asking which they are for."""
        left = {name: None if limit is None else limit - self._running[name] for name, limit in self._limits.items()}
        free = [name for name, slots in left.items() if slots is None or slots > 0]
        return free, min([wanted, *(slots for slots in left.values() if slots is not None and slots > 0)])

    def give_back(self, claimed: ClaimedAttempt) -> None:
        """Free the attempt's slot."""
        self._running[claimed.order.worker] -= 1
