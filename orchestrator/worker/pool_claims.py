"""Claims from one pool: whose turn it is, and through which gates."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence

from orchestrator.domain.attempt import ClaimedAttempt
from orchestrator.domain.fairness import FairAccount, Turn
from orchestrator.domain.gate import Gate
from orchestrator.domain.identity import ProcessId
from orchestrator.errors import OrchestratorError
from orchestrator.store.claiming import Claimant, Claimed, PoolView, claim, claim_through, look
from orchestrator.store.database import Database
from orchestrator.worker.limits import Limits

log = logging.getLogger(__name__)

FRESH = 0.1
"""Seconds for which a look at the pool is good while claims find what they want; one that found less looks again."""

LOOKING = 0.02
"""The share of the time that may be spent on looking, where a look takes long."""


class PoolClaims:
    """Claims attempts of one pool for one process, fairly between tenants.

    What waits is looked at beside the claims, so that a claim is one statement. One that got less than it asked for
    looks, and asks again; one for many looks first, should the last look be old.

    Args:
        database: where the attempts are.
        pool: from which is claimed.
        limits: what holds over all machines.
        process: gives the id under which this process claims now.
        lease: in seconds.
    """

    def __init__(
        self, database: Database, pool: str, limits: Limits, process: Callable[[], ProcessId], lease: float
    ) -> None:
        self._database = database
        self._pool = pool
        self._limits = limits
        self._process = process
        self._lease = lease
        self._account = FairAccount(limits.weight)
        self._view = PoolView(frozenset(), {}, frozenset())
        self._short: frozenset[str] = frozenset()
        self._looked_at = 0.0
        self._good_until = 0.0
        self._looking: asyncio.Task[None] | None = None

    async def claim(self, workers: Sequence[str], most: int) -> Claimed:
        """Take what is next, `most` at the most, for these workers.

        Raises:
            ServiceError: the database is away.
        """
        taken: list[ClaimedAttempt] = []
        closed: set[Gate] = set()
        waits: list[float] = []
        short: frozenset[str] = frozenset()
        known = self._view
        looked = most > 1 and self._stale
        if looked:
            await self._look()
        while len(taken) < most:
            turns = self._account.plan(most - len(taken), without=self._short | short)
            if not turns and looked:
                break
            try:
                if not turns:
                    await self._look()
                    looked = True
                    if (self._view.rates, self._view.workers) != (known.rates, known.workers):
                        short = frozenset()  # what stands behind a gate cannot be claimed before that was seen
                    continue
                known = self._view
                found = await self._claim(workers, turns)
            except OrchestratorError as error:
                if not taken:
                    raise
                log.warning("no more than %d attempts were claimed from %s: %s", len(taken), self._pool, error.message)
                break
            for each in found.taken:
                self._account.charge(each.order.tenant)
            taken += found.taken
            closed |= found.closed
            waits += [] if found.wait is None else [found.wait]
            short |= found.short
        self._short |= short
        if self._stale and self._looking is None:
            self._looking = asyncio.create_task(self._look_beside(), name=f"look at {self._pool}")
        return Claimed(taken, short, frozenset(closed), min(waits, default=None))

    async def close(self) -> None:
        """End a look that is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.wait({self._looking})

    async def _claim(self, workers: Sequence[str], turns: Sequence[Turn]) -> Claimed:
        gates = self._limits.gates(self._pool, self._view, {turn.tenant for turn in turns})
        passable = {gate.of for gate in gates}
        able = tuple(name for name in workers if name in passable or name not in self._limits.workers)
        claimant = Claimant(self._process(), self._pool, able, self._lease)
        if gates:
            return await claim_through(self._database, claimant, turns, gates)
        return await claim(self._database, claimant, turns)

    @property
    def _stale(self) -> bool:
        return time.monotonic() > self._good_until

    async def _look(self) -> None:
        begun = time.monotonic()
        view = await look(self._database, self._pool, self._limits.strangers(self._pool))
        if begun < self._looked_at:
            return  # a look that began later is back already
        self._looked_at, self._view = begun, view
        self._account.refresh(self._view.tenants)
        self._short = frozenset()
        ended = time.monotonic()
        self._good_until = ended + max(FRESH, (ended - begun) / LOOKING)

    async def _look_beside(self) -> None:
        try:
            await self._look()
        except OrchestratorError as error:
            log.warning("the pool %s could not be looked at: %s", self._pool, error.message)
        finally:
            self._looking = None
