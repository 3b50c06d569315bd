"""A claim comes to the gates of its pool, its workers and its tenants, and to no others."""

from __future__ import annotations

from orchestrator.domain.gate import GateKind, step_rate
from orchestrator.domain.rate import Rate
from orchestrator.settings import SharingSettings
from orchestrator.store.claiming import PoolView
from orchestrator.worker.limits import Limits


def test_the_rates_of_other_tenants_steps_stand_before_nobody_else():
    keys = [step_rate(tenant, "flow", "s", "1/s")["key"] for tenant in ("acme", "north/acme", "other")]
    view = PoolView(frozenset({"acme", "north/acme", "other"}), dict.fromkeys(keys, Rate(1, 1.0)), frozenset())
    limits = Limits(SharingSettings(), ())

    def locked(*tenants: str) -> list[str]:
        return [gate.of for gate in limits.gates("test", view, tenants) if gate.kind is GateKind.STEP_RATE]

    assert locked("acme") == ["acme/flow/s"]
    assert locked("north/acme", "other") == ["north/acme/flow/s", "other/flow/s"]
    assert locked("idle") == []
