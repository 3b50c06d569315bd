"""Carries out a plan: kills, freezes and cuts off, and sees to it that what is gone comes back."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator

from tests.chaos.fleet import Fleet
from tests.chaos.plan import Disturbance, Kind
from tests.chaos.server import Server

LOOK = 0.2
FREEZE_TRIES = 10
SILENT = 0.05
"""Seconds without a word in an open transaction, by which a frozen process is known to be in one."""


class Disturber:
    """Disturbs until it is stopped.

    Args:
        fleet: the processes.
        server: their database's.
        url: of the database.
        frozen: seconds for which a process is frozen.
        say: told of each disturbance.

    Attributes:
        done: how often each kind was carried out.
    """

    def __init__(self, fleet: Fleet, server: Server, url: str, *, frozen: float, say: Callable[[str], None]) -> None:
        self._fleet = fleet
        self._server = server
        self._url = url
        self._frozen = frozen
        self._say = say
        self._thawing: set[asyncio.Task[None]] = set()
        self.done: Counter[Kind] = Counter()

    async def follow(self, plan: Iterator[Disturbance]) -> None:
        """Do what the plan says, until it is over or this is cancelled; then wake what is still frozen."""
        begun, late = time.monotonic(), 0.0
        try:
            for each in plan:
                await asyncio.sleep(max(0.0, begun + late + each.at - time.monotonic()))
                began = time.monotonic()
                what = await self._carry_out(each)
                late += time.monotonic() - began  # a crash takes its time; the next ones do not make up for it
                self.done[each.kind] += 1
                self._say(f"{time.monotonic() - begun:6.1f} s  {each.kind}: {what}")
            await asyncio.gather(*self._thawing)
        finally:
            for task in self._thawing:
                task.cancel()
            await asyncio.gather(*self._thawing, return_exceptions=True)
            self._fleet.thaw_all()

    async def mend(self) -> None:
        """Start again whatever is gone, until cancelled."""
        while True:
            self._fleet.mend()
            await asyncio.sleep(LOOK)

    async def _carry_out(self, each: Disturbance) -> str:
        if each.kind is Kind.POSTGRES:
            begun = time.monotonic()
            await self._server.crash()
            return f"killed, and up again after {time.monotonic() - begun:.1f} s"
        if each.kind is Kind.CONNECTIONS:
            return f"{await self._server.cut(self._url, each.chance)} cut"
        if each.kind is Kind.FREEZE:
            return await self._freeze(each.chance)
        # One that is only starting has nothing to lose: on a busy machine nothing would ever get to work.
        name = self._fleet.kill(each.kind, each.chance, await self._server.serving(self._url))
        return f"killed {name}" if name else "nobody serves yet"

    async def _freeze(self, chance: float) -> str:
        """Freeze somebody, in the middle of a transaction if that can be had: it holds its locks then."""
        name, caught = self._fleet.freeze(chance), False
        if name is None:
            return "nobody is left"
        for _ in range(FREEZE_TRIES):
            await asyncio.sleep(SILENT)
            caught = await self._server.in_transaction(self._url, since=SILENT)
            if caught:
                break
            self._fleet.thaw(name)
            await asyncio.sleep(SILENT / 10)
            name = self._fleet.freeze(chance) or name
        task = asyncio.create_task(self._thaw(name))
        self._thawing.add(task)
        task.add_done_callback(self._thawing.discard)
        return f"{name} for {self._frozen:g} s" + (", in a transaction" if caught else "")

    async def _thaw(self, name: str) -> None:
        try:
            await asyncio.sleep(self._frozen)
        finally:
            self._fleet.thaw(name)
