"""All benchmarks by name, in the order in which they are run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from tests.benchmarks import (
    durable_steps,
    enqueue_to_start,
    fairness,
    growth,
    idle,
    makespan,
    residents,
    saver,
    takeover,
    worker_start,
)
from tests.benchmarks.measure import Figure
from tests.benchmarks.stage import Stage

Measure = Callable[[Stage], Coroutine[Any, Any, list[Figure]]]

BENCHMARKS: dict[str, Measure] = {
    "makespan": makespan.measure,
    "durable_steps": durable_steps.measure,
    "saver": saver.measure,
    "enqueue_to_start": enqueue_to_start.measure,
    "fairness": fairness.measure,
    "growth": growth.measure,
    "residents": residents.measure,
    "takeover": takeover.measure,
    "idle": idle.measure,
    "worker_start": worker_start.measure,
}
