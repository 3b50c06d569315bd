"""The shape of a workflow: waves of steps that can run together, and circles that must not be."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.workflow.model import StepSpec, Workflow


def waves(workflow: Workflow) -> list[list[str]]:
    """The waves of a workflow's steps, those of `finally` aside."""
    return waves_of(workflow.steps)


def waves_of(steps: Mapping[str, StepSpec]) -> list[list[str]]:
    """Steps by how far they stand from the beginning; the steps of one wave do not wait for each other.

    A step starts as soon as its own needs have settled: waves are for showing, not for running.
    """
    depths: dict[str, int] = {}
    for name in ordered({step.id: step.needs for step in steps.values()}):
        depths[name] = 1 + max((depths[other] for other in steps[name].needs if other in steps), default=-1)
    found: list[list[str]] = [[] for _ in range(1 + max(depths.values(), default=-1))]
    for name in steps:
        found[depths[name]].append(name)
    return found


def ordered(needs: Mapping[str, Collection[str]]) -> list[str]:
    """Every step after all that it needs. A circle's steps, and those behind it, are left out."""
    missing = {name: sum(other in needs for other in set(others)) for name, others in needs.items()}
    dependants: dict[str, list[str]] = {name: [] for name in needs}
    for name, others in needs.items():
        for other in set(others):
            if other in needs:
                dependants[other].append(name)
    ready = [name for name, count in missing.items() if count == 0]
    for name in ready:
        for dependant in dependants[name]:
            missing[dependant] -= 1
            if missing[dependant] == 0:
                ready.append(dependant)
    return ready


def cycle(needs: Mapping[str, Collection[str]]) -> list[str] | None:
    """A circle as a path that ends where it began, in the order of waiting; None where there is none."""
    sound = set(ordered(needs))
    rest = [name for name in needs if name not in sound]
    if not rest:
        return None
    path, seen = [rest[0]], {rest[0]: 0}
    while True:
        following = next(other for other in needs[path[-1]] if other in needs and other not in sound)
        if following in seen:
            circle = path[seen[following] :]
            first = circle.index(min(circle, key=list(needs).index))
            return [*circle[first:], *circle[:first], circle[first]]
        seen[following] = len(path)
        path.append(following)
