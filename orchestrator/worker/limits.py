"""The limits and rates that hold over all machines, as this process has been told of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from orchestrator.domain.gate import Gate, GateKind, Passage, tenant_of
from orchestrator.domain.rate import Rate
from orchestrator.domain.worker import WorkerCard
from orchestrator.settings import SharingSettings
from orchestrator.store.claiming import PoolView


class Limits:
    """Which gates stand before an attempt: those of its pool, its worker, its tenant and its step.

    Args:
        sharing: limits of pools and tenants.
        cards: of every worker that this process can run, with their own limits and rates.
    """

    def __init__(self, sharing: SharingSettings, cards: Iterable[WorkerCard]) -> None:
        self._sharing = sharing
        self._gates: dict[str, list[Gate]] = {}
        self._homes: dict[str, str] = {}
        for card in cards:
            gates = []
            if card.max_running is not None:
                gates.append(Gate(GateKind.WORKER, card.name, most=card.max_running))
            if card.rate is not None:
                gates.append(Gate(GateKind.WORKER_RATE, card.name, rate=Rate.parse(card.rate)))
            if gates:
                self._gates[card.name] = gates
                self._homes[card.name] = card.pool

    @property
    def workers(self) -> Collection[str]:
        """The workers that have a limit or a rate."""
        return self._gates.keys()

    @property
    def counted(self) -> bool:
        """Whether anything has a limit on how many run, so that it matters to others when one has ended."""
        shares = (self._sharing.default, *self._sharing.tenants.values())
        limits = (
            *(share.max_running for share in shares),
            *(pool.max_running for pool in self._sharing.pools.values()),
        )
        gates = (gate for gates in self._gates.values() for gate in gates)
        return any(most is not None for most in limits) or any(gate.most is not None for gate in gates)

    def weight(self, tenant: str) -> float:
        """A tenant's share of the claims, beside the others'."""
        return self._sharing.of(tenant).weight

    def strangers(self, pool: str) -> list[str]:
        """The limited workers at home in another pool: one has to look whether they are wanted in this one."""
        return [name for name, home in self._homes.items() if home != pool]

    def gates(self, pool: str, view: PoolView, tenants: Collection[str]) -> list[Gate]:
        """Every gate that an attempt which is claimed now may come to.

        Args:
            pool: from which is claimed.
            view: what waits there.
            tenants: for which is claimed.
        """
        wanted = [name for name, home in self._homes.items() if home == pool or name in view.workers]
        return [
            *self._pool(pool),
            *(gate for name in wanted for gate in self._gates[name]),
            *(gate for tenant in tenants for gate in self._tenant(tenant)),
            *(
                Gate(GateKind.STEP_RATE, key, rate=rate)
                for key, rate in view.rates.items()
                if tenant_of(key) in tenants
            ),
        ]

    def freed_by(self, passage: Passage) -> frozenset[str]:
        """The names of the gates at which there is room again once this attempt has ended."""
        gates = [*self._pool(passage.pool), *self._gates.get(passage.worker, ()), *self._tenant(passage.tenant)]
        return frozenset(gate.name for gate in gates if gate.most is not None)

    def _pool(self, pool: str) -> list[Gate]:
        limits = self._sharing.pools.get(pool)
        most = limits.max_running if limits else None
        return [] if most is None else [Gate(GateKind.POOL, pool, most=most)]

    def _tenant(self, tenant: str) -> list[Gate]:
        most = self._sharing.of(tenant).max_running
        return [] if most is None else [Gate(GateKind.TENANT, tenant, most=most)]
