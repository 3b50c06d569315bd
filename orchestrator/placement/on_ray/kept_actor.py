"""An actor that is kept: made again, ever more slowly, when it ends unasked; stopped when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import Any

from orchestrator.placement.kept_process import BACKOFF, LOOP, STEADY
from orchestrator.placement.on_ray.cluster import RayCluster
from orchestrator.placement.on_ray.worker_actor import Order
from orchestrator.settings import Resources
from orchestrator.store.pools import Member

UNAVAILABLE = 1.0
"""Seconds between two tries to reach an actor that Ray cannot reach and does not know to be dead."""


class KeptActor:
    """One place for an actor, and the actor that fills it now. Made inside a running event loop, which starts it.

    Nobody else makes a dead one again: Ray is told not to.

    Args:
        cluster: where it runs.
        order: what it starts.
        resources: what it takes of a node.
        tell: called with one line when something is worth a person's attention.
    """

    def __init__(self, cluster: RayCluster, order: Order, resources: Resources, tell: Callable[[str], None]) -> None:
        self.name = order.name
        self.member: Member | None = None
        self.seeking_since: float | None = None
        self._cluster = cluster
        self._order = order
        self._resources = resources
        self._tell = tell
        self._failures = 0
        self._begun = 0.0
        self._actor: Any = None
        self._serves = False
        self._stopping = asyncio.Event()
        self._keeping = asyncio.create_task(self._keep(), name=f"keep {order.name}")

    def stop(self) -> None:
        """Ask its process to end; asking again does not let it finish what it holds."""
        self._stopping.set()
        if self._serves:
            self._actor.stop.remote()

    async def ended(self, patience: float) -> None:
        """Wait until it has ended; after `patience` seconds it is killed. It has to have been told to stop."""
        done, _ = await asyncio.wait({self._keeping}, timeout=patience)
        if not done:
            if patience:
                self._tell(f"{self.name} did not stop within {patience:g} s and is killed")
            self._keeping.cancel()
            await asyncio.wait({self._keeping})

    async def _keep(self) -> None:
        while not self._stopping.is_set():
            how = await self._fill()
            if self._stopping.is_set():
                return
            lived = time.monotonic() - self._begun
            self._failures = 1 if lived > STEADY else self._failures + 1
            pause = BACKOFF.delay(self._failures, self.name)
            loop = f", {self._failures} times in a row: it does not come up" if self._failures >= LOOP else ""
            self._tell(f"{self.name} ended after {lived:.1f} s{loop}; next try in {pause:g} s: {how}")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)

    async def _fill(self) -> str:
        """Make an actor and follow it to its end; gives what was the matter with it."""
        self._begun = self.seeking_since = time.monotonic()
        try:
            self._actor = await self._cluster.new_actor(self.name, self._resources)
            if await self._started():
                await self._follow()
        except Exception as error:  # noqa: BLE001 - whatever Ray raises, the place is kept
            return self._cluster.cause(error)
        finally:
            self._forget()
        return "it was told to stop"

    async def _started(self) -> bool:
        """Wait for its place and its start; False when it is told to stop before."""
        starting = asyncio.ensure_future(self._actor.start.remote(self._order))
        stopped = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({starting, stopped}, return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return False
            starting.result()
        finally:
            starting.cancel()
            stopped.cancel()
        self._begun, self._serves, self.seeking_since = time.monotonic(), True, None
        if self._stopping.is_set():
            self._actor.stop.remote()
        return True

    async def _follow(self) -> None:
        """Hear what is new about its process until that was told to stop and has ended."""
        while True:
            try:
                news = await self._actor.news.remote(self.member)
            except self._cluster.unavailable:  # perhaps it works on; its member may not even notice
                await asyncio.sleep(UNAVAILABLE)
                continue
            for line in news.told:
                self._tell(line)
            self.member = news.member
            if news.ended:
                return

    def _forget(self) -> None:
        actor, self._actor = self._actor, None
        self._serves, self.member, self.seeking_since = False, None, None
        if actor is not None:
            self._cluster.kill(actor)
