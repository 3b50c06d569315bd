"""The loop of every placement: look at all pools, ask the policy, resize."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from orchestrator.domain.scaling import PoolLoad, Scale, ScalingPolicy, rescale, slots_of
from orchestrator.domain.worker import WorkerCard
from orchestrator.errors import OrchestratorError
from orchestrator.placement.contract import Placement
from orchestrator.settings import Settings
from orchestrator.store import Database
from orchestrator.store.pools import engaged_members, pool_loads

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool at one look, for people: its load, and how many processes the policy wants."""

    pool: str
    load: PoolLoad
    wanted: int


def policies_of(settings: Settings, cards: Collection[WorkerCard], pools: Iterable[str]) -> dict[str, ScalingPolicy]:
    """The policy of each pool, its slots being those that one process of it really has.

    A pool with a `max_running` gets no more processes than that fills: one more would find its gate closed.

    Args:
        settings: `scaling`, `sharing`, and `worker.concurrency` for pools that do not say theirs.
        cards: of the workers that the processes know.
        pools: their names.
    """
    return {pool: _policy(settings, pool, slots_of(pool, cards, settings.concurrency(pool))) for pool in pools}


def _policy(settings: Settings, pool: str, slots: int) -> ScalingPolicy:
    policy, limits = settings.scaling.policy(pool, slots), settings.sharing.pools.get(pool)
    if limits is None or limits.max_running is None:
        return policy
    return replace(policy, max=max(policy.min, min(policy.max, math.ceil(limits.max_running / slots))))


class Autoscaler:
    """Keeps the processes of some pools at what their policies want. It counts and stops none but its placement's own.

    Args:
        database: where the attempts are.
        placement: starts and stops.
        policies: by pool; every pool that is scaled.
        interval: seconds between two looks.
        dead_after: seconds of silence after which a process counts as gone.
        grace: seconds that a process which is stopped has to finish in. One that holds an attempt which has run for
            longer is not stopped for want of work: the attempt would be broken off, and done again from its beginning.
        on_look: told after every look, in the order of `policies`.
    """

    def __init__(
        self,
        database: Database,
        placement: Placement,
        policies: Mapping[str, ScalingPolicy],
        *,
        interval: float,
        dead_after: float,
        grace: float,
        on_look: Callable[[Sequence[PoolState]], None] = lambda states: None,
    ) -> None:
        self._database = database
        self._placement = placement
        self._policies = dict(policies)
        self._scales = dict.fromkeys(self._policies, Scale())
        self._interval = interval
        self._dead_after = dead_after
        self._grace = grace
        self._on_look = on_look

    async def run(self, stop: asyncio.Event) -> None:
        """Look again and again until `stop` is set; the processes are left as they are then.

        While the database is away nothing grows or shrinks.
        """
        while not stop.is_set():
            try:
                self._on_look(await self.look())
            except OrchestratorError as error:
                logger.warning("the pools are not scaled, next try in %g s: %s", self._interval, error.message)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), self._interval)

    async def look(self) -> list[PoolState]:
        """Look once, and resize."""
        members = [member for pool in self._policies for member in self._placement.members(pool)]
        loads = await pool_loads(self._database, self._policies, members, dead_after=self._dead_after)
        return [await self._rescale(pool, loads[pool]) for pool in self._policies]

    async def _rescale(self, pool: str, load: PoolLoad) -> PoolState:
        before = self._scales[pool]
        scale = self._scales[pool] = rescale(self._policies[pool], load, before, time.monotonic())
        if scale.wanted != before.wanted:
            logger.info(
                "%s: %d to %d processes (%d queued, the oldest for %.1f s, %d running)",
                *(pool, before.wanted, scale.wanted, load.queued, load.wait, load.running),
            )
        members = self._placement.members(pool)
        leaving = len(members) > scale.wanted
        engaged = await engaged_members(self._database, members, longer_than=self._grace) if leaving else ()
        self._placement.resize(pool, scale.wanted, engaged)
        return PoolState(pool, load, scale.wanted)
