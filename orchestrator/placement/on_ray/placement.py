"""`RayPlacement`: worker processes on the nodes of a Ray cluster."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import count
from types import TracebackType
from typing import Self

from orchestrator.placement.on_ray.capacity import Capacity, shortage
from orchestrator.placement.on_ray.cluster import RayCluster
from orchestrator.placement.on_ray.kept_actor import KeptActor
from orchestrator.placement.on_ray.worker_actor import Order
from orchestrator.settings import Settings
from orchestrator.store.pools import Member

LOOK = 3.0
"""Seconds between two looks at the cluster; an actor that has sought a place for longer is told."""

BEYOND_PATIENCE = 10.0
"""Seconds that an actor gets to tell that its process has ended, or was killed."""


class RayPlacement:
    """Starts and stops actors while it is entered; when it is left none of them stays. They are killed with it.

    Args:
        cluster: where; connected.
        settings: of the project that they work for.
        pools: those that may be resized, with the attempts at once in one process.
        environ: what their processes get besides the nodes' environment. It goes straight to each actor's process in
            a call, so Ray's tables and its dashboard never hold it.
        patience: seconds that a process may take to stop before it is killed.
        tell: called with one line when something is worth a person's attention.
        options: shared options of the command line, as `--log-level debug`.
    """

    def __init__(
        self,
        cluster: RayCluster,
        settings: Settings,
        pools: Mapping[str, int],
        *,
        environ: Mapping[str, str],
        patience: float,
        tell: Callable[[str], None],
        options: Sequence[str] = (),
    ) -> None:
        self._cluster = cluster
        self._concurrency = dict(pools)
        self._resources = {pool: settings.scaling.of(pool).resources for pool in pools}
        self._project = None if settings.scaling.ray.ship else str(settings.root.resolve())
        self._environ = dict(environ)
        self._patience = patience
        self._tell = tell
        self._options = tuple(options)
        self._pools: dict[str, list[KeptActor]] = {pool: [] for pool in pools}
        self._ending: dict[asyncio.Task[None], KeptActor] = {}
        self._short: dict[str, str] = {}

    async def __aenter__(self) -> Self:
        self._looking = asyncio.create_task(self._look(), name="look at the Ray cluster")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        while self._ending:
            await asyncio.wait(set(self._ending))
        self._looking.cancel()
        await asyncio.wait({self._looking})

    async def lost(self) -> None:
        """Wait until the cluster is gone for good.

        Raises:
            ServiceError: it is.
        """
        await asyncio.shield(self._looking)

    def members(self, pool: str) -> list[Member]:
        """The pool's processes that run now, without those that were told to stop."""
        return [kept.member for kept in self._pools[pool] if kept.member is not None]

    def resize(self, pool: str, wanted: int, engaged: Collection[Member] = ()) -> None:
        """Make or stop actors of a pool until so many are there.

        Those without a place go first, then the youngest; the engaged stay.
        """
        kept = self._pools[pool]
        while len(kept) < wanted:
            kept.append(self._start(pool))
        free = [each for each in kept if each.member is None or each.member not in engaged]
        free.sort(key=lambda each: each.member is None)
        while len(kept) > wanted and free:
            leaving = free.pop()
            kept.remove(leaving)
            self._end(leaving)

    def stop(self) -> None:
        """Stop all; called again, they do not finish what they hold."""
        for kept in self._ending.values():
            kept.stop()
        for pool in self._pools.values():
            while pool:
                self._end(pool.pop())

    def _start(self, pool: str) -> KeptActor:
        order = Order(
            name=self._free_name(pool),
            pool=pool,
            concurrency=self._concurrency[pool],
            project=self._project,
            environ=self._environ,
            patience=self._patience,
            options=self._options,
        )
        return KeptActor(self._cluster, order, self._resources[pool], self._tell)

    def _end(self, kept: KeptActor) -> None:
        kept.stop()
        patience = 0.0 if self._looking.done() else self._patience + BEYOND_PATIENCE
        ending = asyncio.create_task(kept.ended(patience))
        self._ending[ending] = kept
        ending.add_done_callback(self._ending.pop)

    def _free_name(self, pool: str) -> str:
        taken = {kept.name for kept in self._all()}
        return next(name for number in count(1) if (name := f"{pool}-{number}") not in taken)

    def _all(self) -> list[KeptActor]:
        return [*(kept for pool in self._pools.values() for kept in pool), *self._ending.values()]

    async def _look(self) -> None:
        """Tell what finds no place, and that Ray does not answer."""
        silent = False
        while True:
            await asyncio.sleep(LOOK)
            asked = asyncio.ensure_future(self._cluster.capacity())
            done, _ = await asyncio.wait({asked}, timeout=LOOK)
            if not done:
                silent = True
                self._tell("Ray does not answer: nothing can grow or shrink; the workers that run go on")
            capacity = await asked
            if silent:
                silent = False
                self._tell("Ray answers again")
            self._tell_shortage(capacity)

    def _tell_shortage(self, capacity: Capacity) -> None:
        """Once for every change, so that a long wait is one line."""
        long_ago = time.monotonic() - LOOK
        for pool, kept in self._pools.items():
            seeking = sum(each.seeking_since is not None and each.seeking_since < long_ago for each in kept)
            why = shortage(self._resources[pool], capacity) if seeking else ""
            said = f"{pool}: {seeking} of {len(kept)} actors find no place: {why}" if why else ""
            if said and said != self._short.get(pool):
                self._tell(said)
            elif not seeking and self._short.get(pool):
                self._tell(f"{pool}: all actors have a place")
            self._short[pool] = said if seeking else ""
