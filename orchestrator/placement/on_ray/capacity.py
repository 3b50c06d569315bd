"""Why an actor finds no place: what it needs against what the nodes have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.settings import Resources


@dataclass(frozen=True, slots=True)
class Node:
    """One node that lives.

    Attributes:
        host: its name.
        has: amounts by Ray's names of resources.
    """

    host: str
    has: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a cluster has.

    Attributes:
        nodes: those that live.
        free: amounts in all of them that nobody holds.
    """

    nodes: Sequence[Node]
    free: Mapping[str, float]


def needs(resources: Resources) -> dict[str, float]:
    """What one process takes, by Ray's names; nothing that is zero."""
    amounts = {"CPU": resources.cpu, "GPU": resources.gpu, "memory": float(resources.memory or 0), **resources.custom}
    return {name: amount for name, amount in amounts.items() if amount}


def shortage(resources: Resources, there: Capacity) -> str:
    """Why no node takes another process, in one line; empty where, as it seems, one does.

    Args:
        resources: what one process takes.
        there: what the cluster has.
    """
    needed = needs(resources)
    asked = f"each needs {_text(needed)}"
    if any(_fits(needed, node.has) for node in there.nodes):
        if _fits(needed, there.free):
            return ""
        whole = {name: sum(node.has.get(name, 0.0) for node in there.nodes) for name in needed}
        left = (f"{_amount(name, there.free.get(name, 0.0))} of {_amount(name, whole[name])} {name}" for name in needed)
        return f"{asked}; free in the cluster: {', '.join(left)}"
    most = {name: max((node.has.get(name, 0.0) for node in there.nodes), default=0.0) for name in needed}
    lacking = {name: amount for name, amount in most.items() if amount < needed[name]}
    if lacking:
        return f"{asked}; no node has more than {_text(lacking)}"
    return f"{asked}; no node has all of it"


def _fits(needed: Mapping[str, float], there: Mapping[str, float]) -> bool:
    return all(there.get(name, 0.0) >= amount for name, amount in needed.items())


def _text(amounts: Mapping[str, float]) -> str:
    return ", ".join(f"{_amount(name, amount)} {name}" for name, amount in amounts.items()) or "nothing"


def _amount(name: str, amount: float) -> str:
    return f"{amount / 2**30:.3g} GiB" if name == "memory" else f"{amount:g}"
