"""The chain of steps that decides how long a run takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from orchestrator.workflow.graph import ordered

if TYPE_CHECKING:
    from orchestrator.workflow.model import Workflow


def critical_path(workflow: Workflow, weights: Mapping[str, float]) -> tuple[list[str], float]:
    """The heaviest chain of needs, and its weight.

    Args:
        workflow: without circles.
        weights: by step; a step without one weighs nothing. Of equal chains the one of more steps is taken, then the
            one that stands first in the file.
    """
    places = {name: place for place, name in enumerate(workflow.steps)}
    best: dict[str, tuple[float, int]] = {}
    before: dict[str, str | None] = {}
    for name in ordered({step.id: step.needs for step in workflow.steps.values()}):
        behind = sorted(workflow.steps[name].needs, key=places.__getitem__)
        previous = max(behind, key=lambda other: best[other], default=None)
        weight, length = best[previous] if previous is not None else (0.0, 0)
        best[name], before[name] = (weight + weights.get(name, 0.0), length + 1), previous
    last = max((name for name in workflow.steps if name in best), key=lambda name: best[name], default=None)
    total = best[last][0] if last is not None else 0.0
    path: list[str] = []
    while last is not None:
        path.append(last)
        last = before[last]
    return path[::-1], total
