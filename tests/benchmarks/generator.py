"""The work that is measured: seeded graphs of steps, the same for us and for every peer."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import dataclass

MEAN_SECONDS = 0.25
LONGEST_SECONDS = 2.5
SIGMA = 1.0
"""Of the durations' logarithms: the slowest of forty then takes about ten times the median."""

LOOK_BACK = 8


@dataclass(frozen=True, slots=True)
class Step:
    """One step: what it comes after, and how long it takes."""

    id: str
    needs: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Work:
    """Steps in an order in which each comes after what it needs."""

    name: str
    steps: tuple[Step, ...]


def chain(steps: int) -> Work:
    """Steps that do nothing, each after the one before."""
    return Work(f"chain_{steps}", tuple(Step(f"s{at}", (f"s{at - 1}",) if at else ()) for at in range(steps)))


def layers(steps: int, width: int) -> Work:
    """Steps that do nothing in layers of `width`; each needs two of the layer before, so that no column runs ahead."""

    def needs(at: int) -> tuple[str, ...]:
        above, column = at - width, at % width
        if above < 0:
            return ()
        return tuple(sorted({f"s{above}", f"s{above - column + (column + 1) % width}"}))

    return Work(f"layers_{steps}_{width}", tuple(Step(f"s{at}", needs(at)) for at in range(steps)))


def uneven(seed: int, steps: int = 40) -> Work:
    """Each step needs none, one or two of the eight before it; durations are lognormal, with a cap.

    Args:
        seed: the same seed gives the same work, on every machine.
        steps: how many.
    """
    source = random.Random(seed)
    location = math.log(MEAN_SECONDS) - SIGMA**2 / 2
    made: list[Step] = []
    for at in range(steps):
        before = range(max(0, at - LOOK_BACK), at)
        needs = sorted(source.sample(before, min(source.randint(0, 2), len(before))))
        seconds = min(LONGEST_SECONDS, source.lognormvariate(location, SIGMA))
        made.append(Step(f"s{at}", tuple(f"s{need}" for need in needs), round(seconds, 3)))
    return Work(f"uneven_{seed}", tuple(made))


def critical_path(work: Work) -> float:
    """Seconds that the work takes where nothing but its own dependencies holds up a step."""
    ends: dict[str, float] = {}
    for step in work.steps:
        ends[step.id] = step.seconds + max((ends[need] for need in step.needs), default=0.0)
    return max(ends.values(), default=0.0)


def with_barriers(work: Work) -> float:
    """Seconds that it takes where each round of steps waits for the slowest of the round before: supersteps."""
    rounds: dict[str, int] = {}
    slowest: dict[int, float] = {}
    for step in work.steps:
        at = rounds[step.id] = 1 + max((rounds[need] for need in step.needs), default=-1)
        slowest[at] = max(slowest.get(at, 0.0), step.seconds)
    return sum(slowest.values())


def workflow_text(work: Work, worker: str) -> str:
    """The work as a workflow of ours.

    Args:
        work: its durations are handed to the worker as `seconds`, unless all are nought.
        worker: the registered name.
    """
    timed = any(step.seconds for step in work.steps)
    lines = ["api: orchestrator/v1", f"name: {work.name}", "version: 1.0.0", "steps:"]
    for step in work.steps:
        keys: Mapping[str, str] = {
            "kind": "worker",
            "worker": worker,
            **({"needs": f"[{', '.join(step.needs)}]"} if step.needs else {}),
            **({"with": f"{{seconds: {step.seconds}}}"} if timed else {}),
        }
        lines += [f"  {step.id}:", *(f"    {key}: {value}" for key, value in keys.items())]
    return "\n".join(lines) + "\n"


def fan_out_text(worker: str) -> str:
    """A workflow of ours with one step for each of the input `items`, all at once."""
    return f"""
api: orchestrator/v1
name: fan_out
version: 1.0.0
inputs: {{items: {{type: array}}}}
steps:
  work:
    kind: worker
    worker: {worker}
    foreach: {{items: "${{{{ inputs.items }}}}", as: item}}
"""
