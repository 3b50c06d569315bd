"""How many processes a pool should have: one policy for every placement (local processes, Kubernetes, Ray)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from orchestrator.domain.worker import WorkerCard


@dataclass(frozen=True, slots=True)
class ScalingPolicy:
    """When a pool grows and shrinks, and between which bounds. Times are seconds.

    Attributes:
        min: processes at the least; 0 lets an idle pool have none.
        max: processes at the most.
        slots: attempts at once in one process.
        target_wait: the pool grows when its oldest due attempt has waited longer; None looks at depth alone.
        target_depth: it grows when more attempts than this are queued for each slot; None looks at the wait alone.
        cool_down: a process that was not needed for so long is taken away.
    """

    min: int = 0
    max: int = 4
    slots: int = 8
    target_wait: float | None = 2.0
    target_depth: float | None = None
    cool_down: float = 30.0


@dataclass(frozen=True, slots=True)
class PoolLoad:
    """A pool as it is now.

    Attributes:
        queued: attempts that are due and that nobody has claimed.
        running: attempts that the processes of this placement hold.
        wait: seconds since the oldest queued attempt became due, 0 where none is.
        serving: processes of this placement that are up and claim.
    """

    queued: int = 0
    running: int = 0
    wait: float = 0.0
    serving: int = 0


@dataclass(frozen=True, slots=True)
class Scale:
    """What the policy wants of a pool, and what it must remember until it is asked again.

    Attributes:
        wanted: processes.
        needed: when how many were needed, within the cool-down; only what nothing later has exceeded, so the first is
            the most, and there are never more entries than processes.
    """

    wanted: int = 0
    needed: tuple[tuple[float, int], ...] = ()


def rescale(policy: ScalingPolicy, load: PoolLoad, before: Scale, now: float) -> Scale:
    """What is wanted now. To be asked every second or so.

    A pool grows at once: from zero by one on the first queued attempt, else by as many as would have work, but never to
    more than the double, and not while processes that were wanted before are still on their way. It shrinks to
    what was needed at the most during the last `cool_down` seconds, so a pause between two bursts costs no process.

    Args:
        policy: the pool's.
        load: as it was observed.
        before: what this function gave last; `Scale(n)` at first, where n processes are there.
        now: seconds of any clock that does not go back.
    """
    wanted = _between(policy, before.wanted)
    needed = _between(policy, _needed(policy, load, wanted))
    earlier = before.needed or ((now, wanted),)
    recent = (*(each for each in earlier if now - each[0] < policy.cool_down and each[1] > needed), (now, needed))
    if needed <= wanted:
        wanted = min(wanted, recent[0][1])
    elif load.serving >= wanted:
        wanted = min(needed, max(1, 2 * wanted))
    return Scale(wanted, recent)


def _needed(policy: ScalingPolicy, load: PoolLoad, wanted: int) -> int:
    """Processes that would have work: what is queued counts once it waits for too long, or when there is none yet."""
    if load.queued and not wanted:
        return 1
    held = math.ceil(load.running / policy.slots)
    if not load.queued:
        return held
    if _presses(policy, load) and (load.running or not load.serving):
        return math.ceil((load.queued + load.running) / policy.slots)
    # Processes that are up and take nothing: no further one would, for want of the worker or because of a limit.
    return max(1, held)


def _presses(policy: ScalingPolicy, load: PoolLoad) -> bool:
    late = policy.target_wait is not None and load.wait > policy.target_wait
    slots = load.serving * policy.slots
    return late or (policy.target_depth is not None and load.queued > policy.target_depth * slots)


def _between(policy: ScalingPolicy, processes: int) -> int:
    return max(policy.min, min(policy.max, processes))


def slots_of(pool: str, cards: Iterable[WorkerCard], concurrency: int) -> int:
    """Attempts that one process of a pool can really run at once.

    Args:
        pool: its name.
        cards: of all workers.
        concurrency: what the process is told; workers that allow fewer in a process lower it together.
    """
    limits = [card.concurrency for card in cards if card.pool == pool]
    if not limits or None in limits:
        return concurrency
    return max(1, min(concurrency, sum(limit for limit in limits if limit is not None)))
