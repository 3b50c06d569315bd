"""The chain of steps that decides how long a run takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrator.workflow.graph import ordered

if TYPE_CHECKING:
    from orchestrator.workflow.model import StepSpec


def critical_path(steps: Mapping[str, StepSpec], weights: Mapping[str, float]) -> tuple[list[str], float]:
    """The heaviest chain of needs, and its weight.

    Args:
        steps: without circles; needs of others than these do not count.
        weights: by step; a step without one weighs nothing. Of equal chains the one of more steps is taken, then the
            one that stands first in the file.
    """
    places = {name: place for place, name in enumerate(steps)}
    best: dict[str, tuple[float, int]] = {}
    before: dict[str, str | None] = {}
    for name in ordered({step.id: step.needs for step in steps.values()}):
        behind = sorted((other for other in steps[name].needs if other in steps), key=places.__getitem__)
        previous = max(behind, key=lambda other: best[other], default=None)
        weight, length = best[previous] if previous is not None else (0.0, 0)
        best[name], before[name] = (weight + weights.get(name, 0.0), length + 1), previous
    last = max((name for name in steps if name in best), key=lambda name: best[name], default=None)
    total = best[last][0] if last is not None else 0.0
    path: list[str] = []
    while last is not None:
        path.append(last)
        last = before[last]
    return path[::-1], total
