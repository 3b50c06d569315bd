"""Who is next: a weighted-fair account of the tenants that wait in one pool, and a way past high priorities."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

LANE = 8
"""One claim of a tenant in so many takes what has waited longest, whatever its priority."""


@dataclass(frozen=True, slots=True)
class Turn:
    """One claim: for which tenant, and whether it goes to what has waited longest instead of what is most urgent."""

    tenant: str
    longest: bool


@dataclass(slots=True)
class _Standing:
    """Where a tenant stands: the virtual time at which its next claim is due, and how many it has had."""

    due: float
    had: int
    last: int = 0


class FairAccount:
    """Shares claims between the tenants that wait, in proportion to their weights (start-time fair queuing).

    Each claim moves its tenant's virtual time on by 1 / weight, and the tenant whose time is least is next. One that
    comes back after a while begins where the others are: nothing is saved up, and nothing is owed. Every process keeps
    an account of its own, so no process waits for another; where each is fair, all together are.

    Among the attempts of one tenant those of the highest priority come first, but for one claim in `LANE`.

    Args:
        weight: of a tenant; above 0.
        phase: how many claims a tenant that is new here has had; by default at random, so that processes which live for
            few claims have their turns for the longest wait as well.
    """

    def __init__(self, weight: Callable[[str], float], phase: Callable[[], int] | None = None) -> None:
        self._weight = weight
        self._phase = phase or (lambda: random.randrange(LANE))
        self._standings: dict[str, _Standing] = {}
        self._waiting: frozenset[str] = frozenset()
        self._now = 0.0
        self._served = 0

    @property
    def waiting(self) -> frozenset[str]:
        """The tenants that had something to claim when that was last looked at."""
        return self._waiting

    def refresh(self, waiting: Iterable[str]) -> None:
        """Take note of who waits now."""
        before, self._waiting = self._waiting, frozenset(waiting)
        self._standings = {
            name: stands for name, stands in self._standings.items() if name in self._waiting or stands.due > self._now
        }
        for name in self._waiting - before:
            stands = self._standings.get(name)
            if stands is None:
                self._standings[name] = _Standing(self._now, self._phase())
            else:
                stands.due = max(stands.due, self._now)

    def plan(self, count: int, without: Collection[str] = ()) -> list[Turn]:
        """The next so many turns, in order; nothing is charged for them yet.

        Args:
            count: how many.
            without: tenants that are to be passed over.
        """
        open_ = [name for name in self._waiting if name not in without]
        if not open_:
            return []
        if len(open_) == 1:
            had = self._standings[open_[0]].had
            return [Turn(open_[0], longest=(had + number) % LANE == 0) for number in range(1, count + 1)]
        next_ = [(stands.due, stands.last, name, stands.had + 1) for name in open_ if (stands := self._standings[name])]
        heapq.heapify(next_)
        turns = []
        for number in range(count):
            due, _, name, had = next_[0]
            turns.append(Turn(name, longest=had % LANE == 0))
            heapq.heapreplace(next_, (due + 1 / self._weight(name), self._served + number + 1, name, had + 1))
        return turns

    def charge(self, tenant: str) -> None:
        """Something of this tenant was claimed."""
        stands = self._standings.get(tenant)
        if stands is None:
            return
        self._served += 1
        self._now = max(self._now, stands.due)
        stands.due += 1 / self._weight(tenant)
        stands.had += 1
        stands.last = self._served
