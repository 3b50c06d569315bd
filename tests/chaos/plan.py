"""The plan of disturbances: what is done to which process, and when. Pure, and the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import count


class Kind(StrEnum):
    """What can be done."""

    WORKER = "worker"
    SUPERVISOR = "supervisor"
    POSTGRES = "postgres"
    CONNECTIONS = "connections"
    FREEZE = "freeze"


ALL = tuple(Kind)

WEIGHTS = {Kind.WORKER: 3, Kind.SUPERVISOR: 2, Kind.POSTGRES: 1, Kind.CONNECTIONS: 1, Kind.FREEZE: 1}
"""How often a round has each kind."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One of them.

    Attributes:
        at: seconds after the beginning.
        kind: what is done.
        chance: 0 to 1, chooses the victim among those that there are at that time.
    """

    at: float
    kind: Kind
    chance: float


def plan(
    seed: int, kinds: Sequence[Kind], *, every: float, weights: Mapping[Kind, int] = WEIGHTS
) -> Iterator[Disturbance]:
    """Disturbances without end: in each round all kinds, each as often as it weighs, in an order of its own.

    Args:
        seed: the same seed gives the same plan.
        kinds: at least one.
        every: seconds between two of them.
        weights: at least one for each kind.
    """
    one_round = [kind for kind in sorted(kinds) for _ in range(weights[kind])]
    source = random.Random(seed)
    numbers = count(1)
    while True:
        for kind in source.sample(one_round, len(one_round)):
            yield Disturbance(next(numbers) * every, kind, source.random())
