"""Why no node takes another process, in one line."""

from __future__ import annotations

import pytest

from orchestrator.placement.on_ray.capacity import Capacity, Node, needs, shortage
from orchestrator.settings import Resources

NODES = (Node("one", {"CPU": 4.0, "memory": 2.0**33}), Node("two", {"CPU": 8.0, "GPU": 1.0, "licence": 2.0}))
EMPTY = {"CPU": 12.0, "GPU": 1.0, "memory": 2.0**33, "licence": 2.0}


def why(free: dict[str, float] | None = None, **resources: object) -> str:
    return shortage(Resources.model_validate(resources), Capacity(NODES, EMPTY if free is None else free))


def test_what_fits_is_not_short() -> None:
    assert why(cpu=8) == ""
    assert why(cpu=1, gpu=0.5, custom={"licence": 1}) == ""


@pytest.mark.parametrize(
    ("resources", "free", "said"),
    [
        ({"cpu": 16}, None, "each needs 16 CPU; no node has more than 8 CPU"),
        ({"custom": {"lab": 1}}, None, "each needs 1 CPU, 1 lab; no node has more than 0 lab"),
        ({"cpu": 0, "gpu": 1, "memory": "1GiB"}, None, "each needs 1 GPU, 1 GiB memory; no node has all of it"),
        ({"cpu": 0, "gpu": 1}, {"CPU": 12.0}, "each needs 1 GPU; free in the cluster: 0 of 1 GPU"),
        ({"cpu": 2, "gpu": 0.5}, {"CPU": 1.0, "GPU": 0.25},
         "each needs 2 CPU, 0.5 GPU; free in the cluster: 1 of 12 CPU, 0.25 of 1 GPU"),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(resources: dict[str, object], free: dict[str, float] | None, said: str) -> None:
    assert why(free, **resources) == said


def test_a_cluster_without_nodes() -> None:
    assert shortage(Resources(), Capacity((), {})) == "each needs 1 CPU; no node has more than 0 CPU"


def test_what_is_zero_is_not_asked_for() -> None:
    assert needs(Resources(cpu=0)) == {}
