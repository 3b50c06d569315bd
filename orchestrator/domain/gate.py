"""What may hold back a claim: limits on how many run at once, and rates, both over all machines."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from orchestrator.domain.rate import Rate


class GateKind(StrEnum):
    """What a gate is for."""

    POOL = "pool"
    WORKER = "worker"
    TENANT = "tenant"
    WORKER_RATE = "worker_rate"
    STEP_RATE = "step_rate"


@dataclass(frozen=True, slots=True)
class Gate:
    """One limit or rate. `most` is how many may run at once; a rate gate has `rate` instead.

    Attributes:
        of: the pool, worker or tenant; for a step its `rate_key`.
    """

    kind: GateKind
    of: str
    most: int | None = None
    rate: Rate | None = None

    @property
    def name(self) -> str:
        """What it is known by everywhere: what is locked, and told of when there is room again."""
        return f"{self.kind}:{self.of}"


@dataclass(frozen=True, slots=True)
class Passage:
    """What of an attempt matters to gates."""

    pool: str
    worker: str
    tenant: str
    rate_key: str | None = None

    def __contains__(self, gate: Gate) -> bool:
        """Whether the attempt has to pass the gate."""
        match gate.kind:
            case GateKind.POOL:
                return gate.of == self.pool
            case GateKind.WORKER | GateKind.WORKER_RATE:
                return gate.of == self.worker
            case GateKind.TENANT:
                return gate.of == self.tenant
            case GateKind.STEP_RATE:
                return gate.of == self.rate_key


class Rooms:
    """How much room each gate has, while what passes is counted.

    Args:
        rooms: how many more may pass each gate now.
    """

    def __init__(self, rooms: Mapping[Gate, int]) -> None:
        self._rooms = dict(rooms)

    @property
    def closed(self) -> frozenset[Gate]:
        """The gates through which nothing passes now."""
        return frozenset(gate for gate, room in self._rooms.items() if room <= 0)

    def of_closed(self, *kinds: GateKind) -> set[str]:
        """What the closed gates of these kinds are for."""
        return {gate.of for gate in self.closed if gate.kind in kinds}

    def sure(self, wanted: int) -> int:
        """How many may pass without asking which gates they come to, as long as those come to no closed one."""
        return min([wanted, *(room for room in self._rooms.values() if room > 0)])

    def open_keys(self) -> list[str]:
        """The rate keys of steps that may begin."""
        return [gate.of for gate, room in self._rooms.items() if gate.kind is GateKind.STEP_RATE and room > 0]

    def count(self, passages: Iterable[Passage]) -> None:
        """These have passed."""
        for passage in passages:
            for gate in self._rooms:
                if gate in passage:
                    self._rooms[gate] -= 1


def room_of(gate: Gate, *, running: int, ahead: float) -> int:
    """How many may pass a gate.

    Args:
        gate: a limit or a rate.
        running: how many are behind it now.
        ahead: seconds by which the rate's schedule is ahead of now.
    """
    if gate.rate is not None:
        return gate.rate.tokens(ahead)
    assert gate.most is not None, "a gate is a limit or a rate"
    return max(0, gate.most - running)


def gates_of(passage: Passage, gates: Collection[Gate]) -> list[Gate]:
    """The gates that an attempt has to pass."""
    return [gate for gate in gates if gate in passage]


def step_rate(tenant: str, workflow: str, step: str, rate: str) -> dict[str, Any]:
    """What an attempt's options say of its step's own rate: shared by all runs of the workflow of one tenant."""
    return {"key": f"{tenant}/{workflow}/{step}", "rate": rate}


def tenant_of(key: str) -> str:
    """Whose step it is that has this `rate_key`; names of workflows and steps hold no slash, a tenant's may."""
    return key.rsplit("/", 2)[0]
